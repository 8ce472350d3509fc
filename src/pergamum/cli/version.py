"""`pergamum version`."""

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of

import typer

from pergamum.cli.output import AsJson, print_json


def version(as_json: AsJson = False) -> None:
    """Print the versions of Pergamum and Python."""
    try:
        release = version_of("pergamum")
    except PackageNotFoundError:  # run from a source folder that is not installed
        release = "unknown"
    python = platform.python_version()
    if as_json:
        print_json({"pergamum": release, "python": python})
    else:
        typer.echo(f"pergamum {release} (Python {python})")
