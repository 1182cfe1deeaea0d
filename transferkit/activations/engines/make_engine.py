"""How each engine is made for one cut and size of images."""

from __future__ import annotations

import contextlib
import functools
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from transferkit.activations.engines.device_engine import DeviceEngine
from transferkit.activations.engines.engine_memory import list_compiled
from transferkit.activations.engines.openvino_engine import OpenVINOEngine
from transferkit.activations.engines.prefix_engine import CutLike, Engine, FoldedEngine, folded_file, trace
from transferkit.files.folder_contents import LOCK
from transferkit.files.lock import locked

__all__ = ["EngineMaker", "Target", "accelerators"]


@dataclass(frozen=True)
class Target:
    """What computes, and how exactly.

    Attributes:
        devices: names of the logical devices that compute; empty: those that TensorFlow takes by itself.
        precision: ``"float32"``, or ``"bfloat16"`` or ``"float16"``, in which TensorFlow's engines compute.
    """

    devices: tuple[str, ...] = ()
    precision: str = "float32"


@dataclass(frozen=True)
class EngineMaker:
    """Makes engines; the trace is shared and made at most once.

    Attributes:
        cut: the frozen prefix.
        size: height and width of the images.
        folder: where compiled forms are kept; None keeps them nowhere.
        target: what computes.
    """

    cut: CutLike
    size: tuple[int, int]
    folder: Path | None
    target: Target = Target()

    @functools.cached_property
    def traced(self) -> Any:
        """The prefix as a concrete function, in float32."""
        return trace(self.cut, self.size)

    @functools.cached_property
    def run(self) -> Any:
        """What engines are made of: the trace in the precision that is wanted."""
        if self.target.precision == "float32":
            return self.traced
        return trace(self.cut, self.size, precision=self.target.precision)

    def make(self, name: str) -> Engine:
        """One of :data:`transferkit.activations.engines.choose_engine.ENGINES`, by its name."""
        devices = self.target.devices
        if name == "tensorflow-xla" or (name == "tensorflow" and _spread(devices)):
            return DeviceEngine(self.run, devices or accelerators(), jit=name == "tensorflow-xla")
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
                list_compiled(folder)
            return made


def accelerators() -> tuple[str, ...]:
    """Names of the logical GPUs and TPUs."""
    return tuple(one.name for kind in ("GPU", "TPU") for one in tf.config.list_logical_devices(kind))


def _spread(devices: Sequence[str]) -> bool:
    """Whether TensorFlow has to be told where it computes: on an accelerator, or on several devices."""
    return len(devices) > 1 or bool(accelerators())
