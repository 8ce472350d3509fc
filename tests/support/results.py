"""Answers to searches, made without a server."""

from typing import Any, Final

from pergamum.client.results import SearchResult

HOSTILE = "<script>alert('run')</script>\"><img src=x onerror=alert(1)>&amp;"

WHOLE: Final[dict[str, Any]] = {"exact": True, "expected_recall": 1.0, "complete": True}


def result(*hits: dict[str, Any], **fields: Any) -> SearchResult:  # noqa: ANN401  # fields of an answer
    answer = {"hits": [hit(number, **fields_) for number, fields_ in enumerate(hits)], "position": 3, **WHOLE, **fields}
    return SearchResult.model_validate(answer)


def hit(number: int, **fields: Any) -> dict[str, Any]:  # noqa: ANN401  # fields of a hit
    return {
        "chunk_id": f"c{number}",
        "document_id": f"d{number}",
        "score": 1 / (number + 1),
        "distance": None,
        **fields,
    }
