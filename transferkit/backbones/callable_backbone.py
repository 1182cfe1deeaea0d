"""A backbone that is one callable without visible layers: a SavedModel, from the Hub or from a folder."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from transferkit.backbones.backbone import Backbone, BatchNorm, Cut, LayerFacts, Origin, Stage
from transferkit.backbones.normalise_pixels import Pixels
from transferkit.backbones.weights.digest import of_parts, of_variables
from transferkit.errors import UserError, fault
from transferkit.type_names import Tensor, Variable

__all__ = ["CallableBackbone", "Module"]

# The only places where a module without visible layers can be cut: below it, and above it.
_BELOW, _MODULE = "images", "module"


@dataclass(frozen=True)
class Module:
    """A callable, and the variables behind it.

    Attributes:
        call: normalised images ``[N, h, w, 3]`` and the mode → ``[N, width]``, or a map ``[N, y, x, width]``,
            which is averaged over its positions.
        dtype: of the images that ``call`` takes.
        variables: all weights and statistics.
        trainable_variables: those that training may move.
        regularisation_losses: functions without arguments, added to the loss where the module trains.
    """

    call: Callable[[Tensor, bool], Tensor]
    dtype: tf.DType
    variables: tuple[Variable, ...]
    trainable_variables: tuple[Variable, ...]
    regularisation_losses: tuple[Callable[[], Tensor], ...] = ()


class CallableBackbone(Backbone):
    """Wraps a callable ``(images, training) -> features`` and the variables behind it.

    It has one stage, ``module``, and can be cut below it (at ``images``: everything may train) or above it
    (None: everything frozen).

    Args:
        module: the callable.
        origin: where it comes from.
        normalisation: a key of :data:`transferkit.card.NORMALISATIONS`.
        input_size: height and width in pixels.

    Raises:
        UserError: the module cannot be called with an image, or gives no features.
    """

    def __init__(
        self, module: Module, origin: Origin, normalisation: str, input_size: tuple[int, int]
    ) -> None:
        self._module = module
        self._pixels = Pixels(normalisation)
        self.origin = origin
        self.stages = (Stage(_MODULE, _MODULE),)
        self.input_size = input_size
        self.feature_width = self._width()

    def _width(self) -> int:
        blank = tf.zeros([1, *self.input_size, 3], tf.uint8)
        try:
            features = self.features(blank)
        except UserError:
            raise
        except (ValueError, TypeError, tf.errors.OpError) as error:
            first = str(error).strip().splitlines()[0]
            hint = f"called with [1, {self.input_size[0]}, {self.input_size[1]}, 3] it answered: {first}"
            raise UserError(
                fault(f"backbone {self.reference}", hint=f"expected a module that takes images; {hint}")
            ) from error
        return int(features.shape[-1])

    @property
    def variables(self) -> tuple[Variable, ...]:
        return self._module.variables

    @property
    def layers(self) -> tuple[LayerFacts, ...]:
        size = sum(int(tf.size(variable)) for variable in self.variables)
        below = (*self.input_size, 3)
        return (
            LayerFacts(_BELOW, "Pixels", _MODULE, 0, below, True, False, 0.0),
            LayerFacts(
                _MODULE,
                "Module",
                _MODULE,
                size,
                (self.feature_width,),
                True,
                False,
                None,
                self.variables,
                True,
            ),
        )

    def features(self, images: Tensor, training: bool = False) -> Tensor:
        return self._features(self._pixels(images), training)

    def _features(self, pixels: Any, training: bool) -> Any:
        return _pooled(self._module.call(tf.cast(pixels, self._module.dtype), training), self.reference)

    def cut(
        self, at: str | None = None, frozen: Collection[str] = (), batch_norm: BatchNorm = "frozen"
    ) -> Cut:
        layer = None if at is None else self.resolve(at)
        if layer == _BELOW and _MODULE not in frozen:
            return self._cut_below(batch_norm)

        def prefix(images: Tensor) -> Tensor:
            return self.features(images, training=False)

        return Cut(
            at=None,
            prefix=prefix,
            suffix=lambda x, training=False: x,
            shape=(self.feature_width,),
            prefix_variables=self.variables,
            suffix_variables=(),
            trainable_variables=(),
            frozen_variables=self.variables,
            batch_norm=batch_norm,
            _identify=lambda: self._identity(_MODULE, self.variables),
        )

    def _cut_below(self, batch_norm: BatchNorm) -> Cut:
        if not self._module.trainable_variables:
            raise UserError(
                fault(
                    "freeze",
                    "none",
                    "'all'",
                    f"{self.reference} has no trainable variables: it was exported frozen",
                )
            )

        def suffix(x: Tensor, training: bool = False) -> Tensor:
            # A module has one switch for all its layers; frozen statistics need its inference mode.
            return self._features(x, training and batch_norm == "train")

        trainable = {id(variable) for variable in self._module.trainable_variables}
        rest = tuple(variable for variable in self.variables if id(variable) not in trainable)
        return Cut(
            at=_BELOW,
            prefix=lambda images: self._pixels(images),
            suffix=suffix,
            shape=(*self.input_size, 3),
            prefix_variables=(),
            suffix_variables=self.variables,
            trainable_variables=self._module.trainable_variables,
            frozen_variables=rest if batch_norm == "frozen" else (),
            batch_norm=batch_norm,
            _identify=lambda: self._identity(_BELOW, ()),
            regularisation_losses=self._module.regularisation_losses,
            by_rows=batch_norm == "frozen",
        )

    def _identity(self, at: str, variables: tuple[Variable, ...]) -> str:
        files = self.weights_sha256 if variables else ""
        return of_parts(
            self._pixels.get_config()["normalisation"], self.input_size, files, at, of_variables(variables)
        )


def _pooled(output: Any, reference: str) -> Any:
    """One feature vector an image, from whatever the module gives."""
    if isinstance(output, dict):
        if len(output) != 1 and "default" not in output:
            raise UserError(
                fault(f"backbone {reference}", sorted(output), "one output, or one called 'default'")
            )
        output = output.get("default", next(iter(output.values())))
    rank = len(output.shape)
    if rank == 4:
        output = tf.reduce_mean(output, axis=[1, 2])
    elif rank != 2:
        raise UserError(
            fault(
                f"backbone {reference}", list(output.shape), "features [N, width] or a map [N, y, x, width]"
            )
        )
    return tf.cast(output, tf.float32)
