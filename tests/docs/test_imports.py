"""The base install is the client: importing it loads nothing of the server."""

import subprocess
import sys

HEAVY = {"apsw", "fastapi", "numba", "polars", "pydantic_settings", "starlette", "structlog", "typer", "uvicorn"}
SERVER = {"api", "app", "cli", "embedding", "engine", "index", "journal", "services", "settings", "storage"}


def test_importing_the_client_loads_nothing_of_the_server() -> None:
    program = "import sys, pergamum.client; print(*sys.modules)"

    printed = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout

    loaded = set(printed.split())
    assert "pergamum.client" in loaded
    assert loaded & HEAVY == set()
    assert loaded & {f"pergamum.{name}" for name in SERVER} == set()


def test_a_server_loads_polars_only_when_it_filters() -> None:
    program = "import sys, pergamum.app; print(*sys.modules)"

    printed = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout

    loaded = set(printed.split())
    assert "pergamum.engine.live_columns" in loaded
    assert "polars" not in loaded
