"""Whether a package can be imported, found without importing it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

__all__ = ["distributed", "extras", "installed"]


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


def extras() -> dict[str, list[str]]:
    """What is optional, as transferkit's own metadata has it.

    Returns:
        By extra, such as ``"onnx"``, in order: what of it is not installed, or is older than it has to be.
        Extras that bring no further distribution are left out, and so is that of developers. Empty where
        transferkit itself is not installed.
    """
    try:
        offered = metadata.metadata("transferkit").get_all("Provides-Extra") or []
        core = {canonicalize_name(one.name) for one in _required("transferkit", "")}
    except metadata.PackageNotFoundError:
        return {}
    found = {}
    for extra in sorted({*offered} - {"dev"}):
        needed = _required("transferkit", extra)
        if any(canonicalize_name(one.name) not in core for one in needed):
            found[extra] = [line for one in needed for line in _lacking(one)]
    return found


def _required(name: str, extra: str) -> list[Requirement]:
    """What a distribution needs on this machine: by itself, or for an extra alone."""
    found = map(Requirement, metadata.requires(name) or [])
    if not extra:
        return [one for one in found if one.marker is None or one.marker.evaluate({"extra": ""})]
    return [
        one
        for one in found
        if one.marker and one.marker.evaluate({"extra": extra}) and not one.marker.evaluate({"extra": ""})
    ]


def _lacking(requirement: Requirement) -> Iterator[str]:
    """What is not there of a requirement, and of the extras that it names."""
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        yield requirement.name
        return
    if not requirement.specifier.contains(version, prereleases=True):
        yield f"{requirement.name}{requirement.specifier}"
    for extra in requirement.extras:
        for one in _required(requirement.name, extra):
            yield from _lacking(one)
