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
    recall: Annotated[float, Field(gt=0, le=1)] | Literal["exact"] | None = Field(
        None, description="Share of the true nearest wanted; 1 or `exact`: just those. Default: the library's `recall`."
    )
    explain: bool = Field(False, description="Answer how it was found as well: plans, predicted and actual cost.")

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


class PlanOut(AnswerModel):
    """A way to search. `effort` is in the strategy's own unit: slots in the pool of a graph, buckets looked into."""

    strategy: str
    effort: int
    predicted_seconds: float | None = Field(description="Of all queries answered together; null where not measured.")
    expected_recall: float | None = Field(description="Low end of the interval measured; null where not measured.")


class RefusedOut(PlanOut):
    """A plan that was not chosen, and why."""

    reason: str


class ActualOut(AnswerModel):
    """What answering cost: `queries` together, of which `rescanned` were answered again or by a scan."""

    queries: int
    seconds: float
    scored: int = Field(description="Codes compared.")
    verified: int = Field(description="Vectors read.")
    rescanned: int


class SelectivityOut(AnswerModel):
    """The share of chunks that the search could find: the one the plan was measured at, and the one it was."""

    predicted: float
    actual: float


class ExplainOut(AnswerModel):
    """How an answer came about."""

    plan: PlanOut
    refused: list[RefusedOut]
    actual: ActualOut
    selectivity: SelectivityOut
    stages: dict[str, float] = Field(description="Seconds by stage: plan, index, rows.")


class SearchOut(AnswerModel):
    """Hits, nearest first, all as of `position`."""

    hits: list[HitOut]
    exact: bool = Field(description="These are the true nearest.")
    expected_recall: float = Field(description="Share of the true nearest expected among the hits.")
    complete: bool = Field(description="There are k hits, or all that exist.")
    position: Position
    explain: ExplainOut | None = Field(None, description="Only if asked for.")


class SearchBatchOut(AnswerModel):
    """One answer for each query, in order."""

    answers: list[SearchOut]
