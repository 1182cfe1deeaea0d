"""The parity gate of a run: which images are asked, what the model says to them, and what is refused."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from transferkit.data.pixels.decoding import Decoding
from transferkit.data.reader import read_images
from transferkit.errors import UserError, fault
from transferkit.export.check_process import Checker
from transferkit.export.export_spec import ExportSpec
from transferkit.export.formats import load_format
from transferkit.export.formats._base import Tolerance
from transferkit.export.parity import Finding, Reference, judge
from transferkit.export.variants import VARIANTS, write_colours, write_variants
from transferkit.type_names import NamedValues

__all__ = ["HeldOut", "ParityGate", "ParityResult"]

_COMPARED = 10  # held-out photos whose probabilities are compared, beside the variants
_COUNTED = 500  # held-out photos whose answers are counted, for quantised formats
# Between the evaluated figures and the network on a CPU: activations kept in float16, or an accelerator's
# arithmetic, stand between them, and are no fault of an export.
_KEPT_SHORT = 2e-2


@dataclass(frozen=True)
class HeldOut:
    """The evaluated images, and what the evaluation gave for them.

    Attributes:
        paths: their files.
        labels: int64 ``[N]``, or bool ``[N, classes]`` where an image may have several.
        probabilities: float32 ``[N, classes]``.
        exact: the figures come from float32 activations on the CPU.
    """

    paths: Sequence[str]
    labels: np.ndarray
    probabilities: np.ndarray
    exact: bool = False

    def spread(self, count: int) -> np.ndarray:
        """Indices of up to ``count`` images, the classes taking turns, ascending."""
        labels = self.labels if self.labels.ndim == 1 else self.labels.argmax(1)
        turn = np.zeros(len(labels), np.int64)
        for label in np.unique(labels):
            members = np.flatnonzero(labels == label)
            turn[members] = np.arange(len(members))
        return np.sort(np.argsort(turn, kind="stable")[:count])


@dataclass
class ParityResult:
    """What the gate found.

    Attributes:
        findings: one an artefact, in the order in which they were written.
        facts: all of it, for ``parity.json``.
    """

    findings: list[Finding] = field(default_factory=list)
    facts: NamedValues = field(default_factory=dict)

    @property
    def refused(self) -> list[Finding]:
        """The artefacts that may not be handed over."""
        return [one for one in self.findings if not one.passed]

    def add(self, findings: Sequence[Finding]) -> None:
        """Adds what could not even be written."""
        self.findings += findings
        if findings:
            self.facts["artefacts"] = [one.to_dict() for one in self.findings]

    def write(self, *folders: Path) -> None:
        """Writes ``parity.json`` into each folder."""
        text = json.dumps(self.facts, indent=2, ensure_ascii=False) + "\n"
        for folder in folders:
            (folder / "parity.json").write_text(text, encoding="utf-8")


class ParityGate:
    """Orders the checks as artefacts are written, and judges the answers when they have come.

    Args:
        checker: the fresh process.
        paths: files of the evaluated images; what the evaluation gave is asked for in :meth:`settle` alone.
        labels: theirs.
        decoding: how the run makes pixels.
        images: how many held-out images; None for ten that are compared and 500 that are counted.
        least_agreement: of quantised formats, where it is not the format's own.
    """

    def __init__(
        self,
        checker: Checker,
        paths: Sequence[str],
        labels: np.ndarray,
        decoding: Decoding,
        images: int | None = None,
        least_agreement: float | None = None,
    ) -> None:
        self._checker = checker
        self._folder = tempfile.TemporaryDirectory(prefix="transferkit-parity-")
        place = Path(self._folder.name)
        asked = HeldOut(paths, labels, np.zeros((len(labels), 0)))
        self._compared = asked.spread(images or _COMPARED)
        self._counted = asked.spread(images or _COUNTED)
        self._paths = [str(Path(path).resolve()) for path in paths]
        asked_of = [self._paths[index] for index in self._compared]
        self._variants, self._left_out = write_variants(asked_of, place, decoding)
        self._pictures = [write_colours(place / "colours.png")]
        self._pictures += [str(self._variants[name]) for name in ("png",) if name in self._variants]
        self._least = least_agreement
        self._ordered: list[tuple[str, Tolerance, Path]] = []

    def order(self, name: str, path: Path) -> None:
        """Has an artefact checked, while the caller goes on."""
        tolerance: Tolerance = load_format(name).TOLERANCE
        if self._least is not None and tolerance.agreement < 1:
            tolerance = replace(tolerance, agreement=self._least)
        answers = Path(self._folder.name) / f"{name}.npz"
        self._checker.order(name, path.resolve(), self._files(tolerance), answers, self._pictures)
        self._ordered.append((name, tolerance, answers))

    def settle(self, export_spec: ExportSpec, held_out: HeldOut) -> ParityResult:
        """Waits for the answers and judges them.

        Args:
            export_spec: what was exported: the network itself answers beside it.
            held_out: the same images as before, now with their probabilities.

        Returns:
            The verdict; nothing is removed yet.
        """
        compared = self._reference(export_spec)
        counted = Reference(
            [self._paths[index] for index in self._counted],
            held_out.probabilities[self._counted],
            held_out.labels[self._counted] if held_out.labels.ndim == 1 else None,
        )
        evaluated = self._against_evaluation(compared, held_out)
        verdict = ParityResult()
        for name, tolerance, answers in self._ordered:
            reply = self._checker.reply()
            reference = counted if tolerance.quantised else compared
            finding = judge(
                name,
                load_format(name).FILE or ".",
                tolerance,
                reference,
                export_spec.about,
                reply,
                answers,
            )
            if finding.passed and evaluated["reason"]:
                finding = replace(finding, reason=str(evaluated["reason"]))
            verdict.findings.append(finding)
        verdict.facts = {
            "classes": list(export_spec.about.classes),
            "held_out": {"compared": len(self._compared), "counted": len(self._counted)},
            "variants": sorted(self._variants),
            "variants_left_out": self._left_out,
            "evaluation": evaluated,
            "artefacts": [one.to_dict() for one in verdict.findings],
        }
        self._folder.cleanup()
        return verdict

    def _files(self, tolerance: Tolerance) -> list[str]:
        if tolerance.quantised:
            return [self._paths[index] for index in self._counted]
        ordered = [self._variants[name] for one in VARIANTS if (name := one.name) in self._variants]
        return [*(self._paths[index] for index in self._compared), *map(str, ordered)]

    def _reference(self, export_spec: ExportSpec) -> Reference:
        """What the network says, in this process, to the very bytes that the artefacts are asked about."""
        files = self._files(Tolerance(0.0, 1.0))
        answers, scores = _answers(export_spec, [*files, *self._pictures])
        count = len(files)
        reference = Reference(files, answers[:count], pictures=answers[count:])
        if scores is None:
            return reference
        return replace(reference, novelty=scores[:count], pictures_novelty=scores[count:])

    def _against_evaluation(self, compared: Reference, held_out: HeldOut) -> NamedValues:
        """Whether the figures that were reported are those of the network that is exported."""
        count = len(self._compared)
        differences = np.abs(compared.probabilities[:count] - held_out.probabilities[self._compared])
        largest, allowed = float(differences.max()), 1e-4 if held_out.exact else _KEPT_SHORT
        reason = None
        if not largest <= allowed:
            reason = (
                f"the network differs by {largest:.1e} from the probabilities that were evaluated, allowed "
                f"are {allowed:.0e}; run it with activations.engine=tensorflow and activations.dtype=float32"
            )
        return {"images": count, "largest_difference": largest, "tolerance": allowed, "reason": reason}


def _answers(export_spec: ExportSpec, files: Sequence[str]) -> tuple[np.ndarray, np.ndarray | None]:
    """What the network says to files: float32 ``[N, classes]``, and its scores ``[N]`` where it has some."""
    about = export_spec.about
    batches = list(read_images([(None, file) for file in files], about.decoding))
    unreadable = [one for batch in batches for one in batch.unreadable]
    if unreadable:
        raise UserError(*(fault(str(one.path), hint=one.reason) for one in unreadable))
    images = np.concatenate([batch.images for batch in batches])
    # On the CPU, as in the other process: an accelerator's shorter arithmetic is no fault of an export.
    with tf.device("/CPU:0"):
        answers = export_spec.probabilities(tf.constant(images)).numpy()
        if export_spec.with_novelty is None:
            return answers, None
        return answers, export_spec.with_novelty(tf.constant(images))[1].numpy()
