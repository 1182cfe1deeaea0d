"""When ``train_and_evaluate`` exports: at the end, after each evaluation, or at each new best."""

from __future__ import annotations

import abc
import inspect
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from transferkit.errors import fault
from transferkit.estimator.early_stopping import read_eval_metrics
from transferkit.estimator.session.training_log import progress

__all__ = ["BestExporter", "Exporter", "FinalExporter", "LatestExporter"]


class Exporter(abc.ABC):
    """Something that exports when it chooses to."""

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """The folder below ``export`` that its exports go to."""

    @abc.abstractmethod
    def export(
        self,
        estimator: Any,
        export_path: str,
        checkpoint_path: str,
        eval_result: Mapping[str, Any],
        is_the_final_export: bool,
    ) -> Any:
        """Exports ``checkpoint_path`` into ``export_path``, or does not; returns the folder or None."""


class _SavedModelExporter(Exporter):
    def __init__(
        self,
        name: str,
        serving_input_receiver_fn: Callable[[], Any],
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
    ) -> None:
        if not name or not isinstance(name, str):
            raise ValueError(fault("Exporter.name", name, "a string"))
        self._name = name
        self._receiver_fn = serving_input_receiver_fn
        self._assets_extra, self._as_text = assets_extra, as_text

    @property
    def name(self) -> str:
        return self._name

    def _write(self, estimator: Any, export_path: str, checkpoint_path: str) -> bytes:
        folder: bytes = estimator.export_saved_model(
            export_path,
            self._receiver_fn,
            assets_extra=self._assets_extra,
            as_text=self._as_text,
            checkpoint_path=checkpoint_path,
        )
        return folder


class FinalExporter(_SavedModelExporter):
    """Exports once, at the end of training.

    Args:
        name: the folder below ``export``.
        serving_input_receiver_fn: gives what a request receives.
        assets_extra: target -> file to take along.
        as_text: whether the graph is written as text.
    """

    def export(
        self,
        estimator: Any,
        export_path: str,
        checkpoint_path: str,
        eval_result: Mapping[str, Any],
        is_the_final_export: bool,
    ) -> Any:
        if not is_the_final_export:
            return None
        return self._write(estimator, export_path, checkpoint_path)


class LatestExporter(_SavedModelExporter):
    """Exports after each evaluation and keeps the newest.

    Args:
        name: the folder below ``export``.
        serving_input_receiver_fn: gives what a request receives.
        assets_extra: target -> file to take along.
        as_text: whether the graph is written as text.
        exports_to_keep: how many stay; None keeps all.

    Raises:
        ValueError: where ``exports_to_keep`` is not positive.
    """

    def __init__(
        self,
        name: str,
        serving_input_receiver_fn: Callable[[], Any],
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
        exports_to_keep: int | None = 5,
    ) -> None:
        super().__init__(name, serving_input_receiver_fn, assets_extra, as_text)
        _check_keep(exports_to_keep)
        self._keep = exports_to_keep

    def export(
        self,
        estimator: Any,
        export_path: str,
        checkpoint_path: str,
        eval_result: Mapping[str, Any],
        is_the_final_export: bool,
    ) -> Any:
        folder = self._write(estimator, export_path, checkpoint_path)
        _collect(export_path, self._keep)
        return folder


def loss_smaller(best_eval_result: Mapping[str, Any], current_eval_result: Mapping[str, Any]) -> bool:
    """Whether the current loss is below the best.

    Raises:
        ValueError: where one has no loss.
    """
    for place, result in (
        ("best_eval_result", best_eval_result),
        ("current_eval_result", current_eval_result),
    ):
        if not result or "loss" not in result:
            raise ValueError(fault(place, dict(result or {}), "an evaluation with 'loss'"))
    return bool(current_eval_result["loss"] < best_eval_result["loss"])


def _checked_compare_fn(compare_fn: Any) -> Callable[..., bool]:
    names = set(inspect.signature(compare_fn).parameters) if callable(compare_fn) else set()
    if not {"best_eval_result", "current_eval_result"} <= names:
        raise ValueError(
            fault(
                "BestExporter.compare_fn",
                compare_fn,
                "a function of best_eval_result and current_eval_result",
            )
        )
    result: Callable[..., bool] = compare_fn
    return result


class BestExporter(_SavedModelExporter):
    """Exports when an evaluation is better than all before it, those of earlier runs included.

    Args:
        name: the folder below ``export``.
        serving_input_receiver_fn: gives what a request receives.
        event_file_pattern: which event files below model_dir tell of earlier evaluations, such as
            ``eval/*.tfevents.*``; None looks into ``eval``.
        compare_fn: ``(best_eval_result, current_eval_result) -> bool``, true where the current is better;
            by default the smaller loss is.
        assets_extra: target -> file to take along.
        as_text: whether the graph is written as text.
        exports_to_keep: how many stay; None keeps all.

    Raises:
        ValueError: without a receiver function, where ``exports_to_keep`` is not positive, or ``compare_fn``
            has other arguments.
    """

    def __init__(
        self,
        name: str = "best_exporter",
        serving_input_receiver_fn: Callable[[], Any] | None = None,
        event_file_pattern: str | None = None,
        compare_fn: Callable[..., bool] = loss_smaller,
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
        exports_to_keep: int | None = 5,
    ) -> None:
        if serving_input_receiver_fn is None:
            raise ValueError(fault("BestExporter.serving_input_receiver_fn", None, None, "it must be given"))
        super().__init__(name, serving_input_receiver_fn, assets_extra, as_text)
        _check_keep(exports_to_keep)
        self._keep = exports_to_keep
        self._pattern = event_file_pattern
        self._better = _checked_compare_fn(compare_fn)
        self._best: dict[str, float] | None = None
        self._exported = False

    def export(
        self,
        estimator: Any,
        export_path: str,
        checkpoint_path: str,
        eval_result: Mapping[str, Any],
        is_the_final_export: bool,
    ) -> Any:
        note = Path(export_path, "best.json")
        if self._best is None:
            self._best = self._remembered(estimator, note)
            self._exported = note.exists()
        current = {key: float(value) for key, value in (eval_result or {}).items() if _is_number(value)}
        # Where nothing is exported yet, something is better than nothing.
        if (
            self._best is not None
            and self._exported
            and not self._better(best_eval_result=self._best, current_eval_result=current)
        ):
            return None
        folder = self._write(estimator, export_path, checkpoint_path)
        self._best, self._exported = current, True
        note.parent.mkdir(parents=True, exist_ok=True)
        temporary = note.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps(current, indent=1))
        os.replace(temporary, note)
        _collect(export_path, self._keep)
        progress.info("A new best, exported to %s", folder)
        return folder

    def _remembered(self, estimator: Any, note: Path) -> dict[str, float] | None:
        """The best of earlier runs: as noted beside the exports, or as the named event files have it."""
        if note.exists():
            return {key: float(value) for key, value in json.loads(note.read_text()).items()}
        if self._pattern is None:
            return None
        best: dict[str, float] | None = None
        # The newest evaluation is the one being judged.
        history = list(read_eval_metrics(str(Path(estimator.model_dir, self._pattern).parent)).values())[:-1]
        for metrics in history:
            if best is None or self._better(best_eval_result=best, current_eval_result=metrics):
                best = metrics
        return best


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _check_keep(keep: int | None) -> None:
    if keep is not None and keep <= 0:
        raise ValueError(fault("exports_to_keep", keep, "a positive number, or None"))


def _collect(base: str, keep: int | None) -> None:
    """Removes the oldest exports beyond ``keep``."""
    if keep is None:
        return
    exports = sorted(
        (path for path in Path(base).iterdir() if path.name.isdigit()), key=lambda path: int(path.name)
    )
    for path in exports[:-keep]:
        shutil.rmtree(path, ignore_errors=True)
