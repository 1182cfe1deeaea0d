"""The proof that an artefact answers as the evaluated model did, from a process that never saw that model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from transferkit.export.answers_file import read_answers
from transferkit.export.export_spec import About
from transferkit.export.formats._base import Tolerance
from transferkit.export.outputs import check_outputs
from transferkit.type_names import NamedValues

__all__ = ["Finding", "Reference", "judge"]


@dataclass(frozen=True)
class Reference:
    """What an artefact is held against.

    Attributes:
        files: encoded images.
        probabilities: float32 ``[N, classes]``, the evaluated model's.
        labels: int64 ``[N]``, what the images are, or None where nobody knows.
        novelty: float32 ``[N]``, the model's scores, where it has some; so has ``pictures_novelty``.
        pictures: float32 ``[P, classes]``, the same for images that are given as pixels of any size.
    """

    files: Sequence[str]
    probabilities: np.ndarray
    labels: np.ndarray | None = None
    pictures: np.ndarray | None = None
    novelty: np.ndarray | None = None
    pictures_novelty: np.ndarray | None = None

    def of(self, kind: str) -> np.ndarray:
        """The probabilities that belong to what was asked: ``"files"`` or ``"pictures"``."""
        wanted = self.pictures if kind == "pictures" else self.probabilities
        return wanted if wanted is not None else np.zeros((0, 0), np.float32)


@dataclass(frozen=True)
class Finding:
    """How an artefact answered.

    Attributes:
        format: as recipes name it.
        file: its name in the version's folder.
        images: how many it answered.
        agreement: share of them with the same most probable class, or with the same labels given, 0 to 1.
        largest_difference: of any probability.
        class_order: whether the labels inside are the classes, in their order.
        tolerance: what it was held to.
        seconds: that the check took in its process.
        accuracy, accuracy_of_model: on these images, where their labels are known.
        outputs: signature to the outputs that were compared.
        reason: why it is refused; None where it is not.
    """

    format: str
    file: str
    images: int
    agreement: float
    largest_difference: float
    class_order: bool
    tolerance: Tolerance
    seconds: float
    accuracy: float | None = None
    accuracy_of_model: float | None = None
    outputs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    reason: str | None = None

    @property
    def passed(self) -> bool:
        """Whether the artefact may be handed over."""
        return self.reason is None

    def to_dict(self) -> NamedValues:
        """Ready for JSON."""
        return {**asdict(self), "passed": self.passed}


def judge(
    name: str,
    file: str,
    tolerance: Tolerance,
    reference: Reference,
    about: About,
    reply: NamedValues,
    answers: Path,
) -> Finding:
    """Holds what an artefact answered against the reference: every output of every signature.

    Args:
        name: of the format.
        file: of the artefact.
        tolerance: how near it must come.
        reference: what it was asked, and what the model says.
        about: what the artefact should say of itself.
        reply: of the checker.
        answers: where it wrote the outputs.
    """
    count, seconds = len(reference.files), float(reply.get("seconds", 0.0))
    refused = Finding(name, file, count, 0.0, 1.0, False, tolerance, seconds)
    if "error" in reply:
        return replace(refused, reason=f"it cannot be loaded and run: {reply['error']}")
    order = reply["labels"] == reply["about"]["classes"] == list(about.classes)
    refused = replace(refused, class_order=order)
    answered = read_answers(answers)
    if not answered:
        return replace(refused, reason="it has no signature")
    differences, agreements, reason = [], [], None
    for signature, kind, outputs in answered:
        given, wanted = outputs.get("probabilities"), reference.of(kind)
        if given is None or given.shape != wanted.shape or not np.isfinite(given).all():
            shape = None if given is None else list(given.shape)
            return replace(refused, reason=f"its answers have the shape {shape} or are no numbers")
        differences.append(float(np.abs(given - wanted).max()))
        agreements.append(float(_agree(given, wanted, about.thresholds, tolerance).mean()))
        wrong = check_outputs(outputs, about) if reply["all_outputs"] else None
        wrong = wrong or _novelty_differs(outputs, reference, kind, tolerance)
        if reply["about"].get("false_alarms") is not None and "novelty" not in outputs:
            wrong = "it says that it has novelty, and answers without"
        reason = reason or (f"signature {signature}: {wrong}" if wrong else None)
    given = answered[0][2]["probabilities"]
    accuracy = of_model = None
    if reference.labels is not None:
        accuracy = float((given.argmax(1) == reference.labels).mean())
        of_model = float((reference.probabilities.argmax(1) == reference.labels).mean())
    finding = replace(
        refused,
        agreement=min(agreements),
        largest_difference=max(differences),
        accuracy=accuracy,
        accuracy_of_model=of_model,
        outputs={signature: sorted(outputs) for signature, _, outputs in answered},
    )
    said = [_reason(finding), _other_facts(reply["about"], about), reason]
    return replace(finding, reason="; ".join(one for one in said if one) or None)


def _novelty_differs(
    outputs: Mapping[str, np.ndarray], reference: Reference, kind: str, tolerance: Tolerance
) -> str | None:
    """Whether scores are others than the model's, or None. They are 1 at the threshold, not at most."""
    wanted = reference.pictures_novelty if kind == "pictures" else reference.novelty
    if "novelty" not in outputs or wanted is None or tolerance.difference is None:
        return None
    given = outputs["novelty"]
    if given.shape != wanted.shape or not np.isfinite(given).all():
        return "its novelty is no number for each image"
    furthest = float((np.abs(given - wanted) / np.maximum(wanted, 1)).max())
    allowed = 10 * tolerance.difference
    return None if furthest <= allowed else f"novelty differs by {furthest:.1e}, allowed are {allowed:.0e}"


def _other_facts(inside: NamedValues, about: About) -> str | None:
    """What an artefact says of itself and should not: thresholds, temperature, size …"""
    wanted = json.loads(about.to_json())
    for key in wanted:
        # Formats that do not hold the score say so.
        without = key == "false_alarms" and inside.get(key) is None
        if key not in ("classes", "transferkit") and not without and inside.get(key) != wanted[key]:
            return f"{key} inside is {inside.get(key)}, the run's is {wanted[key]}"
    return None


def _agree(
    given: np.ndarray, wanted: np.ndarray, thresholds: Sequence[float], tolerance: Tolerance
) -> np.ndarray:
    """bool ``[N]``: the same most probable class, or the very same labels given where there may be several.

    A tie within the tolerance has two answers that are right.
    """
    rows = np.arange(len(given))
    close = 0.0 if tolerance.difference is None else tolerance.difference
    if len(thresholds):
        # Images count, not decisions: nearly all of those say "absent" and agree by themselves.
        least = np.asarray(thresholds, np.float32)
        same = (given >= least) == (wanted >= least)
        agreed: np.ndarray = (same | (np.abs(wanted - least) < close)).all(axis=1)
    else:
        short = (wanted.max(1) - wanted[rows, given.argmax(1)]) / 2
        agreed = (given.argmax(1) == wanted.argmax(1)) | (short < close)
    return agreed


def _reason(found: Finding) -> str | None:
    tolerance = found.tolerance
    if not found.class_order:
        return "the labels inside are not the run's classes in their order"
    if tolerance.difference is not None and found.largest_difference > tolerance.difference:
        return (
            f"a probability differs by {found.largest_difference:.1e} from the evaluated model's "
            f"({found.images} images), allowed are {tolerance.difference:.0e}"
        )
    if found.agreement < tolerance.agreement:
        words = (
            f"its label is the evaluated model's on {found.agreement:.1%} of {found.images} images, "
            f"expected at least {tolerance.agreement:.0%}"
        )
        if found.accuracy is not None and found.accuracy_of_model is not None:
            words += f"; accuracy on them {found.accuracy:.3f}, the model's {found.accuracy_of_model:.3f}"
        return words
    return None
