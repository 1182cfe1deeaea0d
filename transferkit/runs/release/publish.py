"""From a trained network to a published version: written, checked in a fresh process, and published."""

from __future__ import annotations

import contextlib
import shlex
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from transferkit.errors import GateError, fault
from transferkit.export.check_process import Checker
from transferkit.export.export_spec import ExportSpec
from transferkit.export.formats import load_format
from transferkit.export.formats._base import Tolerance
from transferkit.export.parity import Finding
from transferkit.export.versions import NewVersion
from transferkit.recipe import Recipe
from transferkit.runs.calibration.calibrate import Calibrated
from transferkit.runs.release.artefacts import wanted_formats, write_formats
from transferkit.runs.release.parity_gate import HeldOut, ParityGate, ParityResult

__all__ = ["Release", "raise_if_refused", "start_checker"]

_KEPT_SECONDS = 60.0


class _Kept:
    """The checker of the last run, kept a while for the next one: a sweep starts one, not one a trial."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._checker: Checker | None = None
        self._timer: threading.Timer | None = None

    def take(self) -> Checker | None:
        with self._lock:
            checker, self._checker = self._checker, None
            if self._timer is not None:
                self._timer.cancel()
        if checker is not None and not checker.idle:
            checker.close()
            return None
        return checker

    def keep(self, checker: Checker) -> None:
        with self._lock:
            before, self._checker = self._checker, checker
            if self._timer is not None:
                self._timer.cancel()
            self._timer = threading.Timer(_KEPT_SECONDS, self.end)
            self._timer.daemon = True
            self._timer.start()
        if before is not None:
            before.close()

    def end(self) -> None:
        checker = self.take()
        if checker is not None:
            checker.close()


_kept = _Kept()


@contextlib.contextmanager
def start_checker(formats: Sequence[str], parity: bool | int) -> Iterator[Checker | None]:
    """The process that checks, or None where nothing is to be checked; it ends with this one."""
    if not parity:
        yield None
        return
    checker = _kept.take() or Checker(wanted_formats(formats))
    try:
        yield checker
    except BaseException:
        checker.close()
        raise
    if checker.idle:
        _kept.keep(checker)
    else:
        checker.close()


class Release:
    """One version of an export on its way.

    Args:
        recipe: ``export`` says which formats and which checks.
        folder: of the numbered versions.
        checker: what :func:`start_checker` gave.
    """

    def __init__(self, recipe: Recipe, folder: Path, checker: Checker | None) -> None:
        self._section = recipe.export
        self._folder = folder
        self._checker = checker
        self._gate: ParityGate | None = None
        self._version: NewVersion | None = None
        self._failed: dict[str, str] = {}

    @property
    def doing(self) -> str:
        """What :meth:`publish` is about to do, in words."""
        if self._checker is None:
            return "left out (export.parity, --no-parity)"
        return "asking the export in a fresh process"

    def write(self, export_spec: ExportSpec, paths: Sequence[str], labels: np.ndarray) -> None:
        """Writes all formats, out of sight; each is being checked from the moment it is whole.

        Args:
            export_spec: what to export.
            paths: files of the evaluated images.
            labels: theirs.
        """
        self._subject = export_spec
        self._version = NewVersion(self._folder)
        if self._checker is not None:
            images = self._section.parity
            self._gate = ParityGate(
                self._checker,
                paths,
                labels,
                export_spec.about.decoding,
                None if images is True else images,
                self._section.agreement,
            )
        written = self._gate.order if self._gate is not None else lambda name, path: None
        formats = wanted_formats(self._section.formats)
        self._failed = write_formats(export_spec, formats, self._version.path, written)

    def publish(
        self, held_out: HeldOut | None, finish: Callable[[Path], None] = lambda folder: None
    ) -> tuple[Path | None, ParityResult]:
        """Waits for the checks, leaves out what fails them, and gives the version its number.

        Args:
            held_out: the evaluated images with their probabilities; needed where there is a checker.
            finish: adds the last files to the version's folder, which nobody sees yet.

        Returns:
            The version's folder, None where not even the SavedModel passed; and what was found, which is
            also in the version's ``parity.json``.
        """
        version = self._version
        assert version is not None  # noqa: S101 -- for the type checker: `write` comes first
        verdict = ParityResult()
        try:
            if self._gate is not None and held_out is not None:
                verdict = self._gate.settle(self._subject, held_out)
            verdict.add([_unwritten(name, reason) for name, reason in self._failed.items()])
            if any(one.format == "saved_model" for one in verdict.refused):
                version.discard()
                return None, verdict
            for finding in verdict.refused:
                (version.path / finding.file).unlink(missing_ok=True)
            if verdict.facts:
                verdict.write(version.path)
            finish(version.path)
        except BaseException:
            version.discard()
            raise
        return version.publish(), verdict


def _unwritten(name: str, reason: str) -> Finding:
    file = load_format(name).FILE
    return Finding(name, file, 0, 0.0, 1.0, False, Tolerance(None, 0.0), 0.0, reason=reason)


def raise_if_refused(calibrated: Calibrated, verdict: ParityResult, place: str) -> None:
    """Tells the user, once all that is sound is in its place, what of it falls short.

    Args:
        calibrated: of the run.
        verdict: of the checks of its export.
        place: of the run, for messages.

    Raises:
        GateError: an artefact was refused, or the wanted precision is out of reach.
    """
    faults = [calibrated.shortfall] if calibrated.shortfall else []
    faults += [fault(f"export {one.format}", hint=f"refused: {one.reason}") for one in verdict.refused]
    if verdict.refused:
        command = f"transferkit export {shlex.quote(place)} --format {verdict.refused[0].format}"
        again = f"make it again with `{command}`"
        lower = "accept less with --agreement SHARE, or anything with --no-parity"
        faults.append(fault(place, hint=f"everything else is whole; {again}, and {lower}"))
    if faults:
        raise GateError(*faults)
