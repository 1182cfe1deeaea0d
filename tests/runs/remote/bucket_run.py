"""A run in a bucket that is ended and continued on another machine; the same for every kind of bucket."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import transferkit
from transferkit.files.cache_location import writable_cache_folder
from transferkit.runs.remote import run_at_url

__all__ = ["FREEZE", "continued"]

FREEZE = 'freeze={ until = "stage2" }'
_SETTINGS = ["epochs=2", "batch_size=8", FREEZE, "export.parity=false", "optimizer.learning_rate=1e-4"]
_SETTINGS += ["evaluation.grad_cam=0", "early_stopping=false"]


class _Killed(Exception):
    pass


def _kill(event: Any) -> None:
    if event.kind == "epoch" and event.done == 2:
        raise _Killed


def _forget_this_machine() -> None:
    shutil.rmtree(writable_cache_folder() / "remote")


def continued(
    bucket: str,
    photos: Path,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    before: Callable[[], object] = lambda: None,
) -> transferkit.Run:
    """Ends a run at its second epoch and continues it; its answers and its export are those of a run here.

    Args:
        bucket: with the photos in ``photos`` and their features in ``cache``.
        photos: the same photos here.
        here: the run here to make.
        monkeypatch: so that each state of the run is written.
        before: called between the end and the continuation.

    Returns:
        The run here.
    """
    place, models = f"{bucket}/runs/flowers", f"{bucket}/models/flowers"
    overrides = [*_SETTINGS, f"activations.from={bucket}/cache"]
    given: dict[str, Any] = {"backbone": "embedded", "overrides": overrides, "quiet": True}
    monkeypatch.setattr(run_at_url, "_SECONDS", 0.0)
    with pytest.raises(_Killed):
        transferkit.retrain(data=f"{bucket}/photos", run=place, callback=_kill, **given)
    _forget_this_machine()
    before()
    run = transferkit.retrain(run=place, resume=True, quiet=True)
    alone = transferkit.retrain(data=str(photos), run=here, **given)
    assert (run.path / "predictions.csv").read_bytes() == (alone.path / "predictions.csv").read_bytes()
    _forget_this_machine()
    photo = sorted(photos.rglob("*.png"))[0]
    assert transferkit.predict(place, photo)[0].top == transferkit.predict(alone, photo)[0].top
    assert transferkit.load_run(place).export(models, formats=[], parity=False).name == "1"
    assert transferkit.verify(models) == []
    return alone
