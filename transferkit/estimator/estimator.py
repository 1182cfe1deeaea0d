"""The Estimator."""

from __future__ import annotations

import copy
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from transferkit.errors import fault
from transferkit.estimator.checkpoints import checkpoint_files
from transferkit.estimator.eager import runs_eagerly
from transferkit.estimator.engine import Engine
from transferkit.estimator.graph.calling import call_model_fn, check_model_fn
from transferkit.estimator.loops import evaluating, predicting, training
from transferkit.estimator.run_config import RunConfig
from transferkit.estimator.saved_models.several_modes import export_all_saved_models
from transferkit.estimator.saved_models.write_saved_model import export_saved_model
from transferkit.estimator.session.hooks import check_hooks, check_listeners
from transferkit.estimator.session.training_log import progress
from transferkit.type_names import Tensors

__all__ = ["Estimator"]


class Estimator:
    """Trains, evaluates, predicts with and exports the model that ``model_fn`` describes.

    Each mode is traced once for an input signature, however many calls follow; all modes share the weights.

    Args:
        model_fn: takes ``features`` and any of ``labels, mode, params, config``; returns an EstimatorSpec.
        model_dir: where checkpoints and event files go; taken from ``config``, or a temporary folder, where
            it is None.
        config: a :class:`RunConfig`, or None for its defaults.
        params: a dictionary handed to ``model_fn`` and ``input_fn``.
        warm_start_from: a checkpoint, a folder with checkpoints, a SavedModel, or a WarmStartSettings to
            take first values from.

    Raises:
        ValueError: where ``model_fn`` has the wrong arguments, or model_dir differs from ``config``'s, or
            its strategies are no strategies, have no devices here, or cannot share the weights.
        TypeError: where ``config`` or ``params`` have the wrong type.
    """

    @runs_eagerly
    def __init__(
        self,
        model_fn: Callable[..., Any],
        model_dir: str | os.PathLike[str] | None = None,
        config: RunConfig | None = None,
        params: Mapping[str, Any] | None = None,
        warm_start_from: Any = None,
    ) -> None:
        check_model_fn(model_fn, params)
        if config is not None and not isinstance(config, RunConfig):
            raise ValueError(fault("Estimator.config", config, "an instance of RunConfig"))
        config = config or RunConfig()
        if model_dir is not None:
            model_dir = os.fspath(model_dir)
            if config.model_dir is not None and config.model_dir != model_dir:
                raise ValueError(
                    fault("Estimator.model_dir", model_dir, f"{config.model_dir!r} as in RunConfig.model_dir")
                )
        model_dir = model_dir or config.model_dir or tempfile.mkdtemp()
        self._config = config if config.model_dir == model_dir else config.replace(model_dir=model_dir)
        self._params = copy.deepcopy(params or {})
        self._model_fn = model_fn
        self._engine = Engine(model_fn, model_dir, self._params, self._config, warm_start_from)

    @property
    def model_dir(self) -> str:
        """Where checkpoints and event files lie."""
        return self._engine.model_dir

    @property
    def config(self) -> RunConfig:
        """A copy of the RunConfig."""
        return copy.deepcopy(self._config)

    @property
    def params(self) -> Any:
        """A copy of the hyperparameters."""
        return copy.deepcopy(self._params)

    @property
    def model_fn(self) -> Callable[..., Any]:
        """The model_fn, callable as ``model_fn(features, labels, mode, config)``."""

        def public(features: Tensors, labels: Tensors, mode: str, config: Any) -> Any:
            return call_model_fn(self._model_fn, features, labels, mode, self.params, config)

        return public

    @property
    def trace_counts(self) -> dict[str, int]:
        """Mode -> how many graphs were made for it: one for each input signature."""
        return dict(self._engine.trace_counts)

    @runs_eagerly
    def train(
        self,
        input_fn: Callable[..., Any],
        hooks: Any = None,
        steps: int | None = None,
        max_steps: int | None = None,
        saving_listeners: Any = None,
    ) -> Estimator:
        """Trains for ``steps`` more, or up to ``max_steps`` in all, or to the end of the data.

        Raises:
            ValueError: where both or non-positive numbers are given.
        """
        training.check_steps(steps, max_steps)
        hooks = check_hooks(hooks)
        listeners = list(check_listeners("train", saving_listeners))
        if max_steps is not None and self._engine.step() >= max_steps:
            progress.info("Skipping training since max_steps has already saved.")
            return self
        training.Training(self._engine, input_fn, hooks, listeners, steps, max_steps).run()
        return self

    @runs_eagerly
    def evaluate(
        self,
        input_fn: Callable[..., Any],
        steps: int | None = None,
        hooks: Any = None,
        checkpoint_path: str | None = None,
        name: str | None = None,
    ) -> dict[str, Any]:
        """Metrics over ``steps`` batches or all the data, with ``loss`` and ``global_step``."""
        _positive("evaluate.steps", steps)
        hooks = check_hooks(hooks)
        return evaluating.evaluate(self._engine, input_fn, steps, hooks, checkpoint_path, self.eval_dir(name))

    def predict(
        self,
        input_fn: Callable[..., Any],
        predict_keys: Any = None,
        hooks: Any = None,
        checkpoint_path: str | None = None,
        yield_single_examples: bool = True,
    ) -> Iterator[Any]:
        """Yields predictions lazily, one example (or one batch) at a time."""
        hooks = check_hooks(hooks)
        return predicting.predict(
            self._engine, input_fn, predict_keys, hooks, checkpoint_path, yield_single_examples
        )

    @runs_eagerly
    def export_saved_model(
        self,
        export_dir_base: str | os.PathLike[str],
        serving_input_receiver_fn: Callable[[], Any],
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
        checkpoint_path: str | None = None,
    ) -> bytes:
        """Writes a SavedModel into a folder named by the time below ``export_dir_base``; returns the folder.

        The folder is bytes, as it was: ``os.fsdecode`` gives the text.

        Raises:
            ValueError: where there is nothing trained to export, or no receiver function.
        """
        if serving_input_receiver_fn is None:
            raise ValueError(
                fault("serving_input_receiver_fn", None, None, "serving_input_receiver_fn must be given")
            )
        folder = export_saved_model(
            self._engine,
            os.fsdecode(export_dir_base),
            serving_input_receiver_fn,
            assets_extra,
            as_text,
            checkpoint_path,
        )
        progress.info("SavedModel written to: %s", os.path.join(folder, "saved_model.pb"))
        return os.fsencode(folder)

    @runs_eagerly
    def experimental_export_all_saved_models(
        self,
        export_dir_base: str | os.PathLike[str],
        input_receiver_fn_map: Mapping[str, Callable[[], Any]],
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
        checkpoint_path: str | None = None,
    ) -> bytes:
        """Writes a SavedModel with a graph for each mode of ``input_receiver_fn_map``; returns the folder.

        ``tf.compat.v1.saved_model.load(session, tags, folder)`` loads one by its tag: ``train``, ``eval`` or
        ``serve``.

        Raises:
            ValueError: where there is nothing trained to export, or no such mode.
        """
        folder = export_all_saved_models(
            self._engine,
            os.fsdecode(export_dir_base),
            input_receiver_fn_map,
            assets_extra,
            as_text,
            checkpoint_path,
        )
        return os.fsencode(folder)

    def export_savedmodel(
        self,
        export_dir_base: str | os.PathLike[str],
        serving_input_receiver_fn: Callable[[], Any],
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
        checkpoint_path: str | None = None,
        strip_default_attrs: bool = False,
    ) -> bytes:
        """The name of :meth:`export_saved_model` in TensorFlow 1; default attributes are always left out."""
        return self.export_saved_model(
            export_dir_base, serving_input_receiver_fn, assets_extra, as_text, checkpoint_path
        )

    def latest_checkpoint(self) -> str | None:
        """The prefix of the newest checkpoint in model_dir, or None."""
        return checkpoint_files.latest(self.model_dir)

    @runs_eagerly
    def get_variable_names(self) -> list[str]:
        """Names of the variables in the newest checkpoint."""
        return sorted(checkpoint_files.read(self._newest()).get_variable_to_shape_map())

    @runs_eagerly
    def get_variable_value(self, name: str) -> Any:
        """A variable's value in the newest checkpoint."""
        # A tensor's name finds its variable too, as in tf.train.load_variable.
        return checkpoint_files.read(self._newest()).get_tensor(name.removesuffix(":0"))

    def eval_dir(self, name: str | None = None) -> str:
        """The folder of evaluation's event files."""
        return os.path.join(self.model_dir, "eval" if not name else f"eval_{name}")

    def _newest(self) -> str:
        found = self.latest_checkpoint()
        if found is None:
            raise ValueError(fault("model_dir", self.model_dir, "a folder with a checkpoint", "train first"))
        return found


def _positive(place: str, value: int | None) -> None:
    if value is not None and value <= 0:
        raise ValueError(fault(place, value, "a positive number, or None"))
