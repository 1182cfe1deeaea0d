"""Each notebook is kept without outputs, and runs from clean to its end: pictures, and no warnings."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
WITH = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def test_they_are_found():
    assert len(NOTEBOOKS) >= 3
    listed = re.findall(r"^\| `(\w+)` \|", (FOLDER / "README.md").read_text("utf-8"), re.M)
    assert listed == [path.stem for path in NOTEBOOKS]


@WITH
def test_it_is_kept_without_outputs(path):
    cells = json.loads(path.read_text("utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)


@WITH
def test_it_calls_the_public_api_only(path):
    """No module of another's inside: what a notebook needs is offered by a package."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    public = {"transferkit", "transferkit.backbones", "transferkit.estimator", "transferkit.heads"}
    assert set(re.findall(r"^(?:from|import) (transferkit[\w.]*)", text, re.M)) <= public


@pytest.mark.slow
@WITH
def test_it_runs_from_clean(path, tmp_path, monkeypatch):
    nbformat = pytest.importorskip("nbformat", reason="needs transferkit[notebooks]")
    nbclient = pytest.importorskip("nbclient", reason="needs transferkit[notebooks]")
    pytest.importorskip("ipykernel", reason="needs transferkit[notebooks]")
    pytest.importorskip("matplotlib", reason="needs transferkit[notebooks]")
    monkeypatch.setenv("TRANSFERKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    notebook = nbformat.read(path, 4)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources).execute()
    outputs = [one for cell in notebook.cells if cell.cell_type == "code" for one in cell.outputs]
    pictures = [one for one in outputs if "image/png" in one.get("data", {})]
    assert len(pictures) >= 3
    complaints = [one.text for one in outputs if one.output_type == "stream" and one.name == "stderr"]
    assert not complaints
