"""What programs ask of ``params['context']`` on a TPU."""

from __future__ import annotations

from typing import Any

__all__ = ["TPUContext"]


class TPUContext:
    """How many replicas and hosts there are, and which host this is.

    Args:
        replicas: replicas of all hosts.
        hosts: how many hosts.
        host: which one this is.
        mode: the mode that is run.
    """

    def __init__(self, replicas: int, hosts: int, host: int, mode: str) -> None:
        self.num_replicas, self.num_hosts, self.current_host, self.mode = replicas, hosts, host, mode

    @property
    def num_of_replicas_per_host(self) -> int:
        """Replicas of one host."""
        return self.num_replicas // self.num_hosts

    def current_input_fn_deployment(self) -> tuple[Any, int, int, int]:
        """``(device, which call of input_fn, calls in all, replicas that one call feeds)``."""
        return "/cpu:0", self.current_host, self.num_hosts, self.num_of_replicas_per_host
