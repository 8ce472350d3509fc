"""`python -m pergamum` is the command `pergamum`."""

from pergamum.cli.main import app

app()
