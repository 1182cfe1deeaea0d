"""What is kept of engines for this machine: compiled forms, and which one was chosen."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import logging
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from transferkit.activations.cache import Cache
from transferkit.activations.engines.openvino_engine import openvino_version
from transferkit.cpu import available_cores
from transferkit.files.checksummed_json import read_sealed, sealed
from transferkit.files.folder_contents import CONTENTS, LOCK, damage_of, facts_of, files_of, write_contents
from transferkit.files.lock import locked
from transferkit.files.whole_file import write_whole_shared
from transferkit.type_names import NamedValues

if TYPE_CHECKING:
    from transferkit.activations.engines.prefix_engine import CutLike

__all__ = ["compiled_folder", "engine_key", "list_compiled", "machine", "recall", "remember", "touch"]

_log = logging.getLogger("transferkit.activations")


@functools.lru_cache(maxsize=1)
def machine() -> NamedValues:
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


def engine_key(
    cut: CutLike, size: Sequence[int], devices: Sequence[str] = (), precision: str = "float32"
) -> str:
    """What the choice and the compiled forms stand for: machine, network, size, devices.

    Args:
        cut: the frozen prefix.
        size: height and width of the images.
        devices: names of the logical devices that compute.
        precision: that they compute in.
    """
    facts: list[Any] = [machine(), cut.fingerprint, list(size)]
    if len(devices) > 1 or precision != "float32":
        facts += [len(devices), precision]
    text = json.dumps(facts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def compiled_folder(cache: Cache, cut: CutLike, size: tuple[int, int], key: str) -> Path | None:
    """The folder of a model's compiled forms, all of them sound; None where it cannot be written.

    Args:
        cache: that it lies in.
        cut: the frozen prefix.
        size: height and width of the images.
        key: as of :func:`engine_key`.
    """
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


def list_compiled(folder: Path) -> None:
    """Lists what was made, where that is not what is listed already."""
    if facts_of(folder).get("names") != sorted(files_of(folder)):
        with contextlib.suppress(OSError):
            write_contents(folder, names=sorted(files_of(folder)))


def touch(folder: Path | None) -> None:
    """Says that compiled forms are in use, so that the cache drops others first."""
    if folder is not None and folder.exists():
        os.utime(folder)


def recall(memory: Path | None) -> NamedValues:
    """What was measured and chosen before; empty where nothing was, or it is damaged."""
    return {} if memory is None else read_sealed(memory) or {}


def remember(memory: Path, facts: NamedValues) -> None:
    """Keeps what was measured and chosen."""
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        write_whole_shared(memory, sealed(facts).encode())
    except OSError as error:
        _log.info("the choice of engine is not kept: %s", error)
