"""What every judge of relevance can do."""

from collections.abc import Sequence
from typing import Protocol


class Reranker(Protocol):
    """Judges how well texts that were found answer a question. Threads: calls may overlap."""

    @property
    def name(self) -> str:
        """Provider and model, such as `local` or `cohere/rerank-v4.0-fast`."""

    def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return one relevance a text, in order: finite, and the greater the better the text answers the query.

        Relevances of one call can be compared with each other, those of two calls only where the provider says so. The
        texts are best given as they are embedded, with their document's title before them. No texts, no call.
        Raises `RerankFailed` when the provider refuses or cannot be reached; then nothing is returned.
        """
