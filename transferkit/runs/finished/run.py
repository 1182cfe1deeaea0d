"""A finished run, as Python sees it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transferkit.code_permission import allowing
from transferkit.errors import UserError, fault
from transferkit.files.remote import is_remote
from transferkit.recipe import Recipe, admit_code, load
from transferkit.runs.folder.located import located, read_paths, with_value
from transferkit.runs.folder.run_facts import RunFacts, check_facts, read_facts
from transferkit.runs.remote.local_copy import local_copy
from transferkit.tensorflow_startup import start_tensorflow
from transferkit.type_names import NamedValues, Override

if TYPE_CHECKING:
    from transferkit.evaluation import Evaluation
    from transferkit.runs.calibration.calibrate import Calibrated
    from transferkit.runs.calibration.settle_novelty import NoveltyFacts
    from transferkit.runs.extend.changes import Changes
    from transferkit.runs.finished.explain import Explanation
    from transferkit.runs.finished.run_reader import Mistake
    from transferkit.runs.prediction.exported import Exported
    from transferkit.runs.prediction.prediction import Prediction
    from transferkit.runs.results.independence import Independence
    from transferkit.training.phases.kept_state import Kept

__all__ = ["Run", "load_run"]


class Run:
    """A run's folder: its recipe, figures, export.

    Args:
        path: the folder, or its URL.

    Attributes:
        path: the folder; of a URL its copy on this machine.
        name: the folder or URL as it was given, for messages and commands.
        metrics: every figure of the evaluation by name, as ``metrics.json`` holds them.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.name = os.fspath(path)
        self.path = local_copy(path)
        file = self.path / "metrics.json"
        if not file.is_file():
            hint = "it holds no metrics.json" if self.path.is_dir() else "there is no such folder"
            raise UserError(fault("run", str(self.path), "the folder of a finished run", hint))
        self._facts = read_facts(file)
        self.metrics: NamedValues = self._facts["metrics"]

    def __repr__(self) -> str:
        return f"Run({self.name!r})"

    def _repr_html_(self) -> str:
        """What a notebook shows: how good, the curves, the surest mistakes, what to do next."""
        from transferkit.runs.finished.run_html import run_html

        return run_html(self)

    @cached_property
    def recipe(self) -> Recipe:
        """The resolved recipe, with its paths as they lead to the run's files from the current folder."""
        found = located(load(self.path / "recipe.toml"), read_paths(self.path), self.path)
        # What it was trained from is not needed to go on: what is lacking is computed.
        return with_value(found, "activations.from", None)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the probabilities."""
        return tuple(self._facts["classes"])

    @property
    def thresholds(self) -> dict[str, float] | None:
        """Label to the probability from which it counts; None where an image has one label."""
        return self._facts.get("thresholds")

    @property
    def kept(self) -> list[Kept]:
        """Which epoch's state each phase ended with; empty for a head that is found at once."""
        from transferkit.training.phases.kept_state import Kept

        return [Kept.from_dict(one) for one in self._facts.get("kept", [])]

    @property
    def independence(self) -> Independence:
        """Whether the evaluated images are copies of training images, and what was chosen on them."""
        from transferkit.runs.results.independence import Independence

        return Independence.from_dict(self._facts.get("independence"))

    @cached_property
    def history(self) -> list[NamedValues]:
        """A row an epoch: ``phase``, ``epoch``, ``step``, ``loss``, ``val_loss`` and other figures.

        Each phase counts from 0, the state before it. Empty for a head that is found at once.
        """
        from transferkit.runs.finished.run_reader import read_history

        return read_history(self)

    @cached_property
    def evaluation(self) -> Evaluation:
        """The evaluation that ended the run, image by image: ``confusion``, ``per_class``, ``curves`` …

        It is made from ``predictions.csv`` and has no bootstrap intervals; those are in :attr:`metrics`.
        """
        from transferkit.runs.finished.run_reader import read_evaluation

        return read_evaluation(self)

    def plot(self, *figures: str) -> Any:
        """Draws the training's curves with Matplotlib, in a notebook or its current window.

        Args:
            *figures: of :attr:`history`, without ``val_``; ``"loss"`` and ``"accuracy"`` by default.

        Returns:
            Matplotlib's axes, one a figure.

        Raises:
            UserError: the head was found at once, so there are no curves, or no epoch has such a figure.
        """
        from transferkit.runs.finished.plot_run import plot_run

        return plot_run(self, figures or ("loss", "accuracy"))

    def mistakes(self, most: int = 12) -> list[Mistake]:
        """Wrong answers on the evaluated images, the surest first."""
        from transferkit.runs.finished.run_reader import read_mistakes

        return read_mistakes(self, most)

    @property
    def facts(self) -> RunFacts:
        """All that ``metrics.json`` holds, once it is known to be as a run writes it.

        Raises:
            UserError: it is damaged.
        """
        check_facts(self.path / "metrics.json", self._facts)
        return self._facts

    @property
    def summary(self) -> NamedValues:
        """What the run was and gave, ready for JSON."""
        export = None if "saved_model" in self.refused else self.named("export", self.export_folder.name)
        return {"run": self.named(), "export": export, **self._facts}

    @property
    def export_folder(self) -> Path:
        """The newest SavedModel of the run."""
        from transferkit.runs.prediction.find_export import find_export

        return find_export(self.path)

    def named(self, *parts: str) -> str:
        """What lies in the run's folder, as a path or URL to be used again.

        Args:
            *parts: of its name below the run.
        """
        if not is_remote(self.name):
            return str(self.path.joinpath(*parts))
        return "/".join([self.name.rstrip("/"), *parts])

    def describe(self) -> str:
        """A few lines for a person: how good, how long, where."""
        from transferkit.runs.finished.describe_run import describe_run

        return describe_run(self)

    @property
    def advice(self) -> dict[str, str | None]:
        """``weakest``: the class that is found least often; ``next``: what to improve first. Each a line."""
        return dict(self._facts.get("advice") or {})

    def evaluate(
        self,
        data: str | os.PathLike[str] | None = None,
        *,
        split: str | None = None,
        fail_under: str | float | None = None,
        quiet: bool = True,
        allow_code: bool = False,
        devices: str | None = None,
        overrides: Sequence[Override] = (),
    ) -> Evaluation:
        """Evaluates the run's network anew.

        Args:
            data: a folder of class folders; the run's own data if None.
            split: ``"train"``, ``"val"``, ``"test"`` or ``"all"``; by default what the run held out, and
                everything of another folder.
            fail_under: gates, such as ``"accuracy=0.9"``.
            quiet: show no progress.
            allow_code: as of :func:`transferkit.retrain`: a run outside the current project may name code.
            devices: as ``--devices`` takes them; the run's own where this machine has them.
            overrides: how ``data`` is read, where it is not as in the run: ``"data.columns={path='id'}"``,
                ``"data.max_unreadable=0.2"`` and so on.

        Raises:
            UserError: images or devices are unavailable, or the images have classes that the run does not
                know.
            GateError: a gate was missed.
        """
        start_tensorflow()
        from transferkit.devices import named_devices
        from transferkit.runs.finished.evaluate_again import evaluate_run

        own = self.recipe
        with allowing(allow_code):
            self.admit_code()
            self.__dict__["recipe"] = named_devices(self.recipe, devices)
            try:
                return evaluate_run(self, data, split, fail_under, quiet, overrides)
            finally:
                self.__dict__["recipe"] = own

    def admit_code(self) -> None:
        """From here on the recipe has been checked by the code that it names, which was said to run."""
        self.__dict__["recipe"] = admit_code(self.recipe)

    @property
    def calibrated(self) -> Calibrated:
        """Temperature and abstention, where they were wanted."""
        from transferkit.runs.calibration.calibrate import Calibrated

        return Calibrated.from_dict(self._facts.get("calibration"))

    @property
    def novelty(self) -> NoveltyFacts:
        """What is known of telling photos of none of the classes, where that was wanted."""
        from transferkit.runs.calibration.settle_novelty import NoveltyFacts

        return NoveltyFacts.from_dict(self._facts.get("novelty"))

    @property
    def changes(self) -> Changes | None:
        """What became of the classes of the run that this one was made from; None where it was made anew."""
        from transferkit.runs.extend.changes import read_changes

        return read_changes(self.path)

    @property
    def refused(self) -> dict[str, str]:
        """Format to reason of the exports that did not answer as the evaluated model does."""
        return dict(self._facts.get("refused", {}))

    def export(
        self,
        to: str | os.PathLike[str] | None = None,
        *,
        formats: Sequence[str] | None = None,
        data: str | os.PathLike[str] | None = None,
        parity: bool | int | None = None,
        agreement: float | None = None,
        quiet: bool = True,
        allow_code: bool = False,
    ) -> Path:
        """Exports the run's network anew, as the next numbered version.

        Args:
            to: the folder of the versions, also at a URL; the run's own ``export`` by default.
            formats: such as ``["tflite", "onnx"]``, beside the SavedModel; the recipe's by default.
            data: where the run's images lie now, if they moved: exports are checked on held-out ones.
            parity: False leaves the check out, a number says how many images; the recipe's by default.
            agreement: least share of images that a quantised format answers as the model does.
            quiet: show no progress.
            allow_code: as of :func:`transferkit.retrain`: a run outside the current project may name code.

        Returns:
            The version's folder.

        Raises:
            UserError: a format or the images are unavailable; nothing was written.
            GateError: a format was refused; the others are in their place.
        """
        start_tensorflow()
        from transferkit.runs.finished.export_again import export_run

        if to is None and is_remote(self.name):
            to = self.named("export")
        with allowing(allow_code):
            self.admit_code()
            return export_run(self, to, formats, data, parity, agreement, quiet)

    def predict(self, paths: Any, top: int = 3) -> list[Prediction]:
        """Names what is on images, with the run's export.

        Args:
            paths: image files and folders; or images: one or a list of arrays ``[h, w, 3]`` of 0 to 255 or of
                Pillow's images, or one array ``[N, h, w, 3]``.
            top: classes to name per image.

        Returns:
            One prediction a file; its ``error`` says where one could not be read.
        """
        from transferkit.data.in_memory import images_in
        from transferkit.runs.prediction.arguments import check_count, places_of
        from transferkit.runs.prediction.image_files import image_files

        check_count("top", top)
        images = images_in(paths)
        if images is not None:
            return list(self._exported.predict_images(images, top=top))
        return list(self._exported.predict(image_files(places_of(paths)), top=top))

    def explain(
        self,
        paths: Iterable[str | os.PathLike[str]],
        *,
        label: str | None = None,
        allow_code: bool = False,
    ) -> list[Explanation]:
        """Shows which parts of images the network's answers rest on (Grad-CAM).

        Args:
            paths: image files and folders.
            label: the class to explain; by default the most probable one of each image.
            allow_code: as of :func:`transferkit.retrain`: a run outside the current project may name code.

        Returns:
            One explanation a file that can be read, in their order.

        Raises:
            UserError: there is no such class, or the run's backbone shows no feature maps.
        """
        start_tensorflow()
        from transferkit.runs.finished.explain import explain
        from transferkit.runs.prediction.arguments import places_of

        with allowing(allow_code):
            self.admit_code()
            return explain(self, places_of(paths), label)

    @cached_property
    def model(self) -> Any:
        """The network as a Keras model of Keras's own layers, to go on with.

        It takes images ``[N, h, w, 3]`` of 0 to 255 at the backbone's input size, and gives probabilities.

        Raises:
            UserError: the backbone is one opaque function, such as a module of TensorFlow Hub.
        """
        start_tensorflow()
        from transferkit.runs.finished.restore import restore_model

        return restore_model(self)

    @cached_property
    def _exported(self) -> Exported:
        from transferkit.runs.prediction.exported import Exported

        return Exported(self.export_folder)


def load_run(path: str | os.PathLike[str]) -> Run:
    """Opens a finished run.

    Raises:
        UserError: there is none.
    """
    return Run(path)
