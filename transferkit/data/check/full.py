"""The whole check of a data set: headers, hashes, small pictures of all images, and features where given."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from transferkit.data.check.duplicates import exact_duplicates
from transferkit.data.check.finding import CheckResult, Finding, in_order
from transferkit.data.check.header import Header
from transferkit.data.check.label_errors import (
    cross_validated_probabilities,
    cross_validated_scores,
    suspect_marks,
    suspects,
)
from transferkit.data.check.limits import Limits
from transferkit.data.check.neighbours import feature_pairs
from transferkit.data.check.perceptual import near_pairs
from transferkit.data.check.quick import count_findings, header_findings, read_headers
from transferkit.data.file_names import shown
from transferkit.data.hashing import hash_files
from transferkit.data.source import DataSet

__all__ = ["check_dataset"]

_SIDE = 32
# Standard deviation in grey levels below which a picture is one colour to a network.
_CONSTANT = 2.0
Progress = Callable[[str, int, int], None]


def check_dataset(
    dataset: DataSet,
    *,
    hashes: Sequence[str | None] | None = None,
    splits: Sequence[str | None] | None = None,
    features: Callable[[np.ndarray], np.ndarray] | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> CheckResult:
    """Checks a data set.

    Args:
        dataset: the files.
        hashes: of the items in order, where they are known already.
        splits: of the items in order; by default those that the source brings.
        features: takes the indices of the items that can be used, int ``[M]``, and gives float ``[M, D]``,
            rows of NaN for images that it could not take. Without it, wrong labels are not looked for.
        limits: what a file may ask for.
        progress: receives (stage, done, in all).
    """
    names = [item.name for item in dataset]
    labels = [dataset.described(item) for item in dataset]
    splits = [item.split for item in dataset] if splits is None else list(splits)
    headers = read_headers(dataset, limits, _stage(progress, "headers", len(dataset)))
    opened = _open(dataset, headers, hashes, progress)
    constant = _constant(opened)
    findings = header_findings(names, headers)
    findings += [Finding("unreadable", (names[i],), reason) for i, reason in sorted(opened.reasons.items())]
    findings += exact_duplicates(names, labels, opened.hashes, splits)
    findings += [Finding("constant", (names[i],), "one colour") for i in sorted(constant)]
    firsts = _first_of_each(opened.usable, opened.hashes)
    mask = np.zeros(len(dataset), bool)
    mask[[i for i in firsts if i not in constant]] = True
    pairs = near_pairs(opened.pictures, mask)
    checked = ["files", "duplicates", "near-duplicates"]
    if features is not None and opened.usable:
        rows = np.array(opened.usable)
        given = features(rows)
        kept = np.isfinite(given).all(axis=1)
        rows, given = rows[kept], given[kept]
        pairs += _pairs_of(rows, given, firsts, splits)
        findings += _wrong_labels(dataset, rows, given, opened.hashes, names)
        checked += ["neighbours", "labels"]
    findings += _near_findings(pairs, names, labels, splits)
    findings += count_findings(dataset)
    return CheckResult(
        source=shown(str(dataset.root)),
        counts=_counts(dataset, splits),
        formats=dict(Counter(header.format or "unknown" for header in headers).most_common()),
        widths=_spread([headers[i].width for i in opened.usable]),
        heights=_spread([headers[i].height for i in opened.usable]),
        findings=in_order(findings),
        checked=tuple(checked),
        unchecked=_unchecked(dataset, splits, checked),
        notes=(*dataset.notes, *_missing(dataset, headers)),
    )


@dataclass(frozen=True)
class _Opened:
    """The files of a data set that could be opened.

    Attributes:
        usable: their places in the data set.
        hashes: of all items, None for those that cannot be used.
        pictures: of all items, small; only those of usable ones count.
        reasons: place to why a file cannot be used.
    """

    usable: list[int]
    hashes: list[str | None]
    pictures: np.ndarray
    reasons: dict[int, str]


def _open(
    dataset: DataSet,
    headers: Sequence[Header],
    hashes: Sequence[str | None] | None,
    progress: Progress | None,
) -> _Opened:
    usable = [i for i, header in enumerate(headers) if not header.refused]
    # Only files that may be opened are hashed: a pipe or a link out of the folder must not be read.
    if hashes is None:
        fresh = hash_files([dataset.items[i].path for i in usable], _stage(progress, "hashes", len(usable)))
        known = dict(zip(usable, fresh, strict=True))
    else:
        known = {i: hashes[i] for i in usable}
    pictures, reasons = _small_pictures(dataset, usable, known, _stage(progress, "pictures", len(usable)))
    hashed = [known.get(i) if i not in reasons else None for i in range(len(dataset))]
    return _Opened([i for i in usable if i not in reasons], hashed, pictures, reasons)


def _constant(opened: _Opened) -> set[int]:
    """Places of the pictures that are of one colour."""
    # One at a time: as floats all pictures at once would take many times their own memory.
    spread = {i: opened.pictures[i].reshape(-1, 3).std(axis=0).max() for i in opened.usable}
    return {i for i, value in spread.items() if value < _CONSTANT}


def _unchecked(dataset: DataSet, splits: Sequence[str | None], checked: Sequence[str]) -> tuple[str, ...]:
    """What nothing was found of because nobody looked."""
    lines = []
    if "labels" not in checked:
        lines.append("wrong labels and retouched copies: they need a backbone's features (--backbone NAME)")
    elif not dataset.multi_label and min(dataset.counts().values(), default=0) < 2:
        lines.append("wrong labels of classes with one image")
    there = {split for split in splits if split is not None}
    if len(there) < 2:
        lines.append("leaks between splits: the data brings no splits, training draws its own without leaks")
    elif "labels" not in checked:
        lines.append("leaks of retouched copies between splits: of copies byte by byte or at 32 pixels only")
    return tuple(lines)


def _missing(dataset: DataSet, headers: Sequence[Header]) -> tuple[str, ...]:
    """A line on files that a manifest lists and that are not there, with what may be done."""
    missing = sum(header.kind == "missing" for header in headers if header.refused)
    if not missing:
        return ()
    hint = f"; {dataset.missing_hint}" if dataset.missing_hint else ""
    return (f"{missing} of {len(dataset)} files are missing{hint}",)


def _small_pictures(
    dataset: DataSet, usable: list[int], hashes: dict[int, str | None], progress: Callable[[int], None] | None
) -> tuple[np.ndarray, dict[int, str]]:
    """uint8 ``[N, 32, 32, 3]``, and why the others have none. The decoder is the one that training uses."""
    from transferkit.data.pixels.decoding import Decoding
    from transferkit.data.reader import read_images

    pictures = np.zeros((len(dataset), _SIDE, _SIDE, 3), np.uint8)
    reasons: dict[int, str] = {}
    places = np.array(usable, dtype=np.int64)
    done = 0
    for batch in read_images(((hashes[i], dataset.items[i].path) for i in usable), Decoding((_SIDE, _SIDE))):
        pictures[places[batch.indices]] = batch.images
        reasons.update({usable[one.index]: one.reason for one in batch.unreadable})
        done += len(batch.indices) + len(batch.unreadable)
        if progress is not None:
            progress(done)
    return pictures, reasons


def _first_of_each(usable: list[int], hashes: Sequence[str | None]) -> list[int]:
    """One item a content: equal files are found already, and would be each other's nearest picture."""
    first: dict[Any, int] = {}
    for i in usable:
        first.setdefault(hashes[i] or i, i)
    return list(first.values())


def _pairs_of(
    rows: np.ndarray, features: np.ndarray, firsts: list[int], splits: Sequence[str | None]
) -> list[tuple[int, int, float]]:
    chosen = np.isin(rows, firsts)
    rows, features = rows[chosen], features[chosen]
    found = feature_pairs(features, [splits[i] for i in rows])
    return [(int(rows[one]), int(rows[other]), value) for one, other, value in found]


def _wrong_labels(
    dataset: DataSet, rows: np.ndarray, features: np.ndarray, hashes: Sequence[str | None], names: list[str]
) -> list[Finding]:
    if dataset.multi_label:
        return _wrong_tags(dataset, rows, features, hashes, names)
    labels = np.array([dataset.items[i].label for i in rows])
    groups = [hashes[i] or str(i) for i in rows]
    try:
        probabilities = cross_validated_probabilities(features, labels, groups)
    except ValueError:
        return []  # too few images of too few classes: nothing can be said of any label
    findings = []
    for place, other, margin in suspects(probabilities, labels):
        is_called, looks = dataset.classes[labels[place]], dataset.classes[other]
        message = f"labelled {is_called}, looks like {looks} ({probabilities[place, other]:.0%})"
        findings.append(
            Finding("likely_mislabelled", (names[rows[place]],), message, margin, (is_called, looks))
        )
    return findings


def _wrong_tags(
    dataset: DataSet, rows: np.ndarray, features: np.ndarray, hashes: Sequence[str | None], names: list[str]
) -> list[Finding]:
    """Labels that are given or missing in spite of what the image looks like, each label by itself."""
    marked = dataset.targets([dataset.items[i] for i in rows]).astype(bool)
    try:
        scores = cross_validated_scores(features, marked, [hashes[i] or str(i) for i in rows])
    except ValueError:
        return []
    findings = []
    for place, column, margin in suspect_marks(scores, marked):
        label = dataset.classes[column]
        said = "labelled" if marked[place, column] else "not labelled"
        looks = "does not look like it" if marked[place, column] else "looks like it"
        findings.append(
            Finding("likely_mislabelled", (names[rows[place]],), f"{said} {label}, {looks}", margin, (label,))
        )
    return findings


def _near_findings(
    pairs: list[tuple[int, int, float]], names: list[str], labels: list[str], splits: Sequence[str | None]
) -> list[Finding]:
    """One finding a group of pictures that are alike."""
    findings = []
    for members, similarity in _groups(pairs):
        classes = tuple(labels[i] for i in members)
        where = sorted({split for i in members if (split := splits[i])})
        if len(where) > 1:
            kind, message = "near_leak", f"almost the same picture is in {' and '.join(where)}"
        elif len(set(classes)) > 1:
            kind = "near_conflict"
            message = f"almost the same picture is labelled {' and '.join(sorted(set(classes)))}"
        else:
            kind, message = "near_duplicate", f"almost the same picture {len(members)} times"
        findings.append(Finding(kind, tuple(names[i] for i in members), message, similarity, classes))
    return findings


def _groups(pairs: list[tuple[int, int, float]]) -> list[tuple[list[int], float]]:
    """Pairs joined to groups: (members in order, the strongest similarity among them)."""
    leader: dict[int, int] = {}

    def lead(i: int) -> int:
        while leader.setdefault(i, i) != i:
            leader[i] = leader[leader[i]]
            i = leader[i]
        return i

    for one, other, _ in pairs:
        leader[lead(other)] = lead(one)
    members: dict[int, list[int]] = defaultdict(list)
    for i in sorted(leader):
        members[lead(i)].append(i)
    strongest: dict[int, float] = defaultdict(float)
    for one, _, similarity in pairs:
        strongest[lead(one)] = max(strongest[lead(one)], similarity)
    return [(group, strongest[head]) for head, group in members.items()]


def _counts(dataset: DataSet, splits: Sequence[str | None]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for split in ("train", "val", "test", None):
        part = Counter(
            name
            for item, of in zip(dataset, splits, strict=True)
            if of == split
            for name in dataset.names_of(item)
        )
        if part:
            counts[split or "all"] = {name: part[name] for name in dataset.classes}
    return counts


def _spread(values: list[int]) -> tuple[int, int, int] | None:
    return (min(values), int(np.median(values)), max(values)) if values else None


def _stage(progress: Progress | None, name: str, total: int) -> Callable[[int], None] | None:
    return None if progress is None else lambda done: progress(name, done, total)
