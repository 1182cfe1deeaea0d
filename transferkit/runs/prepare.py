"""The images of a run: found, hashed, split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from transferkit.activations.location import cache_folder
from transferkit.data.check import Finding, Limits, cheap_check, refusal
from transferkit.data.hashing import hash_files
from transferkit.data.source import DataSet, Item
from transferkit.data.sources import read_source
from transferkit.data.split import Ledger, Row, ShortSplitError, split_dataset
from transferkit.errors import UserError, fault
from transferkit.recipe import Recipe
from transferkit.runs.progress import Progress

__all__ = ["Images", "prepare"]


@dataclass(frozen=True)
class Images:
    """The readable files of a data set, each with its content hash, label and split.

    Attributes:
        classes: class names in label order.
        rows: the ledger's rows.
        paths: where each row's file lies.
        labels: int64 ``[N]``, index into ``classes``.
        unreadable: ``(name, reason)`` of files that could not be read at all.
        notes: what the source left out, for the log.
        split_seed: the seed that the splits were drawn with.
    """

    classes: tuple[str, ...]
    rows: tuple[Row, ...]
    paths: tuple[str, ...]
    labels: np.ndarray
    unreadable: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    split_seed: int = 0

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.rows)

    def of_split(self, *splits: str) -> np.ndarray:
        """Indices of the images of these splits, int64 ``[M]``."""
        return np.flatnonzero([row.split in splits for row in self.rows])

    @property
    def train_counts(self) -> list[int]:
        """Training images by class, in class order."""
        return np.bincount(self.labels[self.of_split("train")], minlength=len(self.classes)).tolist()

    @property
    def held_out(self) -> str:
        """The split that evaluations are made on: test where there is one, else val."""
        return "test" if any(row.split == "test" for row in self.rows) else "val"

    def without(self, failed: Sequence[tuple[int, str]], most: float) -> Images:
        """The images less those that could not be decoded.

        Args:
            failed: index and reason of each.
            most: the share of all files that may be unreadable.

        Raises:
            UserError: the share is larger, or a class or split has nothing left.
        """
        reasons = dict(failed)
        unreadable = (*self.unreadable, *((self.rows[index].name, reason) for index, reason in failed))
        total = len(self.rows) + len(self.unreadable)
        if len(unreadable) > most * total:
            shown = [fault(name, mend=reason) for name, reason in unreadable[:10]]
            more = len(unreadable) - len(shown)
            raise UserError(
                fault(
                    "data",
                    f"{len(unreadable)} unreadable of {total} files",
                    f"at most {most:.0%}",
                    "remove or mend them, or allow more with --set data.max_unreadable=SHARE",
                ),
                *shown,
                *([f"data: and {more} more"] if more > 0 else []),
            )
        kept = [index for index in range(len(self.rows)) if index not in reasons]
        left = Images(
            self.classes,
            tuple(self.rows[index] for index in kept),
            tuple(self.paths[index] for index in kept),
            self.labels[kept],
            unreadable,
            self.notes,
            self.split_seed,
        )
        pairs = zip(self.classes, self.train_counts, left.train_counts, strict=True)
        bare = [name for name, before, after in pairs if before and not after]
        if bare:
            expected = "at least one readable image to train on"
            raise UserError(*(fault(f"data: class {name!r}", 0, expected) for name in bare))
        return left


def prepare(recipe: Recipe, progress: Progress) -> Images:
    """Finds, hashes, checks and splits the images that a recipe names. Writes nothing into the run.

    Raises:
        UserError: as the source and the split say.
    """
    data = recipe.data
    if data.path is None:
        raise UserError(fault("data.path", None, "a folder of class folders", "name it with --data DIR"))
    read = _read(data.path, recipe.activations.cache_dir, progress)
    counts = read.found.counts()
    few = {name: count for name, count in counts.items() if count < data.min_per_class}
    if few:
        expected = f"at least {data.min_per_class} images (data.min_per_class)"
        raise UserError(*(fault(f"data: class {name!r}", count, expected) for name, count in few.items()))
    ledger, seed = _split(read.found, read.hashes, recipe, progress)
    split_of = {row.name: row.split for row in ledger.rows}
    findings = cheap_check(read.found, read.hashes, [split_of.get(item.name) for item in read.found])
    readable = read.readable
    return Images(
        read.found.classes,
        ledger.rows,
        tuple(str(item.path) for item, _ in readable),
        np.array([item.label for item, _ in readable], np.int64),
        read.refused,
        (*read.found.notes, *_warnings(findings)),
        seed,
    )


@dataclass(frozen=True)
class _Read:
    """A data set with the hash of each of its files, None for those that are refused."""

    found: DataSet
    hashes: list[str | None]
    refused: tuple[tuple[str, str], ...]

    @property
    def readable(self) -> list[tuple[Item, str]]:
        pairs = zip(self.found.items, self.hashes, strict=True)
        return [(item, sha256) for item, sha256 in pairs if sha256 is not None]


def _read(path: str, cache_dir: str | None, progress: Progress, minimum_classes: int = 2) -> _Read:
    found = read_source(path, unpack_to=cache_folder(cache_dir) / "sources", minimum_classes=minimum_classes)
    if found.multi_label:
        mend = "give each image one label; this version cannot train on several"
        raise UserError(fault("data", path, "one label an image", mend))
    root, limits = (found.root if found.root.is_dir() else found.root.parent), Limits()
    reasons = [refusal(item.path, root, limits) for item in found]
    with progress.stage("read", total=len(found), unit="file") as stage:
        wanted = [item.path for item, reason in zip(found, reasons, strict=True) if reason is None]
        digests = iter(hash_files(wanted, stage.update))
    hashes = [None if reason is not None else next(digests) for reason in reasons]
    refused = tuple(
        (item.name, reason or "the file cannot be read")
        for item, reason, sha256 in zip(found, reasons, hashes, strict=True)
        if sha256 is None
    )
    return _Read(found, hashes, refused)


def _warnings(findings: Sequence[Finding]) -> list[str]:
    """One line for each kind of finding that is more than a note."""
    kinds: dict[str, list[Finding]] = {}
    for finding in findings:
        # Unreadable files are in the quarantine, with their reasons.
        if finding.severity != "note" and finding.kind != "unreadable":
            kinds.setdefault(finding.kind, []).append(finding)
    lines = []
    for kind, found in kinds.items():
        first = found[0]
        place = ", ".join(first.names[:2]) or ", ".join(first.classes[:2])
        more = f" (and {len(found) - 1} more; see `transferkit data check`)" if len(found) > 1 else ""
        lines.append(f"{kind}: {place}: {first.message}{more}")
    return lines


def _split(
    found: DataSet, hashes: Sequence[str | None], recipe: Recipe, progress: Progress
) -> tuple[Ledger, int]:
    """The ledger and its seed: the recipe's, or the least that serves every class if none was asked for."""
    data = recipe.data

    def with_seed(seed: int) -> Ledger:
        return split_dataset(found, hashes, validation=data.validation, test=data.test, seed=seed)

    try:
        return with_seed(data.split_seed), data.split_seed
    except ShortSplitError as error:
        if ("data", "split_seed") in recipe.origins:
            raise
        progress.say(
            f"split_seed {error.working_seed}: with {data.split_seed} a small class would miss a split"
        )
        return with_seed(error.working_seed), error.working_seed


def all_of(path: str, classes: Sequence[str], progress: Progress) -> Images:
    """All images of a folder, with labels in a run's class order, to evaluate a run on.

    Raises:
        UserError: the folder cannot be read, or has classes that the run does not know.
    """
    read = _read(path, None, progress, minimum_classes=1)
    names = read.found.classes
    unknown = [name for name in names if name not in classes]
    if unknown:
        known = f"one of the run's classes: {', '.join(classes)}"
        raise UserError(*(fault("data", name, known, "remove the folder") for name in unknown))
    readable = read.readable
    return Images(
        tuple(classes),
        tuple(Row(sha256, item.name, names[item.label], item.split or "all") for item, sha256 in readable),
        tuple(str(item.path) for item, _ in readable),
        np.array([classes.index(names[item.label]) for item, _ in readable], np.int64),
        read.refused,
    )
