"""Exact duplicates: files with the same bytes, found by their hashes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from transferkit.data.check.finding import Finding

__all__ = ["exact_duplicates"]


def exact_duplicates(
    names: Sequence[str],
    labels: Sequence[str],
    hashes: Sequence[str | None],
    splits: Sequence[str | None],
) -> list[Finding]:
    """One finding a group of equal files: ``conflict``, ``leak`` or plain ``duplicate``, the worst that fits.

    Args:
        names, labels: of the files; a label is a class name.
        hashes: content hashes, None where a file could not be read.
        splits: ``train``, ``val``, ``test``, or None where it is not known.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for i, sha256 in enumerate(hashes):
        if sha256 is not None:
            groups[sha256].append(i)
    findings = []
    for members in groups.values():
        if len(members) < 2:
            continue
        classes = tuple(labels[i] for i in members)
        where = sorted({split for i in members if (split := splits[i])})
        if len(set(classes)) > 1:
            kind, message = "conflict", f"the same file is labelled {' and '.join(sorted(set(classes)))}"
        elif len(where) > 1:
            kind, message = "leak", f"the same file is in {' and '.join(where)}"
        else:
            kind, message = "duplicate", f"the same file {len(members)} times"
        findings.append(Finding(kind, tuple(names[i] for i in members), message, None, classes))
    return findings
