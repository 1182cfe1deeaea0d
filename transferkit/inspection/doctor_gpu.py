"""NVIDIA's driver and cards, asked without TensorFlow, and the libraries that a build of it looks for."""

from __future__ import annotations

import contextlib
import ctypes
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["cards", "driver_version", "missing_libraries"]

# Library to the folder of the package that brings it, below site-packages/nvidia.
_LIBRARIES = {
    "cudart": "cuda_runtime",
    "cublas": "cublas",
    "cublasLt": "cublas",
    "cufft": "cufft",
    "curand": "curand",
    "cusolver": "cusolver",
    "cusparse": "cusparse",
    "cudnn": "cudnn",
    "nccl": "nccl",
}


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


def _ask(fields: str) -> list[str]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    command = [program, f"--query-gpu={fields}", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()] if done.returncode == 0 else []


def missing_libraries(build: Mapping[str, Any]) -> list[str]:
    """Those of CUDA's libraries that neither the loader nor the packages beside TensorFlow have.

    Args:
        build: ``tf.sysconfig.get_build_info()``.
    """
    if not build.get("is_cuda_build") or sys.platform != "linux":
        return []
    return [f"lib{name}" for name, package in _LIBRARIES.items() if not _present(name, package)]


def _present(name: str, package: str) -> bool:
    for place in map(Path, sys.path):
        if any((place / "nvidia" / package / "lib").glob(f"lib{name}.so*")):
            return True
    for suffix in ("", ".12", ".11", ".10", ".9", ".2"):
        with contextlib.suppress(OSError):
            ctypes.CDLL(f"lib{name}.so{suffix}")
            return True
    return False
