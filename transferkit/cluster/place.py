"""Which worker this process is, of how many: as TF_CONFIG says, or Slurm's variables."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass

from transferkit.errors import UserError, fault
from transferkit.type_names import NamedValues

__all__ = ["Place", "read_place", "take_from_slurm"]

# The jobs of a cluster that train, in the order in which workers are numbered: the chief is worker 0.
_TRAINING = ("chief", "master", "worker")
# Slurm gives no ports: the job's number chooses one, so that two jobs on a node do not meet.
_FIRST_PORT, _PORTS = 20000, 12000
_SLURM = ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_STEP_NODELIST", "SLURM_STEP_TASKS_PER_NODE")


@dataclass(frozen=True)
class Place:
    """A worker's place among the workers of a job.

    Attributes:
        number: from 0; worker 0 is the chief.
        addresses: ``host:port`` of all workers, in the order of their numbers.
    """

    number: int
    addresses: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many workers there are."""
        return len(self.addresses)

    @property
    def is_chief(self) -> bool:
        """Whether this worker writes the run."""
        return self.number == 0

    def describe(self) -> str:
        """Ready for people.

        >>> Place(1, ("a:1", "b:1")).describe()
        'worker 1 of 2 (b:1)'
        """
        return f"worker {self.number} of {self.count} ({self.addresses[self.number]})"


def read_place(environment: Mapping[str, str] = os.environ) -> Place | None:
    """The place that TF_CONFIG gives this process; None where it names no cluster, or is malformed.

    What is wrong with it is said by the checks before a run.
    """
    try:
        told = json.loads(environment.get("TF_CONFIG") or "{}")
        cluster, task = told.get("cluster") or {}, told.get("task") or {}
        jobs = [(job, index) for job in _TRAINING for index in range(len(cluster.get(job) or ()))]
        addresses = tuple(str(cluster[job][index]) for job, index in jobs)
        return Place(jobs.index((str(task["type"]), int(task["index"]))), addresses)
    except (ValueError, AttributeError, TypeError, KeyError):
        return None


def take_from_slurm(environment: MutableMapping[str, str] = os.environ) -> bool:
    """Sets TF_CONFIG as Slurm's variables of a step say; False where they name no several tasks.

    Raises:
        UserError: they cannot be read.
    """
    if environment.get("TF_CONFIG") or not all(environment.get(name) for name in _SLURM):
        return False
    try:
        count = int(environment["SLURM_STEP_NUM_TASKS"])
        if count < 2:
            return False
        hosts = _hosts(environment["SLURM_STEP_NODELIST"])
        tasks = _tasks(environment["SLURM_STEP_TASKS_PER_NODE"])
        number = int(environment["SLURM_PROCID"])
        if len(hosts) != len(tasks) or sum(tasks) != count or not 0 <= number < count:
            raise ValueError("they do not agree with each other")
    except ValueError as error:
        shown = ", ".join(f"{name}={environment[name]}" for name in _SLURM)
        raise UserError(fault("devices.strategy", shown, "Slurm's variables of a step", str(error))) from None
    job = environment.get("SLURM_JOB_ID", "0")
    first = _FIRST_PORT + (int(job) if job.isdecimal() else 0) % _PORTS
    addresses = [
        f"{host}:{first + task}" for host, own in zip(hosts, tasks, strict=True) for task in range(own)
    ]
    told: NamedValues = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": number}}
    environment["TF_CONFIG"] = json.dumps(told)
    return True


def _hosts(text: str) -> list[str]:
    """Names of nodes, as Slurm shortens them.

    >>> _hosts("gpu[01-03,7],login")
    ['gpu01', 'gpu02', 'gpu03', 'gpu7', 'login']
    """
    found: list[str] = []
    for part in re.findall(r"(?:[^,\[]|\[[^\]]*\])+", text):
        pieces = re.split(r"\[([^\]]*)\]", part)
        made = [""]
        for place, piece in enumerate(pieces):
            ends = _numbers(piece) if place % 2 else [piece]
            made = [start + end for start in made for end in ends]
        found += made
    return found


def _numbers(text: str) -> list[str]:
    """What is in the brackets: numbers and ranges, with their leading zeros."""
    made: list[str] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not dash:
            made.append(first)
            continue
        made += [f"{number:0{len(first)}d}" for number in range(int(first), int(last) + 1)]
    return made


def _tasks(text: str) -> list[int]:
    """Tasks of each node.

    >>> _tasks("4(x2),3")
    [4, 4, 3]
    """
    made: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part.strip())
        if found is None:
            raise ValueError(f"{part!r} is no number of tasks")
        made += [int(found[1])] * int(found[2] or 1)
    return made
