"""Tables of features as files that other programs read."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from transferkit.errors import Faults, fault, one_line
from transferkit.files import csv_files
from transferkit.files.output_place import output_faults
from transferkit.files.whole_file import whole_file
from transferkit.packages import installed
from transferkit.runs.features.projector import write_projector

if TYPE_CHECKING:
    from transferkit.runs.features.embed import Embedding

__all__ = ["ENDINGS", "check_table", "write_table"]

_COLUMNS = ("path", "label", "split", "sha256")
ENDINGS = (".parquet", ".npz", ".npy", ".tsv")


def check_table(to: Path) -> None:
    """Refuses, before any work, a file that cannot be written.

    Raises:
        UserError: it has another ending than :data:`ENDINGS`, its package is missing, or so is its folder.
    """
    faults = Faults()
    if to.suffix.lower() not in ENDINGS:
        faults.append(fault("--to", str(to), f"a file that ends with {', '.join(ENDINGS)}"))
    elif to.suffix.lower() == ".parquet" and (trouble := _without_pyarrow()):
        expected = f"the package pyarrow, which {trouble}"
        faults.append(fault("--to", str(to), expected, "pip install 'transferkit[parquet]'"))
    faults += output_faults("--to", to)
    beside = to.with_suffix(".csv")
    if to.suffix.lower() == ".npy" and beside.is_file() and not _is_rows(beside):
        hint = f"the rows would go to {beside.name}, which holds something else"
        faults.append(fault("--to", str(to), "another name", hint))
    faults.refuse()


def _without_pyarrow() -> str | None:
    """Why there is no Parquet: newer versions are installed beside NumPy 1, and cannot be imported there."""
    if not installed("pyarrow"):
        return "is not installed"
    try:
        importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        return f"cannot be imported ({one_line(str(error))})"
    return None


def write_table(embedding: Embedding, to: Path) -> tuple[Path, ...]:
    """Writes a table; see :meth:`transferkit.runs.features.embed.Embedding.save`."""
    check_table(to)
    ending = to.suffix.lower()
    if ending == ".npy":
        beside = to.with_suffix(".csv")
        with whole_file(to) as file, open(file, "wb") as opened:
            np.save(opened, embedding.features, allow_pickle=False)
        with whole_file(beside) as file, open(file, "w", newline="", encoding="utf-8") as text:
            writer = csv_files.Writer(text)
            columns = embedding.columns()
            writer.writerow(columns)
            writer.writerows([value or "" for value in row] for row in zip(*columns.values(), strict=True))
        return to, beside
    if ending == ".tsv":
        return write_projector(embedding, to)
    with whole_file(to) as file:
        arrays: dict[str, Any]
        if ending == ".npz":
            arrays = {
                name: np.array([value or "" for value in values], np.str_)
                for name, values in embedding.columns().items()
            }
            with open(file, "wb") as opened:
                np.savez(opened, **arrays, features=embedding.features)
        else:
            _write_parquet(embedding, file)
    return (to,)


def _is_rows(file: Path) -> bool:
    """Whether a file is what :func:`write_table` wrote beside numbers."""
    try:
        with open(file, encoding="utf-8", errors="replace") as text:
            return text.readline().strip() == ",".join(_COLUMNS)
    except OSError:
        return False


def _write_parquet(embedding: Embedding, file: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    width = embedding.features.shape[1]
    flat = pa.array(embedding.features.reshape(-1), pa.float32())
    arrays = {name: pa.array(values, pa.string()) for name, values in embedding.columns().items()}
    arrays["features"] = pa.FixedSizeListArray.from_arrays(flat, width)
    pq.write_table(pa.table(arrays), file)
