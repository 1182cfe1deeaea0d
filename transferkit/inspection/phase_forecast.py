"""What one phase would train and cost, in words and for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from transferkit.cpu import available_cores
from transferkit.freezing import FreezePlan
from transferkit.type_names import NamedValues

__all__ = ["STAGE_HEADER", "PhaseForecast"]

STAGE_HEADER = ("stage", "state", "batch norm", "rate", "parameters", "output", "side")


@dataclass(frozen=True)
class PhaseForecast:
    """One phase, before it runs.

    Attributes:
        name: of the phase.
        freeze: the recipe's words.
        plan: what trains, layer by layer.
        epochs: passes over the training images, at most.
        batch_size: images a step.
        images: training images and all images, or None without data.
        kept: bytes that the cache keeps of each image.
        below_seconds: seconds an image through the frozen prefix, measured, or None.
        whole_seconds: seconds an image through the whole backbone, where hardly anything lies below the cut
            and the prefix's speed, that of moving pixels, says nothing of the layers above.
        through: training passes the whole network in every epoch: images change, and no views are kept.
        decode_seconds: seconds to decode an image, by all threads together, measured, or None without data.
        views: changed views of each training image that pass the frozen prefix once; 0 without augmentation.
        above_seconds: seconds an image of one training step above the cut, estimated from that, or None.
    """

    name: str
    freeze: str
    plan: FreezePlan
    epochs: float | None
    batch_size: int
    images: tuple[int, int] | None
    kept: int
    below_seconds: float | None
    whole_seconds: float | None = None
    through: bool = False
    views: int = 0
    decode_seconds: float | None = None

    @property
    def above_seconds(self) -> float | None:
        """Estimated by the ratio of the costs, since steps are as fast as what was measured, more or less."""
        below, above, backward = self.plan.gflops_below, self.plan.gflops_above, self.plan.backward_gflops
        if self.below_seconds is None or below is None or above is None or backward is None:
            return None
        if self.whole_seconds is not None:
            return self.whole_seconds * (above + backward) / (below + above)
        return self.below_seconds * (above + backward) / below

    def rows(self, layers: bool) -> list[tuple[Any, ...]]:
        """A row a stage, or a layer."""
        sides = {True: "above", False: "below", None: "both"}
        if layers:
            return [
                (
                    one.name,
                    "trainable" if one.trainable else "frozen",
                    one.batch_norm,
                    one.lr_multiplier,
                    one.parameters,
                    _shape(one.shape),
                    sides[one.above_cut],
                )
                for one in self.plan.layers
            ]
        return [
            (
                one.name or "(outside)",
                one.state,
                one.batch_norm,
                _span(one.lr_multiplier),
                one.parameters,
                _shape(one.shape),
                sides[one.above_cut],
            )
            for one in self.plan.stages
        ]

    def lines(self) -> list[str]:
        """The cut and the costs, a line each."""
        plan = self.plan
        when = "every epoch for each training image" if self.through else "once per image"
        lines = [
            f"cut: {f'after {plan.at}' if plan.at else 'above the features: nothing of the backbone trains'}",
            self._kept_line(),
            f"below the cut, {when}: {_gflops(plan.gflops_below)}; above it, per image and step: "
            f"{_gflops(plan.gflops_above)} forward, {_gflops(plan.backward_gflops)} backward",
            f"memory of a step of {self.batch_size}: about {_bytes(plan.training_bytes(self.batch_size))}",
            *self._measured_lines(),
        ]
        if self.through:
            lines.insert(
                2,
                "augmentation without views: every training image is decoded, changed and passes the whole "
                "network in every epoch; activations.views = 8 would pass eight views once and keep them",
            )
        return lines

    @property
    def _passed(self) -> int:
        """Images and views that pass the frozen prefix once; 0 without data."""
        if self.images is None:
            return 0
        train, total = self.images
        return total - train if self.through else total + self.views * train

    def _kept_line(self) -> str:
        line = f"kept per image: {_shape(self.plan.cut_shape)}, {_bytes(self.kept)}"
        if self.images is None:
            return line
        kinds = "held-out images" if self.through else "images and views" if self.views else "images"
        return f"{line}; {_bytes(self.kept * self._passed)} for {self._passed} {kinds}"

    def _measured_lines(self) -> list[str]:
        """What was measured on this machine, and the times estimated from it."""
        below = self.below_seconds
        if below is None:
            return []
        lines = [f"measured here: {1 / below:.3g} images/s below the cut"]
        if self.decode_seconds is not None:
            slower = "decoding" if self.decode_seconds > below else "the frozen pass"
            lines.append(
                f"decoding: {1 / self.decode_seconds:.3g} images/s in {available_cores()} threads; "
                f"{slower} is the bottleneck of the first pass"
            )
        if self.images is None:
            return lines
        train, each = self.images[0], self.above_seconds
        parts = [f"{below * self._passed:.3g} s once"]
        if each is not None and self.through:
            whole = (below + each) * train
            parts.append(f"{whole:.3g} s an epoch through the whole network, decoding apart")
        elif each is not None:
            parts.append(f"{each * train:.3g} s an epoch above the cut")
        return [*lines, f"estimated: {', '.join(parts)}"]

    def to_dict(self, layers: bool) -> NamedValues:
        """Ready for JSON."""
        plan = self.plan
        return {
            "phase": self.name,
            "freeze": self.freeze,
            "cut": plan.at,
            "bytes_per_image": self.kept,
            "gflops_below": plan.gflops_below,
            "gflops_above": plan.gflops_above,
            "backward_gflops": plan.backward_gflops,
            "training_bytes": plan.training_bytes(self.batch_size),
            "seconds_per_image_below": self.below_seconds,
            "seconds_per_image_above": self.above_seconds,
            "seconds_per_image_decoding": self.decode_seconds,
            "images": self.images,
            "whole_network_every_epoch": self.through,
            "views": self.views,
            "layers" if layers else "stages": [
                asdict(one) for one in (plan.layers if layers else plan.stages)
            ],
        }


def _shape(shape: Sequence[int | None]) -> str:
    return "x".join("?" if size is None else str(size) for size in shape)


def _span(ends: tuple[float, float]) -> str:
    low, high = ends
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def _gflops(count: float | None) -> str:
    return "unknown" if count is None else f"{count:.3g} GFLOPs"
