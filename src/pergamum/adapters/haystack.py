"""Pergamum in Haystack: a document store and its retrievers. Needs `pip install "pergamum[haystack]"`.

>>> from pergamum.adapters.haystack import PergamumDocumentStore, PergamumEmbeddingRetriever
>>> retriever = PergamumEmbeddingRetriever(PergamumDocumentStore(library="notes", embedding_dim=768), top_k=5)
"""

try:
    import haystack as _haystack  # noqa: F401  # asked for here, so that the error can say what is missing
except ModuleNotFoundError as error:
    if error.name != "haystack":
        raise
    raise ImportError('pergamum.adapters.haystack needs Haystack: pip install "pergamum[haystack]"') from error

from pergamum.adapters.haystack_retrievers import (
    PergamumEmbeddingRetriever,
    PergamumHybridRetriever,
    PergamumKeywordRetriever,
)
from pergamum.adapters.haystack_store import PergamumDocumentStore

__all__ = [
    "PergamumDocumentStore",
    "PergamumEmbeddingRetriever",
    "PergamumHybridRetriever",
    "PergamumKeywordRetriever",
]
