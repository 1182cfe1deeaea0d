"""The images of a run: files with content hash, label and split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from transferkit.data.splits.ledger import Ledger, Row
from transferkit.data.unusable_files import Refused, check_shares
from transferkit.errors import UserError, fault
from transferkit.recipe.sections import DataSection

__all__ = ["Images"]


@dataclass(frozen=True)
class Images:
    """The readable files of a data set, each with its content hash, label and split.

    Attributes:
        classes: class names in label order.
        rows: the ledger's rows.
        paths: where each row's file lies.
        labels: int64 ``[N]``, index into ``classes``; float32 ``[N, C]`` of 0 and 1 where an image may have
            any number of labels.
        unreadable: the files that cannot be used.
        notes: what the source left out, for the log.
        groups: for each image a name that it shares with its copies and with what must not be divided from
            it; empty where they are alone with their content.
    """

    classes: tuple[str, ...]
    rows: tuple[Row, ...]
    paths: tuple[str, ...]
    labels: np.ndarray
    unreadable: tuple[Refused, ...] = ()
    notes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def ledger(self) -> Ledger:
        """The split ledger of these images."""
        return Ledger(self.rows, self.multi_label)

    @property
    def multi_label(self) -> bool:
        """An image may have any number of labels."""
        return self.labels.ndim == 2

    def of_split(self, *splits: str) -> np.ndarray:
        """Indices of the images of these splits, int64 ``[M]``."""
        return np.flatnonzero([row.split in splits for row in self.rows])

    def groups_of(self, indices: np.ndarray) -> np.ndarray:
        """A number for each of these images, int64 ``[M]``: the same for what must not be divided."""
        names = self.groups or tuple(row.sha256 for row in self.rows)
        return np.unique([names[index] for index in indices], return_inverse=True)[1]

    @property
    def train_counts(self) -> list[int]:
        """Training images by class, in class order; one with several labels counts in each."""
        labels = self.labels[self.of_split("train")]
        several = self.multi_label
        counts = labels.sum(axis=0) if several else np.bincount(labels, minlength=len(self.classes))
        return [int(count) for count in counts]

    @property
    def held_out(self) -> str:
        """The split that evaluations are made on: test where there is one, else val."""
        return "test" if any(row.split == "test" for row in self.rows) else "val"

    def take(self, indices: np.ndarray) -> Images:
        """Some of the images, in the order given.

        Args:
            indices: int64 ``[M]``.
        """
        return replace(
            self,
            rows=tuple(self.rows[index] for index in indices),
            paths=tuple(self.paths[index] for index in indices),
            labels=self.labels[indices],
            groups=tuple(self.groups[index] for index in indices) if self.groups else (),
        )

    def without(self, failed: Sequence[tuple[int, str]], data: DataSection | float | None = None) -> Images:
        """The images less those that could not be decoded.

        Args:
            failed: index and reason of each.
            data: says which share of all files may be so, or is that share; any by default.

        Raises:
            UserError: the share is larger, or a class or split has nothing left.
        """
        reasons = dict(failed)
        unreadable = (*self.unreadable, *(Refused(self.rows[i].name, reason) for i, reason in failed))
        if data is not None:
            check_shares(unreadable, len(self.rows) + len(self.unreadable), data)
        kept = [index for index in range(len(self.rows)) if index not in reasons]
        left = replace(self.take(np.array(kept, np.int64)), unreadable=unreadable)
        pairs = zip(self.classes, self.train_counts, left.train_counts, strict=True)
        bare = [name for name, before, after in pairs if before and not after]
        if bare:
            expected = "at least one readable image to train on"
            raise UserError(*(fault(f"data: class {name!r}", 0, expected) for name in bare))
        return left
