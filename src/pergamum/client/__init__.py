"""How does a Python program talk to a server?

>>> from pergamum import Pergamum
>>> with Pergamum() as client:
...     library = client.libraries.create(name="notes")
...     stored = library.documents.add(text="The moon pulls the sea.")
...     print(library.search(text="what moves the ocean?", k=1).hits[0].text)
The moon pulls the sea.

`AsyncPergamum` is the same with `await` before each call; `Pergamum.local(path)` needs no server. Vectors may be lists
or arrays of NumPy's or anybody's, rows come from pandas, polars and Arrow too (`tables.py`), and answers are tables as
well (`results.py`): `library.search(text="tides").to_pandas()`. Texts are embedded by the server, or here
(`embedders.py`). Other answers are the models of `pergamum.wire`; errors are drawn in `errors.py`.
"""

from pergamum.client.aio.client import AsyncPergamum
from pergamum.client.aio.libraries import AsyncLibrary
from pergamum.client.batching import Failed, Stored
from pergamum.client.drafts import ChunkOfDocument, NewChunk, NewDocument, NewLibrary, Query
from pergamum.client.embedders import AsyncEmbedder, Embedder
from pergamum.client.errors import (
    ClientError,
    Conflict,
    Interrupted,
    Invalid,
    NotAllowed,
    NotFound,
    OperationFailed,
    Refused,
    ServerFailed,
    StillRunning,
    StorageFull,
    TimedOut,
    TooLarge,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
    Unsendable,
)
from pergamum.client.filters import F, Where
from pergamum.client.results import Facets, IndexStatus, LibraryInfo, Preflight, SearchResult
from pergamum.client.schemas import Prose, fields_of
from pergamum.client.server_url import DEFAULT_URL
from pergamum.client.sync.client import Pergamum
from pergamum.client.sync.libraries import Library
from pergamum.client.vectors import decoded

__all__ = [
    "DEFAULT_URL",
    "AsyncEmbedder",
    "AsyncLibrary",
    "AsyncPergamum",
    "ChunkOfDocument",
    "ClientError",
    "Conflict",
    "Embedder",
    "F",
    "Facets",
    "Failed",
    "IndexStatus",
    "Interrupted",
    "Invalid",
    "Library",
    "LibraryInfo",
    "NewChunk",
    "NewDocument",
    "NewLibrary",
    "NotAllowed",
    "NotFound",
    "OperationFailed",
    "Pergamum",
    "Preflight",
    "Prose",
    "Query",
    "Refused",
    "SearchResult",
    "ServerFailed",
    "StillRunning",
    "StorageFull",
    "Stored",
    "TimedOut",
    "TooLarge",
    "Unavailable",
    "UnexpectedAnswer",
    "Unreachable",
    "Unsendable",
    "Where",
    "decoded",
    "fields_of",
]
