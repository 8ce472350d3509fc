"""Hits in the order of their relevance, alone and by document."""

from collections.abc import Sequence

from pergamum.domain.chunk import Chunk
from pergamum.domain.document import Document
from pergamum.domain.query import Answer, Group, Hit, HitDetails
from pergamum.services.reranking import reranked
from tests.support.library import NOW


class ByLength:
    """Finds long texts relevant."""

    name = "length"

    def __init__(self) -> None:
        self.seen: list[str] = []

    def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        self.seen += [query, *texts]
        return [float(len(text)) for text in texts]


def hit(text: str, document: Document | None = None) -> Hit:
    chunk = Chunk(id=text, document_id="d", text=text, chunk_index=0, created_at=NOW, updated_at=NOW)
    return Hit(chunk, 1.0, 0.0, None if document is None else HitDetails(document=document))


def answer(*texts: str, groups: tuple[Group, ...] | None = None) -> Answer:
    hits = tuple(map(hit, texts))
    return Answer(hits, exact=True, expected_recall=1.0, complete=True, position=1, plan="", groups=groups)


def relevances(found: Answer) -> list[tuple[str, float | None]]:
    return [(one.chunk.id, one.details.relevance if one.details else None) for one in found.hits]


def test_only_the_first_are_judged_and_the_others_stay_behind_them() -> None:
    judge = ByLength()

    found = reranked(answer("a", "ccc", "bb", "dddd"), judge, "why?", 3)

    assert relevances(found) == [("ccc", 3.0), ("bb", 2.0), ("a", 1.0), ("dddd", None)]
    assert judge.seen == ["why?", "a", "ccc", "bb"]


def test_equally_relevant_hits_stay_in_order() -> None:
    assert [name for name, _ in relevances(reranked(answer("b", "a", "c"), ByLength(), "", 3))] == ["b", "a", "c"]


def test_documents_come_in_the_order_of_their_most_relevant_hit() -> None:
    groups = (Group("first", 0, 2), Group("second", 2, 3), Group("third", 3, 4))

    found = reranked(answer("a", "bbb", "cccc", "ddddd", groups=groups), ByLength(), "", 3)

    assert [one.chunk.id for one in found.hits] == ["cccc", "bbb", "a", "ddddd"]
    assert found.groups == (Group("second", 0, 1), Group("first", 1, 3), Group("third", 3, 4))


def test_a_text_is_judged_with_its_documents_title() -> None:
    judge, document = ByLength(), Document(id="d", title="Wings", created_at=NOW, updated_at=NOW)
    found = answer()
    titled = Answer((hit("Lift", document),), exact=True, expected_recall=1.0, complete=True, position=1, plan="")

    reranked(titled, judge, "q", 5)

    assert judge.seen == ["q", "Wings\nLift"]
    assert reranked(found, judge, "q", 5).hits == ()
