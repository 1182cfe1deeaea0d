"""Whether a package can be imported, found without importing it."""

from __future__ import annotations

import importlib.util
import sys
from importlib import metadata

__all__ = ["distributed", "installed"]


def installed(package: str) -> bool:
    """Whether a top-level package can be imported, or is imported already.

    Args:
        package: as ``import`` has it, such as ``"sklearn"``.
    """
    if package in sys.modules:
        return sys.modules[package] is not None
    return importlib.util.find_spec(package) is not None


def distributed(name: str) -> bool:
    """Whether a distribution is installed, whatever it brings.

    Args:
        name: as ``pip install`` has it, such as ``"scikit-learn"``.
    """
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True
