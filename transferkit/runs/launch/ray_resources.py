"""What each worker is given of a Ray cluster."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from transferkit.errors import Faults, fault

__all__ = ["actor_options", "default_resources", "describe", "read_resources"]

_KNOWN = ("CPU", "GPU", "memory")
_SPELLED = {name.lower(): name for name in _KNOWN}
_PLACE = "launch: --resources"
# Ray counts in units of this, and memory in bytes.
_LEAST = {"memory": 1.0}
_UNIT = 0.0001


def read_resources(text: str) -> dict[str, float]:
    """Amounts of Ray's resources, as an option gives them.

    Args:
        text: such as ``CPU=8,GPU=1``.

    Raises:
        UserError: says which of them cannot be read.

    >>> read_resources("CPU=8, GPU=1,memory=16e9")
    {'CPU': 8.0, 'GPU': 1.0, 'memory': 16000000000.0}
    """
    found: dict[str, float] = {}
    faults = Faults()
    for part in text.split(","):
        name, equals, amount = (one.strip() for one in part.partition("="))
        try:
            number = float(amount)
        except ValueError:
            number = math.nan
        if not name or not equals or not 0 <= number < math.inf:
            faults.append(fault(_PLACE, part.strip(), "NAME=AMOUNT, such as CPU=8"))
        elif 0 < number < (least := _LEAST.get(name, _UNIT)):
            faults.append(fault(_PLACE, part.strip(), f"0, or at least {least:g}"))
        elif name in found:
            faults.append(fault(_PLACE, name, "each resource once"))
        elif name not in _KNOWN and name.lower() in _SPELLED:
            faults.append(fault(_PLACE, name, f"Ray's spelling, {_SPELLED[name.lower()]}"))
        elif name == "GPU" and number > 1:
            faults.append(fault(_PLACE, part.strip(), "GPU=1 at most: a worker computes on one GPU"))
        found[name] = number
    wanted = {name: amount for name, amount in found.items() if amount}
    if not faults and not wanted:
        hint = "a worker that takes nothing has no place on the cluster"
        faults.append(fault(_PLACE, text, "more than 0 of at least one resource", hint))
    faults.refuse()
    return wanted


def default_resources(nodes: Sequence[Mapping[str, float]], workers: int) -> dict[str, float]:
    """An equal part of the machines for each worker: a GPU where there are enough, and all cores.

    >>> default_resources([{"CPU": 16.0}, {"CPU": 8.0}], 3)
    {'CPU': 8.0}
    >>> default_resources([{"CPU": 16.0, "GPU": 2.0}, {"CPU": 8.0}], 2)
    {'CPU': 8.0, 'GPU': 1.0}
    >>> default_resources([{"CPU": 2.0}], 8)
    {'CPU': 1.0}

    Args:
        nodes: what each machine of the cluster has.
        workers: how many there are to be.
    """
    gpus = [math.floor(node.get("GPU", 0)) for node in nodes]
    with_gpu = sum(gpus) >= workers
    cores = [math.floor(node.get("CPU", 0)) for node in nodes]

    def fits(each: int) -> bool:
        rooms = [own // each for own in cores]
        if with_gpu:
            rooms = [min(own, cards) for own, cards in zip(rooms, gpus, strict=True)]
        return sum(rooms) >= workers

    most = next((each for each in range(max(cores, default=1), 0, -1) if fits(each)), 1)
    return {"CPU": float(most), **({"GPU": 1.0} if with_gpu else {})}


def describe(resources: Mapping[str, float]) -> str:
    """Ready for people.

    >>> describe({"CPU": 8.0, "GPU": 0.5})
    'CPU=8,GPU=0.5'
    """
    return ",".join(f"{name}={amount:.12g}" for name, amount in resources.items()) or "nothing"


def actor_options(resources: Mapping[str, float]) -> dict[str, object]:
    """The same as options of an actor.

    >>> actor_options({"CPU": 8.0, "memory": 1e9, "fast_disk": 1.0})
    {'num_cpus': 8.0, 'num_gpus': 0, 'resources': {'fast_disk': 1.0}, 'memory': 1000000000}
    """
    own = {name: amount for name, amount in resources.items() if name not in _KNOWN}
    made: dict[str, object] = {"num_cpus": resources.get("CPU", 0), "num_gpus": resources.get("GPU", 0)}
    made["resources"] = own
    if "memory" in resources:
        made["memory"] = int(resources["memory"])
    return made
