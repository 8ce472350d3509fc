"""`pergamum doctor`: reads everything in a data folder that no server has open."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pergamum.cli.output import CANNOT_START, FAILED, AsJson, fail, print_json

PARTS = ("format", "catalog.db", "libraries")
"""By any of these a data folder is known, even when the others are lost."""

if TYPE_CHECKING:
    from pergamum.storage.sqlite.verify import Finding


def doctor(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="A data folder that no server uses.")],
    as_json: AsJson = False,
    repair: Annotated[bool, typer.Option("--repair", help="Remove broken indexes, which are made again.")] = False,
) -> None:
    """Check every row, vector and index in FOLDER, and say which kernels this processor runs.

    The exit code is 1 when something is damaged, 2 when the folder is in use.

    Nothing is changed without --repair, which removes broken indexes: the next start of the server builds them again
    from the vectors; a broken keyword index is made again at once, from the rows. Logs that a crash left behind are
    settled first, as at a start.
    """
    if not any((folder / name).exists() for name in PARTS):
        fail(f"{folder} is not a data folder of Pergamum", CANNOT_START)
    damages = _report(folder, _findings(folder, repair), as_json)
    if damages:
        raise typer.Exit(FAILED)


def _findings(folder: Path, repair: bool) -> "Iterator[Finding]":
    from pergamum.engine.index_faults import look_inside
    from pergamum.errors import CannotStart, PergamumError
    from pergamum.storage.sqlite.verify import Care, verify_data_folder

    try:
        yield from verify_data_folder(folder, Care(look_inside, repair))
    except (CannotStart, PermissionError) as error:
        fail(f"cannot check {folder}: {error}", CANNOT_START)
    except (PergamumError, OSError) as error:
        fail(f"cannot go on checking {folder}: {error}")


def _report(folder: Path, findings: "Iterable[Finding]", as_json: bool) -> int:
    """Print the findings, one by one as they come unless they go into one JSON object; return how many are damage."""
    from pergamum.index.bodies import bodies

    kept: list[dict[str, str]] = []
    counts = {"damage": 0, "warning": 0, "repaired": 0}
    for finding in findings:
        counts[finding.severity] += 1
        if as_json:
            kept.append(asdict(finding))
        else:
            typer.echo(f"{finding.severity}: {finding.what}: {finding.detail}")
    if as_json:
        numbers = {"damages": counts["damage"], "warnings": counts["warning"], "repaired": counts["repaired"]}
        print_json({"folder": str(folder), **numbers, "findings": kept, "kernels": bodies()})
        return counts["damage"]
    typer.echo("kernels: " + ", ".join(f"{kind} {body}" for kind, body in bodies().items()))
    if not any(counts.values()):
        typer.echo(f"{folder}: nothing is wrong")
    else:
        typer.echo(f"{folder}: {counts['damage']} damaged, {counts['warning']} warnings, {counts['repaired']} repaired")
    return counts["damage"]
