"""Searches on the wire."""

from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, model_validator

from pergamum.wire.common import AnswerModel, Embedding, Position, RequestModel, Text

K = Annotated[int, Field(ge=1, le=100_000, description="Most hits wanted.")]


class SearchIn(RequestModel):
    """What to look for: a vector, or a text that the library's model embeds."""

    vector: Embedding | None = None
    text: Annotated[Text, Field(min_length=1)] | None = None
    k: K = 10
    recall: Annotated[float, Field(gt=0, le=1)] | Literal["exact"] | None = None

    @model_validator(mode="after")
    def _vector_or_text(self) -> Self:
        if (self.vector is None) == (self.text is None):
            raise ValueError("give either a vector or a text")
        return self


class SearchBatchIn(RequestModel):
    """Many searches in one request."""

    queries: Annotated[list[SearchIn], Field(min_length=1)]


class HitOut(AnswerModel):
    """A chunk that was found. `score` grows with similarity, `distance` shrinks with it."""

    chunk_id: str
    document_id: str
    text: str
    metadata: dict[str, JsonValue]
    score: float
    distance: float


class SearchOut(AnswerModel):
    """Hits, nearest first, all as of `position`."""

    hits: list[HitOut]
    exact: bool = Field(description="These are the true nearest.")
    expected_recall: float = Field(description="Share of the true nearest expected among the hits.")
    complete: bool = Field(description="There are k hits, or all that exist.")
    position: Position


class SearchBatchOut(AnswerModel):
    """One answer for each query, in order."""

    answers: list[SearchOut]
