"""Several heads over one model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from transferkit.errors import fault
from transferkit.estimator.export_output import ExportOutput, PredictOutput
from transferkit.estimator.heads.base import PREDICT_SIGNATURE, Head
from transferkit.estimator.heads.keys import MetricKeys
from transferkit.estimator.heads.updating import update_mean
from transferkit.estimator.spec import DEFAULT_SIGNATURE, EstimatorSpec, ModeKeys
from transferkit.keras_import import keras
from transferkit.type_names import Tensor, Tensors

__all__ = ["MultiHead"]


class MultiHead(Head):
    """Several objectives: the (weighted) sum of the heads' losses.

    Logits are a dictionary by head's name, or one tensor whose last axis is divided among the heads in their
    order; labels are a dictionary by head's name. Predictions have keys ``(head's name, key)``, metrics
    ``key/head's name``; an export answers with the first head's output where no signature is named.

    Args:
        heads: with names.
        head_weights: one for each head's loss, or None.

    Raises:
        ValueError: without heads or names, or where there are not as many weights.
    """

    def __init__(self, heads: Sequence[Head], head_weights: Sequence[float] | None = None) -> None:
        if not heads:
            raise ValueError(fault("MultiHead.heads", heads, "one head or more"))
        if head_weights and len(head_weights) != len(heads):
            expected = f"one for each of the {len(heads)} heads"
            raise ValueError(fault("MultiHead.head_weights", list(head_weights), expected))
        unnamed = [type(head).__name__ for head in heads if head.name is None]
        if unnamed:
            raise ValueError(fault("MultiHead.heads", unnamed, "heads that have a name"))
        self._heads = tuple(heads)
        self._head_weights = tuple(head_weights or ())

    @property
    def name(self) -> str:
        return "_".join(str(head.name) for head in self._heads)

    @property
    def logits_dimension(self) -> int:
        return sum(head.logits_dimension for head in self._heads)

    @property
    def loss_reduction(self) -> str:
        """The heads' common one; ValueError where they differ."""
        given = [head.loss_reduction for head in self._heads]
        if len(set(given)) > 1:
            raise ValueError(fault("MultiHead.loss_reduction", given, "the same for all heads"))
        return given[0]

    def loss(
        self,
        labels: Tensors,
        logits: Tensors,
        features: Tensors = None,
        mode: str | None = None,
        regularization_losses: Sequence[Tensor] | None = None,
    ) -> Any:
        """See :meth:`Head.loss`."""
        each, labels = self._logits(logits), self._labels(labels)
        losses = [
            head.loss(labels=labels[head.name], logits=each[head.name], features=features, mode=mode)
            for head in self._heads
        ]
        if self._head_weights:
            losses = [loss * weight for loss, weight in zip(losses, self._head_weights, strict=True)]
        return tf.add_n([*losses, *(regularization_losses or ())])

    def predictions(self, logits: Tensors, keys: Sequence[str] | None = None) -> dict[Any, Any]:
        """See :meth:`Head.predictions`; keys are ``(head's name, key)``, and all are given."""
        each = self._logits(logits)
        return {
            (head.name, key): value
            for head in self._heads
            for key, value in head.predictions(logits=each[head.name]).items()
        }

    def metrics(self, regularization_losses: Sequence[Tensor] | None = None) -> dict[str, Any]:
        """See :meth:`Head.metrics`: each head's loss; its own metrics join when they are updated."""
        names = [f"{MetricKeys.LOSS}/{head.name}" for head in self._heads]
        made = {name: keras.metrics.Mean(name=name) for name in names}
        if regularization_losses is not None:
            key = MetricKeys.LOSS_REGULARIZATION
            made[self._summary_key(key)] = keras.metrics.Mean(name=key)
        return made

    def update_metrics(
        self,
        eval_metrics: dict[str, Any],
        features: Tensors,
        logits: Tensors,
        labels: Tensors,
        mode: str | None = None,
        regularization_losses: Sequence[Tensor] | None = None,
    ) -> dict[str, Any]:
        """See :meth:`Head.update_metrics`."""
        each, labels = self._logits(logits), self._labels(labels)
        if regularization_losses is not None:
            key = self._summary_key(MetricKeys.LOSS_REGULARIZATION)
            update_mean(eval_metrics[key], tf.add_n(regularization_losses))
        for head in self._heads:
            name, mine, truth = head.name, each[head.name], labels[head.name]
            loss = head.loss(labels=truth, logits=mine, features=features)
            update_mean(eval_metrics[f"{MetricKeys.LOSS}/{name}"], loss)
            eval_metrics.update(head.update_metrics(head.metrics(), features, mine, truth) or {})
        return eval_metrics

    def _before_training(self, features: Tensors, logits: Tensors, labels: Tensors) -> None:
        # Each head's loss has its summary.
        each, labels = self._logits(logits), self._labels(labels)
        for head in self._heads:
            self._spec_of(head, features, ModeKeys.TRAIN, each, labels)

    @staticmethod
    def _spec_of(head: Head, features: Tensors, mode: str, logits: Tensors, labels: Tensors) -> EstimatorSpec:
        return head.create_estimator_spec(
            features=features,
            mode=mode,
            logits=logits[head.name],
            labels=labels[head.name] if labels else None,
            train_op_fn=lambda loss: tf.no_op(),
        )

    def _export_outputs(
        self, features: Tensors, logits: Tensors, predictions: Tensors
    ) -> dict[str, ExportOutput]:
        each = self._logits(logits)
        outputs: dict[str, ExportOutput] = {}
        merged: dict[str, Any] = {}
        for head in self._heads:
            own = self._spec_of(head, features, ModeKeys.PREDICT, each, None).export_outputs or {}
            outputs.setdefault(DEFAULT_SIGNATURE, own[DEFAULT_SIGNATURE])
            for key, output in own.items():
                name = str(head.name) if key == DEFAULT_SIGNATURE else f"{head.name}/{key}"
                outputs[name] = output
                if key == PREDICT_SIGNATURE and isinstance(output, PredictOutput):
                    merged.update({f"{head.name}/{one}": value for one, value in output.outputs.items()})
        outputs[PREDICT_SIGNATURE] = PredictOutput(merged)
        return outputs

    def _scalar_name(self, key: str) -> str:
        # All heads together have no suffix; each head's own summaries have one.
        return key

    def _labels(self, labels: Tensors) -> Mapping[Any, Any]:
        if not isinstance(labels, Mapping):
            raise ValueError(fault("labels", type(labels).__name__, "a dictionary by head's name"))
        self._check_names("labels", labels)
        return labels

    def _logits(self, logits: Tensors) -> Mapping[Any, Any]:
        """Logits by head's name."""
        if isinstance(logits, Mapping):
            self._check_names("logits", logits)
            return logits
        logits = tf.convert_to_tensor(logits)
        sizes = [head.logits_dimension for head in self._heads]
        last = logits.shape[-1] if logits.shape.rank else None
        if last is not None and last != sum(sizes):
            expected = f"a last dimension of {sum(sizes)}, for heads of {sizes}"
            raise ValueError(fault("logits", logits.shape.as_list(), expected))
        parts = tf.split(logits, sizes, axis=-1)
        return {head.name: part for head, part in zip(self._heads, parts, strict=True)}

    def _check_names(self, place: str, given: Mapping[Any, Any]) -> None:
        missing = sorted({str(head.name) for head in self._heads} - set(given))
        if missing:
            raise ValueError(fault(place, sorted(given), "values for all heads", f"{missing} have none"))
