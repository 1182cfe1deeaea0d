"""What another fit changed for the classes that a run knew, and the proof that it equals joint training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from transferkit.files.whole_file import write_whole
from transferkit.type_names import NamedValues

__all__ = ["BOUND", "FILE", "Changes", "ClassChange", "Proof", "class_changes", "read_changes"]

FILE = "extended.json"
# Of a probability: what equal training may differ by in another process or on another machine.
BOUND = 1e-5


@dataclass(frozen=True)
class Proof:
    """How a new head stands to one that is trained on all photos at once.

    Attributes:
        exact: the head is fitted at once, so that the same features give the same head.
        difference: the largest difference of a probability between the earlier run's own head and one fitted
            anew from what that run kept; None where the head is trained by steps.
        images: of the earlier run, all of which were compared.
    """

    exact: bool
    difference: float | None
    images: int

    @property
    def holds(self) -> bool:
        """The kept features gave the earlier run's head again."""
        return self.difference is not None and self.difference <= BOUND

    def sentence(self) -> str:
        """What it means, in words."""
        if not self.exact:
            return (
                "the head went on from the weights that it had, on the kept and the new features (a warm "
                "start); training on all photos together would end near it, not at the same weights"
            )
        near = "to the last digit" if not self.difference else f"to {self.difference:.0e}"
        found = (
            f"equal to training on all photos together: the head was fitted on all features, and from what "
            f"the run kept, its own probabilities for {self.images} photos were computed again, equal {near}"
        )
        return found if self.holds else f"not {found}, more than {BOUND:.0e} allows: retrain instead"


@dataclass(frozen=True)
class ClassChange:
    """What became of one class of the earlier run, on the held-out photos that both runs have.

    Attributes:
        name: of the class.
        images: such photos of it.
        before, after: share of them that is found.
        taken: how many are now said to be of a class that is new.
    """

    name: str
    images: int
    before: float
    after: float
    taken: int = 0


@dataclass(frozen=True)
class Changes:
    """All that is said of an extended run beside what every run says.

    Attributes:
        source: folder of the earlier run.
        verb: ``extend`` or ``forget``.
        added, removed: classes.
        photos: how many came or went.
        known: photos that were named and are in the run already.
        proof: see there; None until it is found.
        accuracy: before and after, of held-out photos of both runs.
        classes: those of both runs, one line each.
        notes: what else is to be known.
        tuned: the backbone was fine-tuned, by the earlier run or one before it.
    """

    source: str
    verb: str
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    photos: int = 0
    known: int = 0
    proof: Proof | None = None
    accuracy: tuple[float, float] | None = None
    classes: tuple[ClassChange, ...] = ()
    notes: tuple[str, ...] = field(default=())
    tuned: bool = False

    def write(self, folder: Path) -> None:
        """Writes ``extended.json``, which also marks a folder that is being made."""
        write_whole(folder / FILE, json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n")

    def headline(self) -> str:
        """What was done, in a line."""
        photos = f"{self.photos} photo{'s' * (self.photos != 1)}"
        if self.verb == "extend":
            new = f", among them the new {_listed(self.added)}" if self.added else ""
            return f"extended from {self.source}: {photos} more{new}"
        if not self.removed:
            return f"made from {self.source} without {photos}"
        # A photo of several labels stays without the one.
        less = f", {photos} less" if self.photos else "; its photos stay with their other labels"
        return f"made from {self.source} without {_listed(self.removed)}{less}"

    def describe(self) -> list[str]:
        """Lines for a person."""
        lines = [self.headline()]
        if self.proof is not None:
            lines.append(self.proof.sentence())
        if self.accuracy is not None:
            before, after = self.accuracy
            lines.append(f"old classes: accuracy {before:.3f} before, {after:.3f} now, on the same photos")
        worse = sorted(
            (one for one in self.classes if one.after < one.before), key=lambda one: one.after - one.before
        )
        if worse:
            shown = "; ".join(
                f"{one.name} {one.before:.2f} to {one.after:.2f}"
                + (f" ({one.taken} now predicted as a new class)" if one.taken else "")
                for one in worse[:3]
            )
            lines.append(f"lower recall: {shown}")
        return [*lines, *self.notes]


def read_changes(folder: Path) -> Changes | None:
    """What :meth:`Changes.write` wrote; None for a run that was made from photos alone, or a damaged file."""
    try:
        read = json.loads((folder / FILE).read_text("utf-8"))
        proof = read.pop("proof")
        rows = tuple(ClassChange(**one) for one in read.pop("classes"))
        given: NamedValues = {
            key: tuple(value) if isinstance(value, list) else value for key, value in read.items()
        }
        return Changes(**given, proof=Proof(**proof) if proof else None, classes=rows)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def class_changes(
    before: np.ndarray,
    after: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[str],
    old: Sequence[str],
) -> tuple[tuple[ClassChange, ...], tuple[float, float] | None]:
    """Compares answers to the same photos.

    Args:
        before: bool ``[N, O]``: the classes that the earlier run gave, in the order of ``old``.
        after: bool ``[N, C]``: those that the new one gives, in the order of ``classes``.
        labels: bool ``[N, C]``: what is there.
        classes: of the new run.
        old: of the earlier one.

    Returns:
        A line for each class of both runs that has photos here, and the share of photos that was and is
        answered rightly; None without photos.
    """
    both = [name for name in old if name in classes]
    fresh = [number for number, name in enumerate(classes) if name not in old]
    rows = []
    for name in both:
        there = labels[:, classes.index(name)]
        if not there.any():
            continue
        was, now = before[there, list(old).index(name)], after[there, classes.index(name)]
        taken = after[there][:, fresh].any(axis=1) & ~now
        rows.append(
            ClassChange(name, int(there.sum()), float(was.mean()), float(now.mean()), int(taken.sum()))
        )
    if not len(labels):
        return (), None
    # Before, an answer that named a class which is gone was wrong too.
    placed = np.zeros((len(before), len(classes) + 1), bool)
    for number, name in enumerate(old):
        column = classes.index(name) if name in classes else len(classes)
        placed[:, column] |= before[:, number]
    meant = np.column_stack([labels, np.zeros(len(labels), bool)])
    right = (placed == meant).all(axis=1).mean(), (after == labels).all(axis=1).mean()
    return tuple(rows), (float(right[0]), float(right[1]))


def _listed(names: Sequence[str], most: int = 5) -> str:
    kind = "class" if len(names) == 1 else "classes"
    shown = ", ".join(repr(name) for name in names[:most])
    return f"{kind} {shown}" + (f" and {len(names) - most} more" if len(names) > most else "")
