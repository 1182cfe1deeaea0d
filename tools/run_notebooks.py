"""Runs the notebooks from clean and keeps what they printed and drew, without the photographs.

    python tools/run_notebooks.py [NAME...]

The photographs of the package elpv-dataset are licensed CC BY-NC-SA 4.0, and nothing of them is kept in this
repository: pictures of cells that are tagged ``photographs`` are left out, and thumbnails inside of HTML.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
# The cell tag, and what stands in the place of its pictures.
TAG = "photographs"
INSTEAD = "Photographs are shown here when the cell is run; their licence keeps them out of this file.\n"
_THUMBNAIL = re.compile(r'<img src="data:image[^>]*>')


def run(path: Path) -> None:
    """Executes a notebook in a folder of its own, and writes it back with its outputs."""
    import nbclient
    import nbformat

    notebook = nbformat.read(path, 4)
    with tempfile.TemporaryDirectory() as folder:
        # No features kept from an earlier run, and no place of this machine in what is printed.
        os.environ["TRANSFERKIT_CACHE"] = str(Path(folder) / "cache")
        resources = {"metadata": {"path": folder}}
        nbclient.NotebookClient(notebook, timeout=1800, kernel_name="python3", resources=resources).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = without_photographs(cell.outputs, TAG in cell.metadata.get("tags", []))
    nbformat.write(notebook, path)


def without_photographs(outputs: list[Any], tagged: bool) -> list[Any]:
    """The outputs of a cell as they are kept."""
    import nbformat

    kept, left_out = [], 0
    for one in outputs:
        if one["output_type"] == "stream" and one["name"] == "stderr":
            continue
        data = one.get("data", {})
        if tagged and "image/png" in data:
            left_out += 1
            continue
        if "text/html" in data:
            data["text/html"] = _THUMBNAIL.sub("<em>photograph</em>", data["text/html"])
        kept.append(one)
    if left_out:
        kept.append(nbformat.v4.new_output("stream", name="stdout", text=INSTEAD))
    return kept


if __name__ == "__main__":
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    for notebook_path in sorted(FOLDER.glob("*.ipynb")):
        if len(sys.argv) < 2 or any(name in notebook_path.stem for name in sys.argv[1:]):
            print(notebook_path.stem, flush=True)
            run(notebook_path)
