"""Synthetic documents into a library on a server."""

from pergamum.cli.generate_outcome import Outcome
from pergamum.cli.output import INTERRUPTED, fail, tell
from pergamum.client import ClientError, Library, NewLibrary, NotFound, Pergamum
from pergamum.synthetic import SCHEMA, Recipe, documents


def store(recipe: Recipe, chunks: int, client: Pergamum, wanted: NewLibrary) -> Outcome:
    """Store so many chunks in the library, made if it is not there; return what was stored."""
    library = _library(recipe, client, wanted)
    outcome = Outcome(chunks, wanted["name"])
    try:
        with outcome.counting(documents(recipe, chunks)) as made:
            library.documents.add_many(made)
    except KeyboardInterrupt:
        fail(f"interrupted: {_advice(outcome)}", INTERRUPTED)
    except ClientError:
        tell(_advice(outcome))
        raise
    return outcome


def _library(recipe: Recipe, client: Pergamum, wanted: NewLibrary) -> Library:
    try:
        return client.libraries.get(wanted["name"])
    except NotFound:
        made: NewLibrary = {**wanted, "metadata_schema": SCHEMA}
        if recipe.vectors:
            made |= {"dimension": recipe.dimension}
        return client.libraries.create(**made)


def _advice(outcome: Outcome) -> str:
    return f"at most {outcome.chunks:,} chunks are stored; the same command replaces them and goes on"
