"""examples/notebook.ipynb runs from its first cell to its last, and is kept without what it printed."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.support.source import ROOT

NOTEBOOK = ROOT / "examples" / "notebook.ipynb"


def _read() -> nbformat.NotebookNode:
    notebook: nbformat.NotebookNode = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]  # as it is
    return notebook


def test_the_notebook_is_kept_without_outputs() -> None:
    cells = [cell for cell in _read().cells if cell.cell_type == "code"]

    assert len(cells) > 5
    assert [cell.source for cell in cells if cell.outputs or cell.execution_count] == []


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable.lower()))
    for variable in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # nobody is there: whoever asks the network fails
    notebook = _read()

    NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()

    shown = [output.data for cell in notebook.cells for output in cell.get("outputs", []) if "data" in output]
    assert sum("text/html" in data for data in shown) > 5
    assert "lullaby" in shown[1]["text/html"]
