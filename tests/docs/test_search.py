"""docs/search.md: every request of its examples is made, and answers what the page says it does."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import serving
from tests.support.source import ROOT

BLOCKS = [
    json.loads(block)
    for block in re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "search.md").read_text(), re.DOTALL)
]
DOCUMENTS, EXAMPLES = BLOCKS[0], list(zip(BLOCKS[1::2], BLOCKS[2::2], strict=True))


def assert_part(said: Any, answered: Any) -> None:  # noqa: ANN401  # JSON
    """Check that all that is said is answered: fields of objects, the first items of lists."""
    if isinstance(said, dict):
        for name, value in said.items():
            assert_part(value, answered[name])
    elif isinstance(said, list):
        assert len(said) <= len(answered)
        assert said or not answered
        for value, found in zip(said, answered, strict=False):
            assert_part(value, found)
    else:
        assert answered == (pytest.approx(said) if isinstance(said, float) else said)


def test_the_examples_answer_what_they_say(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as client:
        client.post("/v1/libraries", json={"name": "examples"})
        assert client.post("/v1/libraries/examples/documents:batch", json=DOCUMENTS).status_code == 200
        for ask, said in EXAMPLES:
            answer = client.post("/v1/libraries/examples/search", json=ask)
            assert answer.status_code == 200, answer.text
            assert_part(said, answer.json())
    assert len(EXAMPLES) > 8
