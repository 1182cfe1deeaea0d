"""How many cores this process may use, and how many are idle."""

from __future__ import annotations

import os
import time

__all__ = ["available_cores", "idle_cores"]

_LOOK_SECONDS = 0.1


def available_cores() -> int:
    """Cores that this process may use; containers and ``taskset`` often grant fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def idle_cores() -> int:
    """Cores that nothing uses now, at least one.

    Threads of linear algebra wait for each other: on a machine whose cores others use, two of them take ten
    times as long as one. Linux is watched for a tenth of a second in which this thread waits, so that what
    the process did before does not count, as it does in the load average that other systems tell.
    """
    cores = available_cores()
    before = _ticks()
    if before is not None:
        time.sleep(_LOOK_SECONDS)
        after = _ticks() or before
        passed = [(new[0] - old[0], new[1] - old[1]) for old, new in zip(before, after, strict=False)]
        idle = sum(waited / every for waited, every in passed if every)
        return min(cores, max(1, round(idle)))
    try:
        load = os.getloadavg()[0]
    except (AttributeError, OSError):  # not on Windows, and not in every container
        return cores
    return max(1, cores - int(load))


def _ticks() -> list[tuple[int, int]] | None:
    """For each core that this process may use, clock ticks without work and in all; None where not told."""
    try:
        with open("/proc/stat") as file:
            lines = [line.split() for line in file]
    except OSError:
        return None
    own = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    # user, nice, system, idle, iowait, irq, softirq, steal; guests are in the first two.
    counts = [[int(one) for one in line[1:9]] for line in lines if line and line[0] in own]
    return [(sum(one[3:5]), sum(one)) for one in counts] or None
