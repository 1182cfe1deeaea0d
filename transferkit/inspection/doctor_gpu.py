"""NVIDIA's driver and cards, asked without TensorFlow, and the libraries that a build of it looks for."""

from __future__ import annotations

import contextlib
import ctypes
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["cards", "does_not_answer", "driver_version", "missing_libraries", "unsuited"]

# Library to the folder of the package that brings it, below site-packages/nvidia, and how far its version
# is from CUDA's; those of None have numbers of their own.
_LIBRARIES = {
    "cudart": ("cuda_runtime", 0),
    "cublas": ("cublas", 0),
    "cublasLt": ("cublas", 0),
    "cufft": ("cufft", -1),
    "curand": ("curand", None),
    "cusolver": ("cusolver", -1),
    "cusparse": ("cusparse", 0),
    "cudnn": ("cudnn", None),
    "nccl": ("nccl", None),
}
_OWN_VERSIONS = {"curand": 10, "nccl": 2}
# The oldest driver for Linux that runs a CUDA of this major version: NVIDIA's guide to CUDA's compatibility,
# "minor version compatibility".
_OLDEST_DRIVERS = {11: "450.80.02", 12: "525.60.13", 13: "580.65.06"}
_ANSWER_SECONDS = 20


def driver_version() -> str | None:
    """The version of the driver; None where there is none."""
    with contextlib.suppress(OSError):
        found = re.search(
            r"Module\s+([\d.]+)", Path("/proc/driver/nvidia/version").read_text("utf-8", "replace")
        )
        if found:
            return found.group(1)
    lines = _ask("driver_version")
    return lines[0] if lines else None


def cards() -> list[str]:
    """Name and memory of each card; empty where the driver's own program is missing or fails."""
    return _ask("name,memory.total,compute_cap")


def does_not_answer() -> str | None:
    """What is wrong with the driver's own program, in words; None where it answers or is missing."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    try:
        done = _run(program, "-L")
    except subprocess.TimeoutExpired:
        return f"nvidia-smi gives no answer within {_ANSWER_SECONDS} s"
    except OSError as error:
        return f"nvidia-smi: {error.strerror}"
    if done.returncode == 0:
        return None
    told = (done.stdout + done.stderr).strip().splitlines() or [f"it ends with {done.returncode}"]
    return f"nvidia-smi: {told[0]}"


def unsuited(build: Mapping[str, Any], driver: str | None, found: Sequence[str]) -> list[str]:
    """What of driver and cards a build of TensorFlow cannot use, a line each.

    Args:
        build: ``tf.sysconfig.get_build_info()``.
        driver: of :func:`driver_version`.
        found: of :func:`cards`.

    >>> build = {"is_cuda_build": True, "cuda_version": "12.5", "cuda_compute_capabilities": ["sm_60"]}
    >>> unsuited(build, "470.57", ["A100, 40000 MiB, 8.0"])
    ['the driver 470.57: CUDA 12.5 needs 525.60.13 or later']
    >>> unsuited(build, "550.54", ["K80, 11441 MiB, 3.7"])
    ['K80: compute capability 3.7, expected 6.0 or later']
    """
    if not build.get("is_cuda_build") or sys.platform != "linux":
        return []
    lines = []
    cuda = str(build.get("cuda_version", ""))
    oldest = _OLDEST_DRIVERS.get(_major(cuda) or 0)
    if oldest is not None and driver is not None and _numbers(driver) < _numbers(oldest):
        lines.append(f"the driver {driver}: CUDA {cuda} needs {oldest} or later")
    built = [int(one.rpartition("_")[2]) for one in build.get("cuda_compute_capabilities", ()) if _major(one)]
    for card in found:
        name, _, capability = card.rpartition(",")
        if built and (numbers := _numbers(capability)) and numbers < (least := divmod(min(built), 10)):
            told = f"compute capability {capability.strip()}, expected {least[0]}.{least[1]} or later"
            lines.append(f"{name.split(',')[0]}: {told}")
    return lines


def _ask(fields: str) -> list[str]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        done = _run(program, f"--query-gpu={fields}", "--format=csv,noheader")
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()] if done.returncode == 0 else []


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=False)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(one) for one in re.findall(r"[0-9]+", version))


def _major(version: str) -> int | None:
    return (_numbers(version) or (None,))[0]


def missing_libraries(build: Mapping[str, Any]) -> list[str]:
    """Those of CUDA's libraries that neither the loader nor the packages beside TensorFlow have.

    Args:
        build: ``tf.sysconfig.get_build_info()``.
    """
    if not build.get("is_cuda_build") or sys.platform != "linux":
        return []
    cuda, cudnn = (_major(str(build.get(f"{one}_version", ""))) for one in ("cuda", "cudnn"))
    wanted = {
        name: _OWN_VERSIONS.get(name, cudnn if beside is None else cuda and cuda + beside)
        for name, (_, beside) in _LIBRARIES.items()
    }
    files = {name: f"lib{name}.so" + (f".{number}" if number else "") for name, number in wanted.items()}
    return [file for name, file in files.items() if not _present(file, _LIBRARIES[name][0])]


def _present(file: str, package: str) -> bool:
    for place in map(Path, sys.path):
        if any((place / "nvidia" / package / "lib").glob(f"{file}*")):
            return True
    with contextlib.suppress(OSError):
        ctypes.CDLL(file)
        return True
    return False
