"""The command `pergamum`: which commands there are. Each is a file beside this one."""

import typer

from pergamum.cli.demo import demo
from pergamum.cli.doctor import doctor
from pergamum.cli.generate import generate
from pergamum.cli.import_file import import_file
from pergamum.cli.libraries import libraries
from pergamum.cli.mcp import mcp
from pergamum.cli.search import search
from pergamum.cli.serve import serve
from pergamum.cli.version import version
from pergamum.cli.worker import worker

app = typer.Typer(
    name="pergamum",
    help="A vector database: text in, nearest chunks out.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage or cannot start, 3 server unreachable, 130 interrupted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve)
app.command("worker", hidden=True)(worker)
app.command("import")(import_file)
app.command("generate")(generate)
app.command("search")(search)
app.add_typer(libraries)
app.command("mcp")(mcp)
app.command("doctor")(doctor)
app.command("demo")(demo)
app.command("version")(version)
