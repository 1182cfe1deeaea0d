"""Which engine runs a prefix on this machine: compared once on real images, then remembered.

An engine must agree with TensorFlow's own result to ``TOLERANCE`` of the largest activation, or it is left
out and the log says so. Of those that agree the fastest is taken. The choice is kept for this machine, model
and input size, together with what was measured.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import logging
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from transferkit.activations.cache import Cache
from transferkit.activations.device_engine import DeviceEngine
from transferkit.activations.openvino_engine import OpenVINOEngine, openvino_version
from transferkit.activations.prefix_engine import (
    CutLike,
    Engine,
    FoldedEngine,
    TensorFlowEngine,
    folded_file,
    trace,
)
from transferkit.cpu import available_cores
from transferkit.errors import UserError, did_you_mean, fault
from transferkit.files.contents import CONTENTS, LOCK, damage_of, facts_of, files_of, write_contents
from transferkit.files.lock import locked
from transferkit.files.sealed import read_sealed, sealed
from transferkit.files.whole_file import write_whole_shared

__all__ = ["ENGINES", "TOLERANCE", "available", "choose_engine", "machine"]

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


@dataclass(frozen=True)
class _Makers:
    """How each engine is made for one cut and size; the trace is shared and made at most once."""

    cut: CutLike
    size: tuple[int, int]
    folder: Path | None
    devices: tuple[str, ...] = ()
    precision: str = "float32"

    @functools.cached_property
    def traced(self) -> Any:
        return trace(self.cut, self.size)

    @functools.cached_property
    def run(self) -> Any:
        """What engines are made of: the trace in the precision that is wanted."""
        if self.precision == "float32":
            return self.traced
        return trace(self.cut, self.size, precision=self.precision)

    def make(self, name: str) -> Engine:
        if name == "tensorflow-xla" or (name == "tensorflow" and _spread(self.devices)):
            return DeviceEngine(self.run, self.devices or _accelerators(), jit=name == "tensorflow-xla")
        with contextlib.ExitStack() as stack:
            folder = self.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
            if self.folder is not None:
                folder.mkdir(parents=True, exist_ok=True)  # removed by hand meanwhile
                stack.enter_context(locked(folder / LOCK, shared=True))
            file = folded_file(lambda: self.run, folder / "folded.pb")
            made: Engine
            if name == "openvino":
                made = OpenVINOEngine(file, self.folder, self.size, self.cut.shape)
            else:
                made = FoldedEngine(file)
            if self.folder is not None:
                _list(folder)
            return made


def choose_engine(
    cut: CutLike,
    size: tuple[int, int],
    sample: np.ndarray,
    engine: str = "auto",
    cache: Cache | None = None,
    count: int | None = None,
    devices: Sequence[str] = (),
    precision: str = "float32",
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
        devices: names of the logical devices that compute; those that TensorFlow takes by itself if none are
            named.
        precision: ``"float32"``, or ``"bfloat16"`` or ``"float16"``, in which TensorFlow's engines compute.

    Raises:
        UserError: an engine is named that is unknown, not installed, or does not agree with TensorFlow; or no
            engine agrees in the precision that is wanted.
    """
    there = available(devices, precision)
    if engine != "auto" and engine not in there:
        hint = did_you_mean(engine, ENGINES) if engine not in ENGINES else "it is unavailable on this machine"
        raise UserError(fault("activations.engine", engine, f"one of auto, {', '.join(there)}", hint))
    key = _key(cut, size, devices, precision)
    folder = None if cache is None else _compiled_folder(cache, cut, size, key)
    makers = _Makers(cut, size, folder, tuple(devices), precision)
    memory = None if cache is None else cache.choices / f"{key}.json"
    remembered = _recall(memory)
    if engine == "auto" and _worth_building(count, remembered.get("unfolded")):
        _log.info("more images than the engine was chosen for: choosing anew")
    elif engine == "auto":
        engine = remembered.get("engine", "auto")
    if engine in remembered.get("agree", ()) and engine in there:
        _touch(folder)
        try:
            return makers.make(engine)
        except Exception as error:  # a cache from another state of the machine must not end the run
            _log.warning("the %s engine that was chosen before fails (%s); choosing anew", engine, error)
            remembered, engine = {}, "auto"
    if engine == "tensorflow" and precision == "float32":
        try:
            return makers.make(engine)
        except Exception as error:  # no fault: it is the same network, only slower
            _log.info("the graph is run unfolded: %s", error)
            return TensorFlowEngine(makers.traced)
    if engine != "auto":
        made, difference = _made_to_agree(makers, engine, sample)
        if made is None:
            raise UserError(fault("activations.engine", engine, "an engine that agrees with TensorFlow",
                                  f"{difference}; use auto"))  # fmt: skip
        return made
    return _fastest(makers, sample, memory, count)


def available(devices: Sequence[str] = (), precision: str = "float32") -> tuple[str, ...]:
    """The engines available on this machine, on some devices; arguments as of :func:`choose_engine`."""
    if any("CPU" not in name for name in devices or _accelerators()):
        return ("tensorflow", "tensorflow-xla")
    # OpenVINO computes in float32.
    fast = openvino_version() is not None and precision == "float32"
    return ("openvino", "tensorflow") if fast else ("tensorflow",)


@functools.lru_cache(maxsize=1)
def machine() -> dict[str, Any]:
    """What an engine's speed and compiled code depend on: processor, cores, accelerator, versions."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            model = next(
                (line.split(":")[1].strip() for line in file if line.startswith("model name")), model
            )
    except OSError:
        pass
    accelerators = [
        tf.config.experimental.get_device_details(device).get("device_name", device.name)
        for device in tf.config.list_physical_devices("GPU")
    ]
    return {
        "processor": model,
        "cores": available_cores(),
        "accelerators": accelerators,
        "tensorflow": tf.__version__,
        "openvino": openvino_version(),
    }


def _fastest(makers: _Makers, sample: np.ndarray, memory: Path | None, count: int | None) -> Engine:
    timed = _filled(sample, max(_COMPARED, _TIMED * available_cores()))
    plain = TensorFlowEngine(makers.traced)
    engines: dict[str, Engine] = {}
    speeds: dict[str, float] = {}
    unfolded: dict[str, float] | None = None
    took = 0.0
    for name in available(makers.devices, makers.precision):
        if name == "tensorflow" and "openvino" in speeds:
            unfolded = {"speed": _speed(plain, timed), "beside": speeds["openvino"], "build_s": took}
            if not _worth_building(count, unfolded):
                _log.info("the tensorflow engine is not built: %.0f images/s unfolded", unfolded["speed"])
                continue
            unfolded = None
        start = time.perf_counter()
        made, difference = _made_to_agree(makers, name, sample, plain)
        took = time.perf_counter() - start
        if made is None:
            _log.warning("the %s engine is left out: %s", name, difference)
            continue
        _log.info("the %s engine agrees: %s", name, difference)
        engines[name], speeds[name] = made, _speed(made, timed)
    if not engines and makers.precision != "float32":
        expected = "a precision in which the frozen pass agrees with float32"
        raise UserError(fault("devices.precision", makers.precision, expected, f"{difference}; use float32"))
    if not engines:
        return plain
    chosen = max(engines, key=lambda name: speeds[name])
    measured = ", ".join(f"{name} {speed:.0f}" for name, speed in speeds.items())
    _log.info("the %s engine is taken; images/s measured on %d images: %s", chosen, len(timed), measured)
    if memory is not None:
        facts = {"engine": chosen, "agree": sorted(engines), "images_per_s": speeds, "unfolded": unfolded}
        _remember(memory, {**facts, **machine()})
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
    makers: _Makers, name: str, sample: np.ndarray, plain: Engine | None = None
) -> tuple[Engine | None, str]:
    """The engine, or None where it fails or does not agree; and why, or how well, in words."""
    images = sample[:_COMPARED]
    try:
        made = makers.make(name)
        got = made(images)
    except Exception as error:  # an engine that cannot take this network is no fault of the user's
        text = str(error).strip().splitlines()
        return None, f"it fails with {type(error).__name__}: {text[0] if text else ''}"
    wanted = (plain or TensorFlowEngine(makers.traced))(images)
    if got.shape != wanted.shape:
        return None, f"its result has the shape {got.shape} instead of {wanted.shape}"
    scale = float(np.abs(wanted).max(initial=0)) or 1.0
    # Written so that a difference that is no number is no agreement.
    share = float(np.abs(got - wanted).max(initial=0)) / scale
    allowed = _TOLERANCES[makers.precision]
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


def _accelerators() -> tuple[str, ...]:
    return tuple(one.name for kind in ("GPU", "TPU") for one in tf.config.list_logical_devices(kind))


def _spread(devices: Sequence[str]) -> bool:
    """Whether TensorFlow has to be told where it computes: on an accelerator, or on several devices."""
    return len(devices) > 1 or bool(_accelerators())


def _key(cut: CutLike, size: Sequence[int], devices: Sequence[str] = (), precision: str = "float32") -> str:
    facts: list[Any] = [machine(), cut.fingerprint, list(size)]
    if len(devices) > 1 or precision != "float32":
        facts += [len(devices), precision]
    text = json.dumps(facts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _compiled_folder(cache: Cache, cut: CutLike, size: tuple[int, int], key: str) -> Path | None:
    """The folder of a model's compiled forms, all of them sound; None where it cannot be written."""
    folder = cache.compiled / key
    try:
        folder.mkdir(parents=True, exist_ok=True)
        wrong = damage_of(folder)
        if wrong != []:
            # Compiled code that nothing vouches for is not run: it might crash, or answer something else.
            with locked(folder / LOCK, wait=False) as held:
                if not held:
                    return None  # another process is making it just now
                if wrong:
                    _log.warning("a compiled model is damaged (%s): making it again", folder)
                for name in [*files_of(folder), CONTENTS]:
                    (folder / name).unlink(missing_ok=True)
        if not (folder / "about.json").exists():
            about = {"cut": cut.fingerprint, "size": list(size), **machine()}
            write_whole_shared(folder / "about.json", (json.dumps(about, indent=2) + "\n").encode())
    except OSError:
        return None
    return folder


def _list(folder: Path) -> None:
    """Lists what was made, where that is not what is listed already."""
    if facts_of(folder).get("names") != sorted(files_of(folder)):
        with contextlib.suppress(OSError):
            write_contents(folder, names=sorted(files_of(folder)))


def _touch(folder: Path | None) -> None:
    if folder is not None and folder.exists():
        os.utime(folder)


def _recall(memory: Path | None) -> dict[str, Any]:
    return {} if memory is None else read_sealed(memory) or {}


def _remember(memory: Path, facts: dict[str, Any]) -> None:
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        write_whole_shared(memory, sealed(facts).encode())
    except OSError as error:
        _log.info("the choice of engine is not kept: %s", error)
