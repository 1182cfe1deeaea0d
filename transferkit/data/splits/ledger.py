"""The split ledger: which image is in which split, as a file that another run can be held to."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from transferkit.data.source import SPLITS
from transferkit.errors import UserError, fault
from transferkit.files import csv_files

__all__ = ["Ledger", "Row"]

_COLUMNS = ("sha256", "path", "class", "split")
_SEVERAL = ("sha256", "path", "classes", "split")


@dataclass(frozen=True, slots=True)
class Row:
    """One image of the ledger.

    Attributes:
        sha256: content hash, 64 hexadecimal digits.
        name: the path below the data folder.
        label: the class's name; where images may have several, a JSON list of them, sorted.
        split: ``train``, ``val`` or ``test``.
    """

    sha256: str
    name: str
    label: str
    split: str


@dataclass(frozen=True)
class Ledger:
    """Which image is in which split, in the order of the data set's items.

    Attributes:
        rows: one an image.
        multi_label: the rows' labels are JSON lists.
    """

    rows: tuple[Row, ...]
    multi_label: bool = False

    def write(self, path: Path) -> None:
        """Writes ``split.csv`` with the columns sha256, path, class (or classes), split."""
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv_files.Writer(file)
            writer.writerow(_SEVERAL if self.multi_label else _COLUMNS)
            writer.writerows([row.sha256, row.name, row.label, row.split] for row in self.rows)

    @classmethod
    def read(cls, path: Path) -> Ledger:
        """Reads what :meth:`write` wrote.

        Raises:
            UserError: it is no such file; says which line.
        """
        rows = []
        try:
            with open(path, newline="", encoding="utf-8") as file:
                lines = csv_files.Reader(file)
                header = tuple(next(lines, ()))
                if header not in (_COLUMNS, _SEVERAL):
                    raise UserError(
                        fault(f"{path}:1", ",".join(header)[:80], f"the columns {', '.join(_COLUMNS)}")
                    )
                for line in lines:
                    if len(line) != len(_COLUMNS) or len(line[0]) != 64 or line[3] not in SPLITS:
                        expected = f"sha256, path, class, and one of {', '.join(SPLITS)}"
                        raise UserError(fault(f"{path}:{lines.line_num}", ",".join(line)[:120], expected))
                    rows.append(Row(*line))
                    if header == _SEVERAL and not isinstance(json.loads(line[2]), list):
                        raise UserError(fault(f"{path}:{lines.line_num}", line[2], "a JSON list of classes"))
        except (OSError, ValueError, csv.Error) as error:
            hint = f"the ledger cannot be read: {getattr(error, 'strerror', None) or error}"
            raise UserError(fault(str(path), hint=hint)) from None
        return cls(tuple(rows), header == _SEVERAL)

    def names(self, row: Row) -> tuple[str, ...]:
        """The classes of a row."""
        return tuple(json.loads(row.label)) if self.multi_label else (row.label,)

    def sha256(self) -> str:
        """A fingerprint of content and split: the same wherever the files lie."""
        lines = sorted(f"{row.sha256} {row.label} {row.split}" for row in self.rows)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()
