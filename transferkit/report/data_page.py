"""The data check as a page with thumbnails, one file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from transferkit._version import __version__
from transferkit.data.check import KINDS, CheckResult, Finding
from transferkit.data.check.thumbnail import thumbnail
from transferkit.files.whole_file import whole_file
from transferkit.report.rendering import render

__all__ = ["write_data_page"]

_MOST_FINDINGS = 60
_MOST_PICTURES = 4
_SIZE = 128


@dataclass(frozen=True)
class _Shown:
    finding: Finding
    pictures: list[tuple[str, str, str | None]]
    more: int


def write_data_page(result: CheckResult, files: Mapping[str, str | Path], path: str | Path) -> Path:
    """Writes the page whole or not at all, and returns its path.

    Args:
        result: what was found.
        files: name of an image to its file, for the thumbnails. Refused files are not opened.
        path: where to.
    """
    path = Path(path)
    kinds = []
    for kind, (severity, meaning) in KINDS.items():
        found = result.of_kind(kind)
        if found:
            shown = [_shown(finding, files) for finding in found[:_MOST_FINDINGS]]
            kinds.append((kind.replace("_", " "), severity, meaning, shown, len(found)))
    splits = list(result.counts)
    classes = dict.fromkeys(name for part in result.counts.values() for name in part)
    page = render(
        "data_check.html.j2",
        result=result,
        kinds=kinds,
        splits=splits,
        rows=[(name, [result.counts[split].get(name, 0) for split in splits]) for name in classes],
        transferkit_version=__version__,
    )
    with whole_file(path) as beside:
        beside.write_text(page, encoding="utf-8")
    return path


def _shown(finding: Finding, files: Mapping[str, str | Path]) -> _Shown:
    names = finding.names[:_MOST_PICTURES]
    open_them = finding.kind != "unreadable"
    classes = finding.classes if len(finding.classes) == len(finding.names) else ("",) * len(finding.names)
    pictures = [
        (name, is_called, thumbnail(files.get(name), _SIZE) if open_them else None)
        for name, is_called in zip(names, classes, strict=False)
    ]
    return _Shown(finding, pictures, len(finding.names) - len(names))
