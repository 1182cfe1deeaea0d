"""Weights & Biases: offline, in ``wandb/`` of the run, unless ``$WANDB_MODE`` says otherwise.

``wandb sync RUN/wandb/offline-run-*`` uploads it later, if at all.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transferkit.files.whole_file import write_whole
from transferkit.recipe import Recipe
from transferkit.runs.tracking import _base

__all__ = ["Tracker"]

# Bytes that the offline file begins with, before anything is in it; seconds to wait for more.
_HEADER, _PATIENCE, _PAUSE = 7, 10.0, 0.25


class Tracker(_base.Tracker):
    """One run of ``wandb``; a resumed one keeps its identity."""

    def start(self, recipe: Recipe, folder: Path, name: str) -> None:
        import wandb

        self._folder = folder
        note = folder / "wandb.json"
        if note.exists():
            identity = json.loads(note.read_text("utf-8"))["id"]
        else:
            identity = uuid.uuid4().hex[:12]
            write_whole(note, json.dumps({"id": identity}) + "\n")
        mode: Any = os.environ.get("WANDB_MODE", "offline")
        self._run = wandb.init(
            project=recipe.tracking.project,
            name=name,
            id=identity,
            resume="allow" if mode != "offline" else None,
            dir=str(folder),
            config=recipe.values(),
            mode=mode,
            settings=wandb.Settings(silent=True, console="off"),
        )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def finish(self, metrics: Mapping[str, Any], artefacts: Sequence[Path]) -> None:
        import wandb

        self._run.summary.update({key: value for key, value in metrics.items() if value is not None})
        kept = wandb.Artifact(f"run-{self._run.id}", type="run")
        for path in artefacts:
            kept.add_file(str(path))
        self._run.log_artifact(kept)
        self._run.finish()
        self._settle()

    def _settle(self) -> None:
        """Waits for the process that writes the offline file, as the run's folder is about to be renamed."""
        deadline = time.monotonic() + _PATIENCE
        before: list[int] = []
        while time.monotonic() < deadline:
            files = self._folder.glob(f"wandb/offline-run-*-{self._run.id}/*.wandb")
            sizes = [path.stat().st_size for path in files]
            # On a busy machine the rows come one by one.
            if all(size > _HEADER for size in sizes) and sizes == before:
                return
            before = sizes
            time.sleep(_PAUSE)
