"""The part of the check that costs next to nothing: counts, hashes that are known already, and headers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from transferkit.data.check.duplicates import exact_duplicates
from transferkit.data.check.finding import Finding, in_order
from transferkit.data.check.header import Header, read_header, stated_format
from transferkit.data.check.limits import Limits
from transferkit.data.source import DataSet

__all__ = ["count_findings", "header_findings", "quick_check", "read_headers"]

FEW = 20
IMBALANCE = 10
TINY = 32
NARROW = 5
# What the graph of an export decodes; WebP only under newer TensorFlow, so it is no finding.
_SERVED = {"jpeg", "png", "gif", "bmp", "webp"}
_THREADS = 8


def quick_check(
    dataset: DataSet,
    hashes: Sequence[str | None],
    splits: Sequence[str | None] | None = None,
    *,
    limits: Limits | None = None,
    headers: Sequence[Header] | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[Finding, ...]:
    """Everything that needs no pixel: about a third of a millisecond a file. A training calls it and warns.

    Args:
        dataset: the files.
        hashes: of the items in order, None for unreadable ones.
        splits: of the items in order; by default those that the source brings.
        limits: what a file may ask for. Files above them are ``unreadable`` findings: leave them out.
        headers: of the items in order, where they are read already.
        progress: receives how many files are done.
    """
    splits = [item.split for item in dataset] if splits is None else splits
    headers = read_headers(dataset, limits, progress) if headers is None else headers
    names = [item.name for item in dataset]
    labels = [dataset.described(item) for item in dataset]
    known = [None if header.refused else sha256 for header, sha256 in zip(headers, hashes, strict=True)]
    found = [*header_findings(names, headers), *exact_duplicates(names, labels, known, splits)]
    return in_order([*found, *count_findings(dataset)])


def read_headers(
    dataset: DataSet, limits: Limits | None = None, progress: Callable[[int], None] | None = None
) -> list[Header]:
    """The header of every item, in order.

    Args:
        dataset: whose files are read.
        limits: of bytes and pixels; the usual ones by default.
        progress: is told how many items are done.
    """
    root = dataset.root if dataset.root.is_dir() else dataset.root.parent
    headers = []
    with ThreadPoolExecutor(_THREADS) as pool:
        read = pool.map(lambda item: read_header(item.path, root, limits), dataset)
        for done, header in enumerate(read, 1):
            headers.append(header)
            if progress is not None:
                progress(done)
    return headers


def header_findings(names: Sequence[str], headers: Sequence[Header]) -> list[Finding]:
    """What the headers alone tell, a finding a file and matter."""
    findings = []
    for name, header in zip(names, headers, strict=True):
        if header.refused:
            findings.append(Finding("unreadable", (name,), header.refused))
            continue
        stated = stated_format(name)
        if stated is not None and stated != header.format:
            findings.append(Finding("misnamed", (name,), f"named {stated}, really {header.format}"))
        if header.format not in _SERVED:
            findings.append(Finding("not_served", (name,), f"format {header.format}"))
        elif header.format == "webp" and header.frames > 1:
            findings.append(Finding("not_served", (name,), "moving webp"))
        if header.orientation != 1:
            findings.append(Finding("oriented", (name,), f"EXIF orientation {header.orientation}"))
        if header.alpha:
            findings.append(Finding("transparent", (name,), "with transparency"))
        if header.bits > 8:
            findings.append(Finding("deep", (name,), f"{header.bits} bits a sample"))
        if header.frames > 1:
            findings.append(Finding("animated", (name,), f"{header.frames} frames"))
        short, long = sorted((header.width, header.height))
        if short < TINY:
            findings.append(Finding("tiny", (name,), f"{header.width} × {header.height} pixels"))
        if long > NARROW * short:
            findings.append(Finding("narrow", (name,), f"{header.width} × {header.height} pixels"))
    return findings


def count_findings(dataset: DataSet) -> list[Finding]:
    """Classes that are small, or much smaller than the largest."""
    counts = Counter(
        name for item in dataset if item.split in (None, "train") for name in dataset.names_of(item)
    )
    findings = [
        Finding("few_images", (), f"class {name!r} has {counts[name]}", None, (name,))
        for name in dataset.classes
        if counts[name] < FEW
    ]
    if counts:
        (most, many), (least, few) = counts.most_common()[0], counts.most_common()[-1]
        if many > IMBALANCE * few:
            message = f"{most!r} has {many} images, {least!r} has {few}"
            findings.append(Finding("imbalance", (), message, None, (most, least)))
    return findings
