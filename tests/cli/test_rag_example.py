"""examples/rag.py: what is retrieved, what a model is told, and what answers without one."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from pergamum import Pergamum
from tests.cli.test_examples import EXAMPLES, example


@pytest.fixture(scope="module")
def rag() -> ModuleType:
    """The example as a module."""
    spec = spec_from_file_location("rag", EXAMPLES / "rag.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["rag"] = module_from_spec(spec)  # as its dataclasses look for it there
    spec.loader.exec_module(module)
    return module


def test_a_model_is_told_the_passages_with_their_sources(rag: ModuleType) -> None:
    told: list[str] = []

    def model(prompt: str) -> str:
        told.append(prompt)
        return "in silence [1]"

    with Pergamum.local() as client:
        done = rag.answered(client, "why are owls so quiet?", EXAMPLES / "texts", model=model)

    assert done.answer == "in silence [1]"
    assert told == [done.prompt]
    assert done.passages[0].source == "owls.md"
    assert all(f"[{at}] {each.source}: {each.text}" in done.prompt for at, each in enumerate(done.passages, 1))
    assert "Question: why are owls so quiet?" in done.prompt


def test_without_a_model_the_best_sentences_answer(rag: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "tea.txt").write_text("# Tea\n\nThe water is hot. Green tea wants eighty degrees.\nBlack tea boils.")

    with Pergamum.local() as client:
        done = rag.answered(client, "how warm should green tea be?", tmp_path)
        left = [library.name for library in client.libraries.list()]

    assert done.answer.startswith("Green tea wants eighty degrees. [1]")
    assert left == ["rag"]


def test_prints_context_prompt_and_answer(tmp_path: Path) -> None:
    done, empty = example("rag.py", "why are owls so quiet?"), example("rag.py", "--folder", str(tmp_path))

    assert done.out.startswith("Context\n[1] owls.md: ")
    assert "\nAnswer\nThe wings are silent. [1]" in done.out
    assert (empty.code, empty.err.strip()) == (1, f"there is no text in {tmp_path}")


def test_a_server_that_is_not_there_is_told() -> None:
    done = example("rag.py", "--url", "http://127.0.0.1:9")

    assert done.code == 1
    assert "cannot reach" in done.err
