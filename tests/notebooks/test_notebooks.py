"""Each notebook is kept as it ran, with small outputs, and runs from clean to its end: pictures, no warnings."""

from __future__ import annotations

import json
import re
from importlib import metadata
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
MOST_BYTES = 320_000
WITH = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def test_they_are_found():
    assert len(NOTEBOOKS) >= 3
    listed = re.findall(r"^\| `(\w+)` \|", (FOLDER / "README.md").read_text("utf-8"), re.M)
    assert listed == [path.stem for path in NOTEBOOKS]


@WITH
def test_it_is_kept_as_it_ran_with_small_outputs(path):
    text = path.read_text("utf-8")
    assert len(text) < MOST_BYTES, "draw smaller pictures"
    cells = json.loads(text)["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1)), "in one go, in order"
    outputs = [one for cell in code for one in cell["outputs"]]
    assert len([one for one in outputs if "image/png" in one.get("data", {})]) >= 3
    assert not [one for one in outputs if one["output_type"] == "error" or one.get("name") == "stderr"]
    said = "\n".join("".join(one["text"]) for one in outputs if one["output_type"] == "stream")
    assert not re.search(r"(^|\s)/\w+/", said), "a path of the machine it ran on"


@WITH
def test_no_photograph_is_kept(path):
    """The package's licence is no licence of this repository: charts are kept, photographs are not."""
    text = path.read_text("utf-8")
    assert "data:image" not in text
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    tagged = [cell for cell in cells if "photographs" in cell["metadata"].get("tags", [])]
    assert len(tagged) >= 2
    assert not [one for cell in tagged for one in cell["outputs"] if "image/png" in one.get("data", {})]
    drawing = re.compile(r"imshow\((?!np\.sqrt\(confusion\))|^show\(|^run$|\bcompare\(", re.MULTILINE)
    for cell in cells:
        source = "".join(cell["source"])
        assert not drawing.search(source) or cell in tagged, source


@WITH
def test_a_retraining_shows_itself(path):
    """What a cell shows while it runs stays as its curves and its lines."""
    cells = [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]
    shown = [
        one["data"]
        for cell in cells
        if "transferkit.retrain(" in "".join(cell["source"]) and "quiet=True" not in "".join(cell["source"])
        for one in cell["outputs"]
        if "text/html" in one.get("data", {})
    ]
    assert shown
    for data in shown:
        page = "".join(data["text/html"])
        assert page.count("<svg") == 2
        assert "<progress" not in page
        assert "parity: asking the export" in "".join(data["text/plain"])


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
    try:
        metadata.distribution("elpv-dataset")
    except metadata.PackageNotFoundError:
        pytest.skip("needs the photographs: pip install 'transferkit[demo]'")
    monkeypatch.setenv("TRANSFERKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    notebook = nbformat.read(path, 4)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources).execute()
    outputs = [one for cell in notebook.cells if cell.cell_type == "code" for one in cell.outputs]
    pictures = [one for one in outputs if "image/png" in one.get("data", {})]
    assert len(pictures) >= 3
    complaints = [one.text for one in outputs if one.output_type == "stream" and one.name == "stderr"]
    # That code of one's own runs is said, and what TensorFlow says as it starts; neither is a complaint.
    usual = re.compile(r"code: |WARNING: All log messages before absl|I0000 |To enable the following|$")
    assert not [line for text in complaints for line in text.splitlines() if not usual.match(line)]
