"""What a check found, in words and in a form for machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

from transferkit.type_names import NamedValues

__all__ = ["KINDS", "CheckResult", "Finding", "in_order"]

Severity = Literal["error", "warning", "note"]

# Kind to (severity, what it means and what to do): the order of the report.
KINDS: dict[str, tuple[Severity, str]] = {
    "unreadable": ("error", "Cannot be used. Remove or fix these files."),
    "conflict": ("error", "The same picture under different classes: one of the labels is wrong."),
    "leak": ("error", "The same picture in several splits: the evaluation looks better than it is."),
    "near_leak": ("warning", "Almost the same picture in several splits: figures look better than they are."),
    "near_conflict": ("warning", "Almost the same picture under different classes."),
    "likely_mislabelled": ("warning", "Looks like another class. Look at these labels first."),
    "constant": ("warning", "One colour only, or nearly so: nothing can be learned from it."),
    "imbalance": ("warning", "Classes differ much in size: give weights to the classes, or look at recall."),
    "few_images": ("warning", "Few images: figures of these classes are uncertain."),
    "deep": (
        "warning",
        "More than 8 bits a sample: scaled by the values of each image, or as data.depth says.",
    ),
    "duplicate": ("note", "The same picture several times in one class: it counts more than others."),
    "near_duplicate": ("note", "Almost the same picture several times: keep them in one split (a group)."),
    "misnamed": ("note", "The format is not what the name says. It is read by its content all the same."),
    "not_served": ("note", "Training reads this format, but an exported model does not take it as bytes."),
    "oriented": ("note", "Rotated upright by their EXIF orientation, unless data.exif says otherwise."),
    "transparent": ("note", "May be transparent: laid over data.background, white by default."),
    "animated": ("note", "Only the first frame is used."),
    "tiny": ("note", "Smaller than 32 pixels on a side."),
    "narrow": ("note", "More than five times as long as wide: stretched or cropped beyond recognition."),
}  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
        kind: a key of :data:`KINDS`.
        names: the files it is about, as the data set names them; for duplicates all that are alike.
        message: what is the matter, without the names.
        score: how strongly, where that can be said: similarity, or margin of the other class, 0 to 1.
        classes: the classes of the files, in their order.
    """

    kind: str
    names: tuple[str, ...]
    message: str
    score: float | None = None
    classes: tuple[str, ...] = ()

    @property
    def severity(self) -> Severity:
        """``error``, ``warning`` or ``note``."""
        return KINDS[self.kind][0]


@dataclass(frozen=True)
class CheckResult:
    """All that was found.

    Attributes:
        source: what was checked.
        counts: split to class to number of files; the split is ``all`` where the data brings none.
        formats: format to number of files; ``unknown`` where a file does not tell.
        widths, heights: (least, median, most) pixels of the readable files; None where there are none.
        findings: errors first.
        checked: names of the checks that ran: others found nothing because they were not asked.
        unchecked: a sentence for each thing that was not looked for, and how to have it looked for.
        notes: what is to be said of the source: what it left out, how a manifest was read.
    """

    source: str
    counts: Mapping[str, Mapping[str, int]]
    formats: Mapping[str, int]
    widths: tuple[int, int, int] | None
    heights: tuple[int, int, int] | None
    findings: tuple[Finding, ...]
    checked: tuple[str, ...] = field(default=())
    unchecked: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def images(self) -> int:
        """How many files there are; an image of several classes counts once."""
        return sum(self.formats.values())

    def of_kind(self, kind: str) -> tuple[Finding, ...]:
        """The findings of one kind."""
        return tuple(finding for finding in self.findings if finding.kind == kind)

    @property
    def refused(self) -> tuple[tuple[str, str], ...]:
        """(name, reason) of each file that cannot be used, each once: the rows of a quarantine."""
        return tuple((finding.names[0], finding.message) for finding in self.of_kind("unreadable"))

    def summary(self) -> list[tuple[str, str, int]]:
        """(kind, severity, how many findings), errors first; kinds without findings are left out."""
        return [
            (kind, severity, len(self.of_kind(kind)))
            for kind, (severity, _) in KINDS.items()
            if self.of_kind(kind)
        ]

    def sentences(self) -> list[str]:
        """One sentence a kind that is more than a note: what a log or a report warns of."""
        return [
            f"{len(found)} × {kind.replace('_', ' ')}: {found[0].message}"
            + (f" ({found[0].names[0]})" if found[0].names else "")
            for kind, (severity, _) in KINDS.items()
            if severity != "note" and (found := self.of_kind(kind))
        ]

    def to_dict(self) -> NamedValues:
        """All of it, ready for JSON."""
        return {
            "source": self.source,
            "images": self.images,
            "counts": {split: dict(part) for split, part in self.counts.items()},
            "formats": dict(self.formats),
            "widths": self.widths,
            "heights": self.heights,
            "checked": list(self.checked),
            "unchecked": list(self.unchecked),
            "notes": list(self.notes),
            "summary": {kind: count for kind, _, count in self.summary()},
            "findings": [{"severity": finding.severity, **asdict(finding)} for finding in self.findings],
        }


def in_order(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """By kind in the report's order, the strongest first within a kind, then by name."""
    place = {kind: i for i, kind in enumerate(KINDS)}
    return tuple(sorted(findings, key=lambda f: (place[f.kind], -(f.score or 0.0), f.names)))
