"""What can be done from a shell? One file a command; heavy imports stay inside the commands, so that help is quick."""

from importlib.util import find_spec

if find_spec("typer") is None:  # the base install is the client alone
    raise SystemExit("pergamum: the command line is not installed; install it with: pip install 'pergamum[server]'")
