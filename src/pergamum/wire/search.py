"""Searches on the wire."""

from datetime import datetime
from typing import Annotated, Final, Literal, Self, TypeAlias

from pydantic import Field, JsonValue, model_validator

from pergamum.domain.search_options import DEFAULT_TOP, ByRank, ByScore, Mode
from pergamum.wire.common import (
    MAX_CURSOR,
    AnswerModel,
    Embedding,
    EmbeddingOut,
    Id,
    Position,
    RequestModel,
)
from pergamum.wire.filters import FilterIn

DEFAULT_K: Final = 10
MAX_QUERY_TEXT: Final = 65_536
"""Characters: what reads the words of a query, embeds it and marks hits takes some 5 µs for each."""
PER_GROUP: Final = 3
RRF: Final = ByRank()
PLAIN_FIELDS: Final = ({"vector"}, {"vector", "k"}, {"vector", "k", "recall"}, {"text"}, {"text", "k"})
"""Fields that need no look at how they combine."""

K: TypeAlias = Annotated[int, Field(ge=1, le=100_000, description="Most hits wanted.")]
Ids: TypeAlias = Annotated[list[Id], Field(max_length=1_000)]
FieldName: TypeAlias = Annotated[str, Field(min_length=1, max_length=1_024)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Weight: TypeAlias = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]


class RankFusionIn(RequestModel):
    """Reciprocal rank fusion: a hit scores weight / (k + rank) for each side that found it."""

    kind: Literal["rrf"]
    k: Annotated[float, Field(ge=1, le=10_000, allow_inf_nan=False)] = RRF.k
    weights: Annotated[list[Weight], Field(min_length=2, max_length=2)] = Field(
        [RRF.vector_weight, RRF.keyword_weight], description="Those of vectors and of words; not both 0."
    )

    @model_validator(mode="after")
    def _some_weight(self) -> Self:
        if not any(self.weights):
            raise ValueError("one of the weights must be above 0")
        return self


class ScoreFusionIn(RequestModel):
    """Fusion of scores: those of each side are stretched to [0, 1] over its candidates and added."""

    kind: Literal["score"]
    alpha: Share = Field(ByScore().alpha, description="Weight of the vector side; words have the rest.")


class GroupByIn(RequestModel):
    """By what hits are grouped, and how many hits a group has at most."""

    field: Literal["document"]
    per_group: Annotated[int, Field(ge=1, le=100)] = PER_GROUP


class LikeIn(RequestModel):
    """Stored chunks and documents that hits are to be like, or unlike. They are not found themselves."""

    chunks: Ids = Field(default_factory=list)
    documents: Ids = Field(default_factory=list)
    not_chunks: Ids = Field(default_factory=list)
    not_documents: Ids = Field(default_factory=list)

    @model_validator(mode="after")
    def _some_to_be_like(self) -> Self:
        if not self.chunks and not self.documents:
            raise ValueError("give at least one chunk or document that hits are to be like")
        return self


class RerankIn(RequestModel):
    """Let a provider judge the first hits by their texts."""

    provider: Annotated[str, Field(min_length=1, max_length=100, description="`local` or `cohere`.")]
    top: Annotated[int, Field(ge=1, le=1_000, description="Hits that are judged.")] = DEFAULT_TOP
    model: Annotated[str, Field(min_length=1, max_length=100)] | None = None


class SearchIn(RequestModel):
    """What to look for, by a vector, a text that the library's model embeds, or stored examples; and how.

    | mode | by |
    |---|---|
    | `vector` | one of `vector`, `text`, `like` |
    | `keyword` | the words of `text` |
    | `hybrid` | the words of `text`, and `vector`, `like` or the embedded text |
    """

    vector: Embedding | None = None
    text: Annotated[str, Field(min_length=1, max_length=MAX_QUERY_TEXT)] | None = None
    like: LikeIn | None = None
    mode: Mode = Mode.VECTOR
    k: K = DEFAULT_K
    recall: Annotated[float, Field(gt=0, le=1)] | Literal["exact"] | None = Field(
        None, description="Share of the true nearest wanted; 1 or `exact`: just those. Default: the library's `recall`."
    )
    filter: FilterIn | None = Field(None, description="Which chunks may be found; see docs/filters.md.")
    fusion: Annotated[RankFusionIn | ScoreFusionIn, Field(discriminator="kind")] | None = Field(
        None, description="How a hybrid search makes one ranking of two."
    )
    candidates: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        None, description="Hits of each side that a hybrid search fuses, at least k. Default: max(100, 4 k)."
    )
    group_by: GroupByIn | Literal["document"] | None = Field(
        None, description="Answer the k best documents, each with its best chunks."
    )
    diversity: Share = Field(0.0, description="How much hits are to differ: 0 not at all, 1 as much as they can.")
    min_score: Annotated[float, Field(allow_inf_nan=False)] | None = Field(
        None, description="Least score of a hit, in the scores of the mode."
    )
    rerank: RerankIn | None = None
    select: Annotated[list[FieldName], Field(max_length=100)] | None = Field(
        None, description="Fields of hits to answer; see docs/search.md. Default: text, metadata, highlights of words."
    )
    vector_format: Literal["list", "base64"] = Field("list", description="How a selected vector is written.")
    page: bool = Field(False, description="Answer a `next_cursor` as well, for the hits that follow.")
    cursor: Annotated[str, Field(max_length=MAX_CURSOR)] | None = Field(
        None, description="`next_cursor` of the page before; stands alone."
    )
    explain: bool = Field(False, description="Answer how it was found as well: plans, predicted and actual cost.")

    @model_validator(mode="after")
    def _one_way_to_search(self) -> Self:
        if self.model_fields_set in PLAIN_FIELDS and (self.vector is not None or self.text is not None):
            return self  # most searches are like that
        fault = self._fault()
        if fault is not None:
            raise ValueError(fault)
        return self

    def _fault(self) -> str | None:
        """Return what cannot be combined."""
        if self.cursor is not None:
            return None if self.model_fields_set == {"cursor"} else "a cursor stands alone: it knows what was asked"
        given = [name for name in ("vector", "text", "like") if getattr(self, name) is not None]
        if self.mode is Mode.VECTOR and len(given) != 1:
            return "give one of vector, text, like"
        if self.mode is Mode.KEYWORD and given != ["text"]:
            return "mode keyword takes a text, no vector and no like"
        if self.mode is Mode.HYBRID and (self.text is None or len(given) > 2):
            return "mode hybrid takes a text, and at most one of vector, like"
        if self.mode is not Mode.HYBRID and (self.fusion is not None or self.candidates is not None):
            return "fusion and candidates belong to mode hybrid"
        if self.candidates is not None and self.candidates < self.k:
            return "candidates must be at least k"
        if self.text is None and (self.rerank is not None or "highlights" in (self.select or ())):
            return "rerank and highlights need a text"
        return None


class SearchBatchIn(RequestModel):
    """Many searches in one request."""

    queries: Annotated[list[SearchIn], Field(min_length=1)]


class DocumentOfHitOut(AnswerModel):
    """The fields of a hit's document that were selected."""

    title: str | None = None
    author: str | None = None
    document_type: str | None = None
    source_url: str | None = None
    tags: list[str] | None = None
    metadata: dict[str, JsonValue] | None = None
    chunks: int | None = None
    version: int | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class HitOut(AnswerModel):
    """A chunk that was found. `score` grows with similarity, `distance` shrinks with it; null where words found it.

    `vector_score`, `keyword_score`: those of the sides of a hybrid search, null where a side did not find it; their
    ranks are there with `explain`. `relevance`: of a reranker, null for hits it was not shown. `highlights`: where
    words of the query occur in the text, [begin, end) in characters. Other fields are there if selected.
    """

    chunk_id: str
    document_id: str
    score: float
    distance: float | None
    text: str = Field("", description="Left out where it is not selected.")
    metadata: dict[str, JsonValue] = Field(default_factory=dict, description="Left out where it is not selected.")
    vector_score: float | None = None
    keyword_score: float | None = None
    vector_rank: int | None = None
    keyword_rank: int | None = None
    relevance: float | None = None
    highlights: list[tuple[int, int]] | None = None
    page_number: int | None = None
    chunk_index: int | None = None
    version: int | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    document: DocumentOfHitOut | None = None
    vector: EmbeddingOut | None = None


class GroupOut(AnswerModel):
    """A document that was found, with its best chunks."""

    document_id: str
    hits: list[HitOut]


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


class FilteringOut(AnswerModel):
    """What the filter left: the share of live chunks, and whether that was known before."""

    selectivity: float
    cached: bool


class ExplainOut(AnswerModel):
    """How an answer came about. The plan is that of the vector side."""

    plan: PlanOut
    refused: list[RefusedOut]
    actual: ActualOut
    selectivity: SelectivityOut
    stages: dict[str, float] = Field(description="Seconds by stage, such as plan, index, keyword, fusion, rows.")
    filter: FilteringOut | None = None
    keyword_hits: int | None = Field(None, description="Chunks with words of the query that were looked at.")


class SearchOut(AnswerModel):
    """Hits, best first, all as of `position`."""

    hits: list[HitOut] = Field(description="Empty where hits are grouped.")
    groups: list[GroupOut] | None = Field(None, description="Documents, best first; only with `group_by`.")
    exact: bool = Field(description="These are the true nearest; words are always searched exactly.")
    expected_recall: float = Field(description="Share of the true nearest expected among the hits.")
    complete: bool = Field(description="There are k hits, or all that match.")
    position: Position
    next_cursor: str | None = Field(None, description="For the hits that follow; null at the end. Only with `page`.")
    explain: ExplainOut | None = Field(None, description="Only if asked for.")


class SearchBatchOut(AnswerModel):
    """One answer for each query, in order."""

    answers: list[SearchOut]
