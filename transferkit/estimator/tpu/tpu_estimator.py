"""The TPUEstimator: an Estimator that tells input_fn and model_fn the batch size of the mode they serve."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from transferkit.errors import fault
from transferkit.estimator.estimator import Estimator
from transferkit.estimator.graph.calling import arguments, check_model_fn
from transferkit.estimator.spec import EstimatorSpec, ModeKeys
from transferkit.estimator.tpu.config import InputPipelineConfig, RunConfig, check_positive, steps_per_loop
from transferkit.estimator.tpu.context import TPUContext
from transferkit.estimator.tpu.cross_shard import averaged_by_strategy
from transferkit.estimator.tpu.spec import TPUEstimatorSpec
from transferkit.private.tensorflow_attributes import number_of_worker, workers_of
from transferkit.type_names import Tensors

__all__ = ["TPUEstimator"]

_RESERVED = ("batch_size", "context")


class TPUEstimator(Estimator):
    """An Estimator for programs written for TPUs; ``params['batch_size']`` is the mode's batch size.

    With ``use_tpu=False`` it is an Estimator on the devices that ``config`` names. With ``use_tpu=True`` it
    trains and evaluates under ``config.train_distribute``, by default a TPU's strategy: input_fn then gives
    one replica's batch, and ``params['batch_size']`` is that (the batch size divided by the replicas). Its
    model_fn may return a :class:`TPUEstimatorSpec` or an EstimatorSpec. Predictions and exports run on one
    device.

    Args:
        model_fn: as an Estimator's; it must take ``params``.
        model_dir: where checkpoints and event files go.
        config: a :class:`RunConfig` of this module.
        params: a dictionary, without ``batch_size`` and ``context``, which are set here.
        use_tpu: whether to use a TPU.
        train_batch_size: examples of a training step over all replicas; needed with ``use_tpu``.
        eval_batch_size: likewise of an evaluation.
        predict_batch_size: examples of a batch of predictions.
        batch_axis: kept; batches are divided by input_fn.
        eval_on_tpu: whether evaluations use the TPU too.
        export_to_tpu: kept; an export serves on any device, and holds no graph rewritten for TPUs.
        export_to_cpu: with ``export_to_tpu``, one of them must be true.
        warm_start_from: as an Estimator's.
        embedding_config_spec: not supported; raises.
        export_saved_model_api_version: 1 or 2; kept.

    Raises:
        ValueError: for reserved params, a wrong ``config``, batch sizes that are missing or do not divide by
            the number of replicas, or a TPU that cannot be reached.
        TypeError: for batch sizes that are no integers.
    """

    def __init__(
        self,
        model_fn: Callable[..., Any] | None = None,
        model_dir: str | os.PathLike[str] | None = None,
        config: RunConfig | None = None,
        params: Mapping[str, Any] | None = None,
        use_tpu: bool = True,
        train_batch_size: int | None = None,
        eval_batch_size: int | None = None,
        predict_batch_size: int | None = None,
        batch_axis: Any = None,
        eval_on_tpu: bool = True,
        export_to_tpu: bool = True,
        export_to_cpu: bool = True,
        warm_start_from: Any = None,
        embedding_config_spec: Any = None,
        export_saved_model_api_version: Any = 1,
    ) -> None:
        if not isinstance(config, RunConfig):
            raise ValueError(fault("TPUEstimator.config", config, "a transferkit.estimator.tpu.RunConfig"))
        given = [key for key in _RESERVED if key in (params or {})]
        if given:
            raise ValueError(fault("TPUEstimator.params", given, None, "are reserved keys, set by it"))
        if embedding_config_spec is not None:
            hint = "TPU embeddings are not supported; use tf.nn.embedding_lookup"
            raise ValueError(fault("TPUEstimator.embedding_config_spec", None, None, hint))
        if getattr(export_saved_model_api_version, "value", export_saved_model_api_version) not in (1, 2):
            place = "TPUEstimator.export_saved_model_api_version"
            raise ValueError(fault(place, export_saved_model_api_version, "1 or 2"))
        self._sizes = {
            ModeKeys.TRAIN: train_batch_size,
            ModeKeys.EVAL: eval_batch_size,
            ModeKeys.PREDICT: predict_batch_size,
        }
        if use_tpu:
            self._check_sizes(config)
            config = _on_tpu(config, eval_on_tpu)
        self._use_tpu, self._eval_on_tpu = use_tpu, eval_on_tpu
        self._export_somewhere = export_to_tpu or export_to_cpu
        self._exporting = False
        check_model_fn(model_fn, params)
        super().__init__(self._wrapped(model_fn), model_dir, config, params or {}, warm_start_from)
        if use_tpu:
            self._check_replicas()

    def _check_sizes(self, config: RunConfig) -> None:
        names = {ModeKeys.TRAIN: "train", ModeKeys.EVAL: "eval", ModeKeys.PREDICT: "predict"}
        for mode, size in self._sizes.items():
            place = f"TPUEstimator.{names[mode]}_batch_size"
            if size is None and mode == ModeKeys.TRAIN:
                raise ValueError(fault(place, None, None, "`train_batch_size` cannot be `None`"))
            if size is not None:
                check_positive(place, size)
        tpu = config.tpu_config
        if tpu.num_cores_per_replica and (
            tpu.per_host_input_for_training == InputPipelineConfig.PER_SHARD_V1
            or tpu.num_cores_per_replica > 1
        ):
            hint = "a model over several cores is not supported"
            raise ValueError(fault("TPUConfig.num_cores_per_replica", tpu.num_cores_per_replica, None, hint))

    def _check_replicas(self) -> None:
        shards = self._config.tpu_config.num_shards
        replicas = self._context(ModeKeys.TRAIN).num_replicas
        if shards not in (None, replicas):
            raise ValueError(fault("TPUConfig.num_shards", shards, f"{replicas}, as the devices are"))
        for mode, name in ((ModeKeys.TRAIN, "train"), (ModeKeys.EVAL, "eval")):
            size, here = self._sizes[mode], self._context(mode).num_replicas
            if size is not None and size % here:
                place = f"TPUEstimator.{name}_batch_size"
                hint = f"must be divisible by number of replicas {here}"
                raise ValueError(fault(place, size, None, hint))

    def train(
        self,
        input_fn: Callable[..., Any],
        hooks: Any = None,
        steps: int | None = None,
        max_steps: int | None = None,
        saving_listeners: Any = None,
    ) -> TPUEstimator:
        """As :meth:`Estimator.train`; on a TPU, ``steps`` or ``max_steps`` must be given.

        Raises:
            ValueError: where they are missing, or input_fn takes no ``params``.
        """
        if self._use_tpu and steps is None and max_steps is None:
            hint = "For TPU training, one of `steps` or `max_steps` must be set."
            raise ValueError(fault("train", None, None, hint))
        super().train(self._sized(input_fn, ModeKeys.TRAIN), hooks, steps, max_steps, saving_listeners)
        return self

    def evaluate(
        self,
        input_fn: Callable[..., Any],
        steps: int | None = None,
        hooks: Any = None,
        checkpoint_path: str | None = None,
        name: str | None = None,
    ) -> dict[str, Any]:
        """As :meth:`Estimator.evaluate`; on a TPU, ``steps`` and ``eval_batch_size`` must be given.

        Raises:
            ValueError: where they are missing, or input_fn takes no ``params``.
        """
        if self._use_tpu and self._eval_on_tpu:
            if self._sizes[ModeKeys.EVAL] is None:
                hint = "eval_batch_size cannot be `None` if .evaluate is running on TPU."
                raise ValueError(fault("TPUEstimator", None, None, hint))
            if steps is None:
                raise ValueError(fault("evaluate", None, None, "Evaluate `steps` must be set on TPU."))
        return super().evaluate(self._sized(input_fn, ModeKeys.EVAL), steps, hooks, checkpoint_path, name)

    def predict(
        self,
        input_fn: Callable[..., Any],
        predict_keys: Any = None,
        hooks: Any = None,
        checkpoint_path: str | None = None,
        yield_single_examples: bool = True,
    ) -> Iterator[Any]:
        """As :meth:`Estimator.predict`.

        Raises:
            ValueError: where input_fn takes no ``params``.
        """
        sized = self._sized(input_fn, ModeKeys.PREDICT)
        return super().predict(sized, predict_keys, hooks, checkpoint_path, yield_single_examples)

    def export_saved_model(self, *args: Any, **kwargs: Any) -> bytes:
        """As :meth:`Estimator.export_saved_model`; model_fn finds no ``params['batch_size']``."""
        if not self._export_somewhere:
            raise ValueError("One of export_to_cpu and export_to_tpu must be true.")
        # The graph of predictions may have their batch size in it.
        self._engine.forget_traces(ModeKeys.PREDICT)
        self._exporting = True
        try:
            return super().export_saved_model(*args, **kwargs)
        finally:
            self._exporting = False
            self._engine.forget_traces(ModeKeys.PREDICT)

    def _context(self, mode: str) -> TPUContext:
        strategy = self._engine.strategy(mode)
        if strategy is None:
            return TPUContext(1, 1, 0, mode)
        hosts = workers_of(strategy)
        here = number_of_worker(strategy)
        return TPUContext(strategy.num_replicas_in_sync, hosts, here, mode)

    def _told(self, params: Any, mode: str) -> Any:
        """A copy of ``params`` with what this mode adds."""
        told = copy.deepcopy(params)
        size = self._sizes[mode]
        on_tpu = self._on_tpu(mode)
        if size is not None and not self._exporting:
            _set(told, "batch_size", size // self._context(mode).num_replicas)
        if on_tpu and not self._exporting:
            _set(told, "context", self._context(mode))
        return told

    def _on_tpu(self, mode: str) -> bool:
        if mode == ModeKeys.EVAL and not self._eval_on_tpu:
            return False
        return self._use_tpu and mode != ModeKeys.PREDICT

    def _sized(self, input_fn: Callable[..., Any], mode: str) -> Callable[..., Any]:
        """``input_fn``, told the batch size of ``mode``."""
        names = arguments(input_fn)
        if "params" not in names:
            hint = "does not include params argument, required to pass batch size as params['batch_size']"
            raise ValueError(fault("input_fn", input_fn, None, hint))

        def sized(mode: str, params: Any, config: Any, input_context: Any) -> Any:
            given = {"mode": mode, "config": config, "input_context": input_context}
            given["params"] = self._told(params, mode)
            return input_fn(**{name: value for name, value in given.items() if name in names})

        return sized

    def _wrapped(self, model_fn: Any) -> Callable[..., EstimatorSpec]:
        names = arguments(model_fn)

        def wrapped(features: Tensors, labels: Tensors, mode: str, params: Any, config: Any) -> EstimatorSpec:
            if "params" not in names:
                hint = "does not include params argument, required to pass batch size as params['batch_size']"
                raise ValueError(fault("model_fn", model_fn, None, hint))
            told = self._told(params, mode)
            _set(told, "use_tpu", self._on_tpu(mode))
            given = {"mode": mode, "params": told, "config": config}
            given = {name: value for name, value in given.items() if name in names}
            if "labels" in names:
                given["labels"] = labels
            elif labels is not None:
                hint = "model_fn does not take labels, but input_fn returns labels"
                raise ValueError(fault("model_fn", None, None, hint))
            with averaged_by_strategy():
                spec = model_fn(features=features, **given)
            return spec.as_estimator_spec() if isinstance(spec, TPUEstimatorSpec) else spec

        return wrapped


def _on_tpu(config: RunConfig, eval_on_tpu: bool) -> RunConfig:
    """``config`` with the strategies that ``use_tpu`` means."""
    changes: dict[str, Any] = {}
    if config.train_distribute is None:
        changes["train_distribute"] = "tpu"
        if config.tpu is None:
            changes["tpu"] = config.cluster or config.master or None
    if eval_on_tpu and config.eval_distribute is None:
        changes["eval_distribute"] = changes.get("train_distribute", config.train_distribute)
    if config.steps_per_loop is None:
        changes["steps_per_loop"] = steps_per_loop(config.tpu_config.iterations_per_loop)
    made = config.replace(**changes)
    assert isinstance(made, RunConfig)  # noqa: S101 - a copy of it
    return made


def _set(params: Any, key: str, value: Any) -> None:
    """Sets a hyperparameter, also of the HParams of old programs, which check what they have."""
    if not hasattr(params, "set_hparam"):
        params[key] = value
    elif key in params:
        params.set_hparam(key, value)
    else:
        params.add_hparam(key, value)
