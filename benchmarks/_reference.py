"""An environment with tf.estimator 2.15, made beside this project's own: nothing newer has it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["cache_folder", "reference_python"]

_VERSION = "2.15.1"


def cache_folder() -> Path:
    """``$TRANSFERKIT_CACHE``, else the user's cache folder."""
    named = os.environ.get("TRANSFERKIT_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "transferkit"


def reference_python() -> Path:
    """The Python of an environment with TensorFlow 2.15, made on first asking (about 1.3 GB, minutes).

    Raises:
        SystemExit: without a Python 3.11, or where the packages cannot be installed.
    """
    folder = cache_folder() / "reference" / f"tensorflow-{_VERSION}"
    python, done = folder / "bin" / "python", folder / ".complete"
    if done.exists():
        return python
    base = sys.executable if sys.version_info[:2] == (3, 11) else shutil.which("python3.11")
    if base is None:
        raise SystemExit("TensorFlow 2.15 needs Python 3.11: put python3.11 on the PATH")
    linux = sys.platform == "linux" and platform.machine() == "x86_64"
    package = f"tensorflow-cpu=={_VERSION}" if linux else f"tensorflow=={_VERSION}"
    print(f"making {folder} with {package} …", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    for command in (
        [base, "-m", "venv", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", package],
    ):
        if subprocess.run(command).returncode:
            raise SystemExit(f"{' '.join(command)}: failed; see above")
    done.touch()
    return python
