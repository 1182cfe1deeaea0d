"""Which engine runs a prefix on this machine: compared once on real images, then remembered.

An engine must agree with TensorFlow's own result to ``TOLERANCE`` of the largest activation, or it is left
out and the log says so. Of those that agree the fastest is taken. The choice is kept for this machine, model
and input size, together with what was measured.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from transferkit.activations.cache import Cache
from transferkit.activations.engines.engine_memory import (
    compiled_folder,
    engine_key,
    machine,
    recall,
    remember,
    touch,
)
from transferkit.activations.engines.make_engine import EngineMaker, Target, accelerators
from transferkit.activations.engines.openvino_engine import openvino_version
from transferkit.activations.engines.prefix_engine import CutLike, Engine, TensorFlowEngine
from transferkit.cpu import available_cores
from transferkit.errors import UserError, did_you_mean, fault

__all__ = ["ENGINES", "TOLERANCE", "available", "choose_engine"]

ENGINES = ("openvino", "tensorflow", "tensorflow-xla")
TOLERANCE = 1e-3  # largest difference, as a share of the largest activation; rounding gives some 1e-6
# The same for arithmetic in 16 bits, which rounds each number by up to 5e-4 and 4e-3 of it.
_TOLERANCES = {"float32": TOLERANCE, "float16": 1e-2, "bfloat16": 5e-2}
_COMPARED = 8  # images that the results are compared on
_TIMED = 4  # images a core that speed is measured on, eight at least
# What folding its constants gains TensorFlow at most: measured 1.05 on InceptionV3, 1.4 on MobileNetV2, 1.6
# on EfficientNetB0. Building the folded graph takes about as long as building OpenVINO's: 1.5 to 7 s.
_FOLDING = 1.6

_log = logging.getLogger("transferkit.activations")


def choose_engine(
    cut: CutLike,
    size: tuple[int, int],
    sample: np.ndarray,
    engine: str = "auto",
    cache: Cache | None = None,
    count: int | None = None,
    target: Target = Target(),  # noqa: B008 -- frozen
) -> Engine:
    """Makes the engine that is named, or the fastest one that agrees.

    Args:
        cut: the frozen prefix.
        size: height and width of the images.
        sample: uint8 ``[n, h, w, 3]``, real images to compare on; the first batch.
        engine: ``"auto"`` or one of :data:`ENGINES`.
        cache: where compiled models and the choice are kept; None keeps them nowhere.
        count: how many images are to come, where that is known: for few, an engine is not built that could
            not save the time that building it takes.
        target: what computes, and how exactly.

    Raises:
        UserError: an engine is named that is unknown, not installed, or does not agree with TensorFlow; or no
            engine agrees in the precision that is wanted.
    """
    there = available(target)
    if engine != "auto" and engine not in there:
        hint = did_you_mean(engine, ENGINES) if engine not in ENGINES else "it is unavailable on this machine"
        raise UserError(fault("activations.engine", engine, f"one of auto, {', '.join(there)}", hint))
    key = engine_key(cut, size, target.devices, target.precision)
    folder = None if cache is None else compiled_folder(cache, cut, size, key)
    maker = EngineMaker(cut, size, folder, target)
    memory = None if cache is None else cache.choices / f"{key}.json"
    remembered = recall(memory)
    if engine == "auto" and _worth_building(count, remembered.get("unfolded")):
        _log.info("more images than the engine was chosen for: choosing again")
    elif engine == "auto":
        engine = remembered.get("engine", "auto")
    if engine in remembered.get("agree", ()) and engine in there:
        touch(folder)
        try:
            return maker.make(engine)
        except Exception as error:  # a cache from another state of the machine must not end the run
            _log.warning("the %s engine that was chosen before fails (%s); choosing again", engine, error)
            engine = "auto"
    if engine == "tensorflow" and target.precision == "float32":
        return _tensorflow(maker)
    if engine != "auto":
        made, difference = _made_to_agree(maker, engine, sample)
        if made is None:
            raise UserError(fault("activations.engine", engine, "an engine that agrees with TensorFlow",
                                  f"{difference}; use auto"))  # fmt: skip
        return made
    return _fastest(maker, sample, memory, count)


def _tensorflow(maker: EngineMaker) -> Engine:
    try:
        return maker.make("tensorflow")
    except Exception as error:  # no fault: it is the same network, only slower
        _log.info("the graph is run unfolded: %s", error)
        return TensorFlowEngine(maker.traced)


def available(target: Target = Target()) -> tuple[str, ...]:  # noqa: B008 -- frozen
    """The engines available on this machine, on some devices."""
    if any("CPU" not in name for name in target.devices or accelerators()):
        return ("tensorflow", "tensorflow-xla")
    # OpenVINO computes in float32.
    fast = openvino_version() is not None and target.precision == "float32"
    return ("openvino", "tensorflow") if fast else ("tensorflow",)


def _fastest(maker: EngineMaker, sample: np.ndarray, memory: Path | None, count: int | None) -> Engine:
    timed = _filled(sample, max(_COMPARED, _TIMED * available_cores()))
    plain = TensorFlowEngine(maker.traced)
    engines: dict[str, Engine] = {}
    speeds: dict[str, float] = {}
    unfolded: dict[str, float] | None = None
    took = 0.0
    for name in available(maker.target):
        if name == "tensorflow" and "openvino" in speeds:
            unfolded = {"speed": _speed(plain, timed), "beside": speeds["openvino"], "build_s": took}
            if not _worth_building(count, unfolded):
                _log.info("the tensorflow engine is not built: %.0f images/s unfolded", unfolded["speed"])
                continue
            unfolded = None
        start = time.perf_counter()
        made, difference = _made_to_agree(maker, name, sample, plain)
        took = time.perf_counter() - start
        if made is None:
            _log.warning("the %s engine is left out: %s", name, difference)
            continue
        _log.info("the %s engine agrees: %s", name, difference)
        engines[name], speeds[name] = made, _speed(made, timed)
    if not engines and maker.target.precision != "float32":
        expected = "a precision in which the frozen pass agrees with float32"
        precision = maker.target.precision
        raise UserError(fault("devices.precision", precision, expected, f"{difference}; use float32"))
    if not engines:
        return plain
    chosen = max(engines, key=lambda name: speeds[name])
    measured = ", ".join(f"{name} {speed:.0f}" for name, speed in speeds.items())
    _log.info("the %s engine is taken; images/s measured on %d images: %s", chosen, len(timed), measured)
    if memory is not None:
        facts = {"engine": chosen, "agree": sorted(engines), "images_per_s": speeds, "unfolded": unfolded}
        remember(memory, {**facts, **machine()})
    return engines[chosen]


def _worth_building(count: int | None, unfolded: dict[str, float] | None) -> bool:
    """Whether the folded TensorFlow engine, which was not built, could save more than its building takes.

    Args:
        count: of images to come; None for any number.
        unfolded: images/s of the unfolded one and of the engine beside it, and the seconds to build that one;
            None where nothing was left out.
    """
    if unfolded is None or unfolded["beside"] >= _FOLDING * unfolded["speed"]:
        return False
    saved = 1 / unfolded["beside"] - 1 / (_FOLDING * unfolded["speed"])
    return count is None or count * saved > unfolded["build_s"]


def _made_to_agree(
    maker: EngineMaker, name: str, sample: np.ndarray, plain: Engine | None = None
) -> tuple[Engine | None, str]:
    """The engine, or None where it fails or does not agree; and why, or how well, in words."""
    images = sample[:_COMPARED]
    try:
        made = maker.make(name)
        got = made(images)
    except Exception as error:  # an engine that cannot take this network is no fault of the user's
        text = str(error).strip().splitlines()
        return None, f"it fails with {type(error).__name__}: {text[0] if text else ''}"
    wanted = (plain or TensorFlowEngine(maker.traced))(images)
    if got.shape != wanted.shape:
        return None, f"its result has the shape {got.shape} instead of {wanted.shape}"
    scale = float(np.abs(wanted).max(initial=0)) or 1.0
    # Written so that a difference that is no number is no agreement.
    share = float(np.abs(got - wanted).max(initial=0)) / scale
    allowed = _TOLERANCES[maker.target.precision]
    words = f"it differs by {share:.1e} of the largest activation, allowed are {allowed:.0e}"
    return (made if share <= allowed else None), words


def _speed(engine: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> float:
    """Images/s, the better of two passes of an engine that is warm."""
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        engine(images)
        seconds.append(time.perf_counter() - start)
    return len(images) / min(seconds)


def _filled(sample: np.ndarray, count: int) -> np.ndarray:
    """At most ``count`` images of the sample; a tiny sample is repeated to eight, for a steadier figure."""
    return np.resize(sample, (8, *sample.shape[1:])) if len(sample) < 8 else sample[:count]
