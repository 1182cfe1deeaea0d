"""MLflow: a run in ``$MLFLOW_TRACKING_URI``, else in the file ``mlflow.db`` of the current folder.

Nothing but that place is written to, and no network is needed: ``mlflow ui --backend-store-uri
sqlite:///mlflow.db`` shows it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transferkit.files.whole_file import write_whole
from transferkit.recipe import Recipe
from transferkit.recipe.faults import dotted
from transferkit.recipe.value_origins import as_text, flat
from transferkit.runs.tracking import _base

__all__ = ["Tracker"]

# MLflow's own bound on a parameter's value.
_LONGEST = 500


class Tracker(_base.Tracker):
    """Speaks to MLflow through its client alone, which leaves the process's global state as it is."""

    def start(self, recipe: Recipe, folder: Path, name: str) -> None:
        from mlflow import MlflowClient

        place = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path('mlflow.db').resolve()}"
        self._client = MlflowClient(tracking_uri=place)
        note = folder / "mlflow.json"
        if note.exists():
            self._run = json.loads(note.read_text("utf-8"))["run_id"]
            return
        found = self._client.get_experiment_by_name(recipe.tracking.project)
        if found is None:
            local = None if "MLFLOW_TRACKING_URI" in os.environ else Path("mlartifacts").resolve().as_uri()
            experiment = self._client.create_experiment(recipe.tracking.project, local)
        else:
            experiment = found.experiment_id
        self._run = self._client.create_run(experiment, run_name=name).info.run_id
        for path, value in flat(recipe).items():
            self._client.log_param(self._run, dotted(path).replace("[", ".").replace("]", ""), _short(value))
        write_whole(note, json.dumps({"run_id": self._run, "tracking_uri": place}) + "\n")

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for key, value in values.items():
            self._client.log_metric(self._run, key, value, step=step)

    def finish(self, metrics: Mapping[str, Any], artefacts: Sequence[Path]) -> None:
        for key, value in metrics.items():
            if isinstance(value, int | float):
                self._client.log_metric(self._run, key, value)
        for path in artefacts:
            self._client.log_artifact(self._run, str(path))
        self._client.set_terminated(self._run)


def _short(value: Any) -> str:
    text = as_text(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
