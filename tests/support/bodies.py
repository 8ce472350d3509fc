"""Strategies for what clients send: few ids and small whole numbers, so that conflicts and ties are common."""

from hypothesis import strategies as st

from tests.support.model import Json, Record

LIBRARY_NAMES = ["alpha", "beta", "dots. and ünicode %2F"]
DOCUMENT_IDS = ["a", "b/c", "..", "ü ?#%2F"]
METRICS = ["cosine", "dot", "l2"]

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(-1e9, 1e9) | texts


def objects(values: st.SearchStrategy[Json]) -> st.SearchStrategy[Record]:
    """JSON objects whose few names meet often."""
    return st.dictionaries(st.sampled_from(["x", "y", "z"]), values, max_size=3)


json_values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=2) | objects(inner), max_leaves=4)
page_numbers = st.none() | st.integers(0, 3)


def vectors(library: Record, dimension: int) -> st.SearchStrategy[list[int]]:
    """Vectors that the library can hold."""
    numbers = st.lists(st.integers(-2, 2), min_size=dimension, max_size=dimension)
    return numbers.filter(any) if library["metric"] == "cosine" else numbers


def dimensions(library: Record) -> st.SearchStrategy[int]:
    """The library's dimension, or one that its first vector may give it."""
    return st.integers(2, 3) if library["dimension"] is None else st.just(library["dimension"])


def chunk_ids(document_id: str) -> st.SearchStrategy[str]:
    """Ids that mostly are the document's own."""
    return st.sampled_from([f"{document_id}.{number}" for number in range(3)] + ["everybody's"])


def document_ids(library: Record) -> st.SearchStrategy[str]:
    """Ids of documents, most of them there; none that the server made, as those differ from run to run."""
    there = [document_id for document_id in DOCUMENT_IDS if document_id in library["documents"]]
    return st.sampled_from(there * 3 + DOCUMENT_IDS)


def some_chunk_ids(library: Record) -> st.SearchStrategy[str]:
    """Ids of chunks, most of them there."""
    return st.sampled_from([*sorted(library["chunks"]) * 2, "a.0", "b/c.1", "everybody's"])


def chunks(library: Record, dimension: int, document_id: str) -> st.SearchStrategy[Record]:
    """A chunk inside the document."""
    required = {"id": chunk_ids(document_id), "text": texts, "embedding": vectors(library, dimension)}
    return st.fixed_dictionaries(required, optional={"page_number": page_numbers, "metadata": objects(json_values)})


@st.composite
def document_batches(draw: st.DrawFn, library: Record, most: int = 3) -> list[Record]:
    """Documents with chunks; no id twice."""
    dimension = draw(dimensions(library))
    ids = draw(st.lists(st.sampled_from(DOCUMENT_IDS), min_size=1, max_size=most, unique=True))
    used: set[str] = set()
    batch = []
    for document_id in ids:
        given = draw(st.lists(chunks(library, dimension, document_id), max_size=3, unique_by=lambda body: body["id"]))
        fresh = [body for body in given if body["id"] not in used]
        used.update(body["id"] for body in fresh)
        batch.append({"id": document_id, **draw(document_fields), "chunks": fresh})
    return batch


@st.composite
def chunk_batches(draw: st.DrawFn, library: Record, most: int = 3) -> list[Record]:
    """Chunks with the documents they are for; no id twice."""
    dimension = draw(dimensions(library))
    batch: dict[str, Record] = {}
    for document_id in draw(st.lists(document_ids(library), min_size=1, max_size=most)):
        body = draw(chunks(library, dimension, document_id))
        batch[body["id"]] = {**body, "document_id": document_id}
    return list(batch.values())


document_fields = st.fixed_dictionaries(
    {},
    optional={
        "title": st.none() | texts,
        "author": st.none() | texts,
        "document_type": st.none() | texts,
        "source_url": st.none() | texts,
        "tags": st.lists(texts.filter(bool), max_size=2),
        "metadata": objects(json_values),
    },
)
document_patches = st.fixed_dictionaries(
    {},
    optional={
        "title": st.none() | texts,
        "author": st.none() | texts,
        "tags": st.none() | st.lists(texts.filter(bool), max_size=2),
        "metadata": st.none() | objects(json_values),
    },
)
library_patches = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from([*LIBRARY_NAMES, "renamed"]),
        "description": st.none() | texts,
        "recall": st.sampled_from([0.5, 1.0]),
        "index": st.sampled_from([{"kind": "brute_force", "params": {}}, {"kind": "auto", "params": {}}]),
        "chunking": st.sampled_from([{"size": 60}, {"overlap": 30}, {"size": 500, "overlap": 0}, {"overlap": 400}]),
    },
)


@st.composite
def chunk_patches(draw: st.DrawFn, library: Record) -> Record:
    """Changes to a chunk; a library without dimension has no chunk to change."""
    vector = vectors(library, library["dimension"] or 2)
    optional = {
        "text": texts,
        "embedding": vector,
        "page_number": page_numbers,
        "metadata": st.none() | objects(json_values),
    }
    patch: Record = draw(st.fixed_dictionaries({}, optional=optional))
    return patch
