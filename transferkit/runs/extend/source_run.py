"""A finished run that another one is made from: its images, the features that it keeps, its network."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from transferkit.data.splits.ledger import Ledger
from transferkit.errors import UserError, fault
from transferkit.files.remote import is_remote
from transferkit.keras_settings import prepare_import
from transferkit.runs.extend.changes import FILE
from transferkit.runs.extend.joined_images import images_of
from transferkit.runs.finished.run import Run
from transferkit.runs.folder.kept_features import read_kept
from transferkit.runs.folder.located import photo_file, photos_root
from transferkit.runs.folder.run_folder import RunFolder
from transferkit.runs.folder.run_manifest import read_facts
from transferkit.tensorflow_startup import loading, start_tensorflow
from transferkit.training.progress import Progress

if TYPE_CHECKING:
    from transferkit.training.parts import Parts
    from transferkit.transfer.network import Network

__all__ = ["SourceRun"]


class SourceRun:
    """A run that another one is made from.

    Args:
        run: it.
        to: where the new one will lie.
        overwrite: replace what is there.
        progress: shows the stages.

    Attributes:
        began: when, by :func:`time.perf_counter`.
        run: the run.
        place: of the new run.
        progress: shows the stages.
        recipe: of the run.
        kept: the features that it keeps.
        images: its images, whether their files are there or not.

    Raises:
        UserError: the run keeps no features, or the new one cannot lie where it shall.
    """

    def __init__(
        self,
        run: Run | str | os.PathLike[str],
        to: str | os.PathLike[str] | None,
        overwrite: bool,
        progress: Progress,
    ) -> None:
        self.began = time.perf_counter()
        self.run = run if isinstance(run, Run) else Run(run)
        given = os.fspath(to) if to is not None else self.run.name
        if is_remote(given):
            hint = "a run that is made from another one is written to this machine: say where with --run DIR"
            raise UserError(fault("--run", given, "a folder", hint))
        if self.run.recipe.average is not None:
            hint = (
                "its answers are the mean of two networks, one of them fine-tuned: retrain it from its photos"
            )
            raise UserError(fault(str(self.run.path), hint=hint))
        self.place = RunFolder(to if to is not None else _free_place(self.run.path))
        # What a killed `extend` or `forget` left there is worth nothing: they take seconds.
        left = (self.place.partial / FILE).exists()
        if os.path.abspath(self.place.path) == os.path.abspath(self.run.path):
            hint = "the run stays as it is; remove it yourself once the new one is good"
            raise UserError(fault("--run", str(self.place.path), "another place than the run's own", hint))
        self.place.check(overwrite or (left and not self.place.path.exists()), resume=False)
        self.progress = progress
        ledger = Ledger.read(self.run.path / "split.csv")
        self.kept = read_kept(self.run, ledger)
        self.recipe = self.run.recipe
        root = photos_root(self.recipe)
        paths = [str(photo_file(root, row.name)) for row in ledger.rows]
        self.images = images_of(ledger, paths, self.kept.groups, self.run.classes)

    def open_network(self) -> tuple[Parts, Network]:
        """The run's network; TensorFlow loads only once nothing can be refused without it."""
        prepare_import()
        with self.progress.stage("start", doing="loading TensorFlow and Keras"):
            start_tensorflow()
            with loading():
                from transferkit.runs.execute import execute  # noqa: F401
        from transferkit.recipe import admit_code
        from transferkit.runs.finished.restore import restore

        self.recipe = admit_code(self.recipe)
        self.run.__dict__["recipe"] = self.recipe
        with self.progress.stage("network", doing="building it and loading its weights"):
            parts, network = restore(self.run)
        # What the weights began as stays what the new run's manifest names.
        digest = read_facts(self.run.path)["weights_sha256"]
        parts.backbone.origin = replace(parts.backbone.origin, weights_sha256=digest)
        return parts, network


def _free_place(path: Path) -> Path:
    number = 2
    path = path.absolute() if not path.name else path
    while (found := path.with_name(f"{path.name}-{number}")).exists():
        number += 1
    return found
