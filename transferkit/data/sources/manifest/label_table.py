"""The table that ``transferkit label next`` writes: once a person has filled in labels, it is a manifest."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from transferkit.files.csv_files import Writer
from transferkit.files.whole_file import whole_file

__all__ = ["is_label_table", "labels_filled_in", "write_label_table"]

_COLUMNS = ("path", "label", "guess", "probability", "second", "doubt", "distance")
# It is known by these also where a spreadsheet dropped the others.
_KNOWN_BY = frozenset(("label", "guess", "doubt", "distance"))


def write_label_table(place: Path, rows: Iterable[Sequence[str]]) -> None:
    """Writes the table with an empty column for the labels.

    Args:
        place: of the file.
        rows: of each photo its path, guess, probability, second guess, doubt and distance.
    """
    with whole_file(place) as beside, open(beside, "w", newline="", encoding="utf-8") as file:
        writer = Writer(file)
        writer.writerow(_COLUMNS)
        writer.writerows([path, "", *rest] for path, *rest in rows)


def is_label_table(columns: Iterable[str]) -> bool:
    """Whether a manifest is such a table: whoever fills it in need not fill in all of it.

    >>> is_label_table(["path", "Label", "guess", "doubt", "distance"]), is_label_table(["path", "label"])
    (True, False)
    """
    return {one.casefold() for one in columns} >= _KNOWN_BY


def labels_filled_in(path: str | os.PathLike[str]) -> int:
    """How many labels stand in a table already; 0 where the file cannot be read as a table."""
    if not os.path.isfile(path):  # a device may have no end
        return 0
    try:
        text = Path(path).read_text("utf-8-sig", errors="replace")
        # A spreadsheet may have saved it with another sign between the cells.
        sign = max(",;\t", key=text.partition("\n")[0].count)
        header, *rows = csv.reader(io.StringIO(text), delimiter=sign)
    except (OSError, ValueError, csv.Error):
        return 0
    place = header.index("label") if "label" in header else len(header)
    return sum(1 for row in rows if len(row) > place and row[place].strip())
