"""How many cores this process may use, and how many are idle."""

from __future__ import annotations

import os

__all__ = ["available_cores", "idle_cores"]


def available_cores() -> int:
    """Cores that this process may use; containers and ``taskset`` often grant fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def idle_cores() -> int:
    """Cores that nothing has used in the last minute, at least one.

    Threads of linear algebra wait for each other: on a machine whose cores others use, two of them take ten
    times as long as one.
    """
    try:
        load = os.getloadavg()[0]
    except (AttributeError, OSError):  # not on Windows, and not in every container
        return available_cores()
    return max(1, available_cores() - int(load))
