"""The demonstration's photographs: solar cells under current, from the package ``elpv-dataset``.

Each of 2624 grey photographs of 300 x 300 pixels shows the electroluminescence of one cell, where cracks and
dead areas are dark. People gave each a probability that the cell is defective: 0, 1/3, 2/3 or 1. The data is
under CC BY-NC-SA 4.0 and stays where its package was installed: what is written here names the files.

Deitsch et al., Segmentation of Photovoltaic Module Cells in Uncalibrated Electroluminescence Images, 2021;
https://github.com/zae-bayern/elpv-dataset
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from transferkit.errors import UserError, fault
from transferkit.files import csv_files
from transferkit.files.whole_file import whole_file

__all__ = ["CREDIT", "PACKAGE", "write_solar_cells"]

PACKAGE = "elpv-dataset"
CREDIT = "photographs of solar cells, elpv-dataset (ZAE Bayern): CC BY-NC-SA 4.0, not for commercial use"

# From this probability on a cell is called defective: doubtful ones are better looked at twice.
_DEFECTIVE = 0.5


def write_solar_cells(file: str | Path, train: int = 1000, val: int = 400, test: int | None = None) -> Path:
    """Writes a manifest of the photographs that the package brought.

    Columns: ``path``, ``label`` (``sound``, or ``defective`` from a probability of 0.5 on), ``split``, and
    for those who want to look closer ``probability`` and ``type`` (``mono`` or ``poly``).

    Args:
        file: the manifest, ``.csv``; written anew each time, since the package may have moved.
        train: how many photographs to train on.
        val: how many to validate on.
        test: how many to test on; all others by default.

    Raises:
        UserError: the package is not installed.
    """
    import numpy as np

    file = Path(file)
    try:
        listed = Path(str(metadata.distribution(PACKAGE).locate_file("elpv_dataset/data/labels.csv")))
        rows = [line.split() for line in listed.read_text("utf-8").splitlines() if line.strip()]
    except (metadata.PackageNotFoundError, FileNotFoundError):
        hint = "pip install 'transferkit[demo]'"
        raise UserError(fault("solar cells", None, f"the package {PACKAGE}", hint)) from None
    splits = np.array([""] * len(rows), dtype="<U5")
    order = np.random.default_rng(0).permutation(len(rows))
    last = len(rows) if test is None else train + val + test
    splits[order[:train]], splits[order[train : train + val]] = "train", "val"
    splits[order[train + val : last]] = "test"
    file.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(file) as beside, open(beside, "w", newline="", encoding="utf-8") as out:
        writer = csv_files.Writer(out)
        writer.writerow(["path", "label", "split", "probability", "type"])
        for (path, probability, kind), split in zip(rows, splits, strict=True):
            if not split:
                continue
            label = "defective" if float(probability) >= _DEFECTIVE else "sound"
            writer.writerow([listed.parent / path, label, split, f"{float(probability):.4f}", kind])
    return file
