"""What a step's operations took, for hooks that ask for a full trace as sessions took it.

TensorFlow's profiler watches the step; what it tells of the operations becomes the ``step_stats`` of a
``RunMetadata``, which ``ProfilerHook`` turns into a timeline.
"""

from __future__ import annotations

import glob
import tempfile
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import xplane_pb2

__all__ = ["profiled", "wants_trace"]

v1 = tf.compat.v1


def wants_trace(options: Any) -> bool:
    """Whether a hook's ``RunOptions`` ask for a trace of the step."""
    return options is not None and options.trace_level != v1.RunOptions.NO_TRACE


def profiled(run: Callable[[], Any]) -> tuple[Any, Any]:
    """What ``run`` gives, and the ``RunMetadata`` of its operations; empty where a profiler runs already."""
    with tempfile.TemporaryDirectory() as folder:
        levels = tf.profiler.experimental.ProfilerOptions(host_tracer_level=2, python_tracer_level=0)
        try:
            tf.profiler.experimental.start(folder, levels)
        except (tf.errors.AlreadyExistsError, tf.errors.UnavailableError):
            return run(), v1.RunMetadata()
        try:
            result = run()
        finally:
            tf.profiler.experimental.stop()
        metadata = v1.RunMetadata()
        for path in glob.glob(f"{folder}/**/*.xplane.pb", recursive=True):
            with open(path, "rb") as file:
                space = xplane_pb2.XSpace.FromString(file.read())
            for plane in space.planes:
                _enter(metadata.step_stats, plane)
        return result, metadata


def _enter(stats: Any, plane: Any) -> None:
    """Adds the operations of a device: events named ``name:Kind``."""
    device = None
    for thread, line in enumerate(plane.lines):
        for event in line.events:
            name, colon, kind = plane.event_metadata[event.metadata_id].name.rpartition(":")
            if not colon or not name or not kind[:1].isupper() or " " in kind or "::" in f"{name}:{kind}":
                continue
            device = device or stats.dev_stats.add(device="/job:localhost/replica:0/task:0" + plane.name[5:])
            start = line.timestamp_ns // 1000 + event.offset_ps // 1_000_000
            device.node_stats.add(
                node_name=name,
                timeline_label=f"{name} = {kind}()",
                thread_id=thread,
                all_start_micros=start,
                op_end_rel_micros=max(1, event.duration_ps // 1_000_000),
                all_end_rel_micros=max(1, event.duration_ps // 1_000_000),
            )
