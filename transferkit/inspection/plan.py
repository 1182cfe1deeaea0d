"""What a retraining would train and cost, found without training."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from transferkit.backbones.backbone import Cut
from transferkit.code_permission import allowing
from transferkit.data.pixels.decoding import Decoding
from transferkit.devices import ChosenDevices, choose_devices
from transferkit.freezing import FreezePlan
from transferkit.inspection.phase_forecast import STAGE_HEADER, PhaseForecast
from transferkit.recipe import Phase, Recipe
from transferkit.runs.checks.preflight import checked_recipe
from transferkit.tensorflow_startup import start_tensorflow
from transferkit.type_names import NamedValues, Override

__all__ = ["Plan", "make_plan"]

_MEASURED = 16  # images in the batches that are timed
_REPEATS = 2
_DECODED = 64  # images that are decoded to time it


class Plan(list[PhaseForecast]):
    """The phases of a recipe as they would train, one after the other; it shows itself as tables.

    Attributes:
        devices: what would compute.
        afterwards: what comes after the phases, in a line; empty for nothing.
    """

    devices: ChosenDevices
    afterwards: str = ""

    def to_dict(self, layers: bool) -> list[NamedValues]:
        """Ready for JSON: the phases, each with the devices that all of them have in common."""
        return [{**one.to_dict(layers), "devices": self.devices.to_dict()} for one in self]

    def __repr__(self) -> str:
        lines = []
        for one in self:
            lines += [f"phase {one.name}: {one.freeze}", *(f"  {line}" for line in one.lines())]
        more = [self.afterwards] if self.afterwards else []
        return "\n".join([*lines, *more, f"devices: {self.devices.describe()}"])

    def _repr_html_(self) -> str:
        from transferkit.drawing.html_pieces import block, html_table, paragraph

        parts = []
        for one in self:
            parts.append(paragraph(f"phase {one.name}: {one.freeze}", *one.lines()))
            parts.append(_strip(one))
            parts.append(html_table(one.rows(layers=False), STAGE_HEADER))
        step = "transferkit.retrain with the same arguments trains it; transferkit.lr_find finds a rate"
        more = [self.afterwards] if self.afterwards else []
        parts.append(paragraph(*more, f"devices: {self.devices.describe()}", f"next: {step}"))
        return block(*parts)


def _strip(forecast: PhaseForecast) -> Markup:
    """The stages from the pixels on, as wide as their share of the parameters: what trains is coloured."""
    total = max(sum(one.parameters for one in forecast.plan.stages), 1)
    pieces = Markup("").join(
        Markup('<span class="{}" style="flex:{:.4f} 0 6px" title="{}"></span>').format(
            "" if one.state == "frozen" else "trains",
            one.parameters / total,
            f"{one.name}: {one.state}, {one.parameters} parameters",
        )
        for one in forecast.plan.stages
    )
    words = "from the pixels on, as wide as its parameters: grey is frozen, orange trains"
    return Markup('<div class="strip">{}</div><p class="soft">each stage {}</p>').format(pieces, words)


def make_plan(
    recipe: str | None = None,
    overrides: Sequence[Override] = (),
    *,
    data: str | None = None,
    measure: bool = True,
    allow_code: bool = False,
    **values: Any,
) -> Plan:
    """Plans every phase of a recipe.

    Args:
        recipe: a recipe's name or file.
        overrides: as of :func:`transferkit.retrain`.
        data: a folder of images to count; not needed.
        allow_code: as of :func:`transferkit.retrain`; of the recipe's code only its backbone is needed.
        measure: time the frozen prefix on this machine for a second or two.
        **values: top-level keys of the recipe.

    Raises:
        UserError: recipe, backbone or data cannot be used.
    """
    if data is not None:
        overrides = [("data.path", data), *overrides]
    with allowing(allow_code):
        return _make_plan(checked_recipe(recipe, overrides, components=False, **values), measure)


def _make_plan(resolved: Recipe, measure: bool) -> Plan:
    from transferkit.training.progress import Progress

    images: tuple[int, int] | None = None
    paths: tuple[str, ...] = ()
    if resolved.data.path is not None:
        from transferkit.training.prepare_images import prepare

        found = prepare(resolved, Progress(quiet=True))
        images, paths = (len(found.of_split("train")), len(found)), found.paths[:_DECODED]
    start_tensorflow()
    devices = choose_devices(resolved.devices)
    from transferkit.activations.compute import HALF_FROM_BYTES
    from transferkit.augmentation import make_augmentation
    from transferkit.backbones.composed import load_section
    from transferkit.freezing import plan_freeze
    from transferkit.training.augmented_batches import trains_through
    from transferkit.training.parts import with_features

    backbone = with_features(resolved, load_section(resolved.backbone, None))
    through, pipeline = trains_through(resolved), make_augmentation(resolved.augmentation)
    changes = pipeline is not None and pipeline.changes_images
    views = resolved.activations.views if changes and not through else 0
    forecasts = Plan()
    forecasts.devices = devices
    if resolved.average is not None:
        second = resolved.average.backbone or resolved.backbone
        forecasts.afterwards = (
            f"afterwards: a head auto is fitted on frozen {second.name}, which all images pass once more; "
            "answers are the mean of both networks"
        )
    decoding = Decoding.of(resolved.data, backbone.input_size)
    decode = _decode_seconds(paths, decoding) if measure and paths else None
    for phase in resolved.resolved_phases:
        plan = plan_freeze(phase.freeze, backbone, phase.batch_norm, phase.layer_decay)
        names = devices.names_here
        below = _measure(plan.cut(), backbone.input_size, names) if measure else None
        whole = (
            _measure(backbone.cut(None), backbone.input_size, names) if measure and _hardly(plan) else None
        )
        dtype, kept = resolved.activations.dtype, plan.bytes_kept
        if dtype == "float16" or (dtype == "auto" and kept > HALF_FROM_BYTES):
            kept //= 2
        forecasts.append(
            PhaseForecast(
                phase.name,
                _words(phase),
                plan,
                phase.epochs,
                phase.batch_size,
                images,
                kept,
                below,
                whole,
                through,
                views,
                decode,
            )
        )
    return forecasts


def _hardly(plan: FreezePlan) -> bool:
    """Whether hardly anything of the backbone lies below the cut."""
    below, above = plan.gflops_below, plan.gflops_above
    return below is not None and above is not None and below < 0.05 * (below + above)


def _decode_seconds(paths: Sequence[str], decoding: Decoding) -> float | None:
    """Seconds that decoding one of these images takes all threads together; None where none can be read."""
    from transferkit.data.reader import read_images

    for batch in read_images([(None, path) for path in paths[:1]], decoding):
        del batch  # its graph is made
    began = time.perf_counter()
    read = sum(len(batch.indices) for batch in read_images([(None, path) for path in paths], decoding))
    return (time.perf_counter() - began) / read if read else None


def _measure(cut: Cut, size: tuple[int, int], devices: tuple[str, ...] = ()) -> float:
    """Seconds an image through the frozen prefix, the best of a few batches after a first one."""
    import numpy as np
    import tensorflow as tf

    if len(devices) > 1:
        from transferkit.activations.engines.device_engine import DeviceEngine
        from transferkit.activations.engines.prefix_engine import trace

        engine = DeviceEngine(trace(cut, size), devices, batch=_MEASURED)
        count = 2 * _MEASURED * len(devices)
        images = np.zeros((count, *size, 3), np.uint8)
        engine(images)
        began = time.perf_counter()
        engine(images)
        return (time.perf_counter() - began) / count
    run = tf.function(cut.prefix, autograph=False)
    batch = tf.constant(np.zeros((_MEASURED, *size, 3), np.uint8))
    run(batch)
    best = float("inf")
    for _ in range(_REPEATS):
        began = time.perf_counter()
        run(batch)
        best = min(best, time.perf_counter() - began)
    return best / _MEASURED


def _words(phase: Phase) -> str:
    freeze = phase.freeze
    if isinstance(freeze, str):
        return f"freeze {freeze}"
    if isinstance(freeze, tuple):
        return f"freeze by {len(freeze)} rule(s)"
    return "freeze " + ", ".join(f"{key} {value}" for key, value in freeze.model_dump().items())
