"""How does a Python program talk to a server?

>>> from pergamum import Pergamum
>>> with Pergamum() as client:
...     library = client.libraries.create(name="notes")
...     library.documents.add(text="The moon pulls the sea.")
...     print(library.search(text="what moves the ocean?", k=1).hits[0].text)
The moon pulls the sea.

`AsyncPergamum` is the same with `await` before each call; `Pergamum.local(path)` needs no server. Vectors may be lists
or NumPy arrays. Answers are the models of `pergamum.wire`; errors are drawn in `errors.py`.
"""

from pergamum.client.aio.client import AsyncPergamum
from pergamum.client.aio.libraries import AsyncLibrary
from pergamum.client.batching import Stored
from pergamum.client.drafts import ChunkOfDocument, NewChunk, NewDocument, NewLibrary, Query
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
)
from pergamum.client.filters import F, Where
from pergamum.client.schemas import Prose, fields_of
from pergamum.client.server_url import DEFAULT_URL
from pergamum.client.sync.client import Pergamum
from pergamum.client.sync.libraries import Library
from pergamum.client.vectors import decoded

__all__ = [
    "DEFAULT_URL",
    "AsyncLibrary",
    "AsyncPergamum",
    "ChunkOfDocument",
    "ClientError",
    "Conflict",
    "F",
    "Interrupted",
    "Invalid",
    "Library",
    "NewChunk",
    "NewDocument",
    "NewLibrary",
    "NotAllowed",
    "NotFound",
    "OperationFailed",
    "Pergamum",
    "Prose",
    "Query",
    "Refused",
    "ServerFailed",
    "StillRunning",
    "StorageFull",
    "Stored",
    "TimedOut",
    "TooLarge",
    "Unavailable",
    "UnexpectedAnswer",
    "Unreachable",
    "Where",
    "decoded",
    "fields_of",
]
