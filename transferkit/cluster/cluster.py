"""What the workers of a job do together: they add up arrays, and all else follows from that.

TensorFlow's MultiWorkerMirroredStrategy brings the workers in touch, as TF_CONFIG names them, and its
coordination service watches over them: where one dies, the sums that others wait for fail within seconds. Of
the strategy itself nothing else is used: each worker keeps plain variables, adds its gradients to those of
the others and takes the same step. All workers must ask for the same sums in the same order.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from transferkit.cluster.meeting import meet
from transferkit.cluster.place import Place, read_place
from transferkit.errors import UserError, fault
from transferkit.tensorflow_startup import start_tensorflow
from transferkit.type_names import Tensor, Variable

__all__ = ["Cluster", "ClusterError", "current", "joined"]

# Keys of sums among TensorFlow's own, which count from 1.
_GROUP, _EAGER, _IN_GRAPH = 7_340_001, 1_000_000, 1_000_000_000
# Numbers that are added up at once: 64 MB and their copies are held.
_AT_ONCE = 8 * 1024**2
# How long workers wait for each other at the beginning.
_JOIN_SECONDS = 600.0


class ClusterError(UserError):
    """Another worker of the job has ended, or never came: this one ends too."""

    exit_code = 1


class Cluster:
    """The workers of a job, seen from one of them.

    Args:
        place: of this worker.

    Attributes:
        place: the same.
    """

    def __init__(self, place: Place) -> None:
        import tensorflow as tf

        self.place = place
        try:
            # Kept alive: with it the connections end.
            with _own_termination():
                self._strategy = tf.distribute.MultiWorkerMirroredStrategy()
        except RuntimeError as error:
            if "program startup" not in str(error):
                raise
            hint = "TensorFlow has computed something already: a worker needs its own process"
            raise UserError(fault("TF_CONFIG", place.describe(), "a process that begins", hint)) from None
        self._eager, self._in_graph = _EAGER, _IN_GRAPH

    @property
    def is_chief(self) -> bool:
        """Whether this worker evaluates, exports and writes the run."""
        return self.place.is_chief

    @property
    def count(self) -> int:
        """How many workers there are."""
        return self.place.count

    def total(self, array: np.ndarray) -> np.ndarray:
        """The sum over workers of an array, which has the same shape and type on each.

        Args:
            array: float32, float64, int32 or int64.
        """
        flat = np.ascontiguousarray(array).reshape(-1)
        parts = [self._total(flat[start : start + _AT_ONCE]) for start in range(0, len(flat), _AT_ONCE)]
        return np.concatenate(parts).reshape(array.shape) if parts else array

    def barrier(self) -> None:
        """Waits until all workers are here."""
        self._total(np.zeros(1, np.float32))

    def part(self) -> None:
        """The end of what workers do together: each may end its process after this."""
        import tensorflow as tf

        self.barrier()
        # Who ends at once takes along what others are still to be told. Where this second sum fails, all have
        # had the first.
        with contextlib.suppress(tf.errors.OpError):
            self.barrier()

    def bytes_of(self, worker: int, data: bytes | None = None) -> bytes:
        """What one worker gives, on all of them.

        Args:
            worker: its number.
            data: what it gives; of the others nothing is asked.
        """
        own = (data or b"") if self.place.number == worker else b""
        length = int(self.total(np.array([len(own)], np.int64))[0])
        words = np.zeros(-(-length // 4), np.int32)
        words.view(np.uint8)[: len(own)] = np.frombuffer(own, np.uint8)
        # Integers, as a sum of floats would lose the sign of zero.
        return self.total(words).tobytes()[:length]

    def share(self, value: Any = None) -> Any:
        """What the chief gives, as JSON holds it, on all workers."""
        return json.loads(self.bytes_of(0, json.dumps(value).encode() if self.is_chief else None))

    def gather(self, value: Any) -> list[Any]:
        """What each worker gives, as JSON holds it, in the order of their numbers, on all workers."""
        own = json.dumps(value).encode()
        return [json.loads(self.bytes_of(worker, own)) for worker in range(self.count)]

    def settle(self, variables: Sequence[Variable]) -> None:
        """Gives all workers the chief's values of variables, bit for bit.

        Args:
            variables: the same on all workers, in one order.
        """
        for variable in variables:
            value = np.asarray(variable)
            told = self.bytes_of(0, value.tobytes() if self.is_chief else None)
            if not self.is_chief:
                variable.assign(np.frombuffer(told, value.dtype).reshape(value.shape))

    def key(self) -> int:
        """A key for the sums of one traced step; asked for in one order on all workers."""
        self._in_graph += 1
        return self._in_graph

    def total_in_graph(self, tensor: Tensor, key: int) -> Any:
        """As :meth:`total`, for one sum of a step that is traced; on the CPU, where the order is fixed.

        Args:
            tensor: float32 ``[n]``.
            key: of :meth:`key`.
        """
        import tensorflow as tf

        with tf.device("/cpu:0"):
            return _reduced(tensor, tf.constant(key), self.count)

    @contextlib.contextmanager
    def watched(self, hint: str) -> Iterator[None]:
        """Within it, the failure of a sum is said in one line.

        Args:
            hint: how to go on.

        Raises:
            ClusterError: another worker has ended.
        """
        import tensorflow as tf

        try:
            yield
        except (
            tf.errors.UnavailableError,
            tf.errors.AbortedError,
            tf.errors.CancelledError,
            tf.errors.FailedPreconditionError,
            tf.errors.InternalError,
            tf.errors.DeadlineExceededError,
        ) as error:
            text = str(error)
            if "ollective" not in text and "task:" not in text:
                raise
            raise ClusterError(
                f"cluster: {self._ended(text)}: {self.place.describe()} ends too; {hint}"
            ) from None

    def _ended(self, text: str) -> str:
        """Which worker has ended, as far as TensorFlow says so."""
        found = re.search(r"reported from /job:(\w+)/(?:replica:\d+/)?task:(\d+)", text)
        number = None if found is None else self._number(found[1], int(found[2]))
        if number is None or number == self.place.number:
            # The chief keeps the service that watches: without it nobody knows more.
            return (
                "another worker has ended" if self.is_chief else "another worker has ended, perhaps the chief"
            )
        return f"worker {number} of {self.count} has ended"

    def _number(self, job: str, index: int) -> int | None:
        spec = self._strategy.cluster_resolver.cluster_spec().as_dict()
        address = (spec.get(job) or [])[index : index + 1]
        return self.place.addresses.index(address[0]) if address else None

    def _total(self, array: np.ndarray) -> np.ndarray:
        import tensorflow as tf

        self._eager += 1
        with tf.device("/cpu:0"):
            return np.asarray(_summed(self.count)(tf.constant(array), tf.constant(self._eager)))


def _reduced(tensor: Tensor, key: Any, count: int) -> Any:
    import tensorflow as tf

    return tf.raw_ops.CollectiveReduceV2(
        input=tensor,
        group_size=count,
        group_key=_GROUP,
        instance_key=key,
        ordering_token=[],
        merge_op="Add",
        final_op="Id",
        communication_hint="ring",
    )


@contextlib.contextmanager
def _own_termination() -> Iterator[None]:
    """Keeps what SIGTERM does: TensorFlow takes it for a hint of the scheduler, and the process goes on."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


@functools.cache
def _summed(count: int) -> Any:
    """The traced sum: one function, whatever the length."""
    import tensorflow as tf

    return tf.function(
        lambda tensor, key: _reduced(tensor, key, count), autograph=False, reduce_retracing=True
    )


_joined: Cluster | None = None


def current() -> Cluster | None:
    """The cluster that this process has joined."""
    return _joined


def joined(say: Callable[[str], None], seconds: float = _JOIN_SECONDS) -> Cluster:
    """The cluster that this process belongs to, of which it can have one; waits until all workers are there.

    Args:
        say: is given a line where that takes long.
        seconds: how long to wait at most.

    Raises:
        UserError: TF_CONFIG names none, or TensorFlow has computed something before.
        ClusterError: a worker does not come.
    """
    global _joined
    place = read_place()
    if place is None:
        raise UserError(fault("TF_CONFIG", None, "a cluster that this process has a place in"))
    if _joined is None or _joined.place != place:
        start_tensorflow()
        missing = meet(place, say, seconds)
        if missing:
            hint = "see their logs, and whether their addresses can be reached from here"
            expected = f"all workers within {seconds:g} s"
            raise ClusterError(fault("cluster", ", ".join(missing), expected, hint))
        _joined = Cluster(place)
        _joined.barrier()
    return _joined
