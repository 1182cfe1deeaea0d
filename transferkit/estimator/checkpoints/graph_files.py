"""``graph.pbtxt`` and the ``.meta`` file of each checkpoint, for what reads the graph from there."""

from __future__ import annotations

import contextlib
import logging
import os

import tensorflow as tf

from transferkit.estimator.graph.mode_graph import Traced
from transferkit.estimator.graph.session_graph import session_graph
from transferkit.estimator.variables.variables import VariableStore

__all__ = ["GraphFiles"]

_log = logging.getLogger("transferkit")


class GraphFiles:
    """The files of one training graph: made once, and linked beside each checkpoint.

    Args:
        traced: the training graph.
        store: its variables.
        folder: the model_dir.
    """

    def __init__(self, traced: Traced, store: VariableStore, folder: str) -> None:
        self._last: str | None = None
        self._meta: bytes | None = None
        try:
            made = session_graph(traced, store)
            meta = made.meta_graph()
        except (TypeError, ValueError, KeyError, NotImplementedError, tf.errors.OpError) as error:
            _log.warning("no graph.pbtxt and no .meta file: %s", str(error).splitlines()[0])
            return
        self._meta = meta.SerializeToString()
        os.makedirs(folder, exist_ok=True)
        _write(os.path.join(folder, "graph.pbtxt"), str(meta.graph_def).encode())

    def beside(self, prefix: str) -> None:
        """Puts the ``.meta`` file beside the checkpoint ``prefix``."""
        if self._meta is None:
            return
        path = f"{prefix}.meta"
        if self._last is not None and self._last != path:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            with contextlib.suppress(OSError):
                os.link(self._last, path)
                self._last = path
                return
        # The first one; or the last one is gone, or the disk has no links.
        _write(path, self._meta)
        self._last = path


def _write(path: str, content: bytes) -> None:
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "wb") as file:
        file.write(content)
    os.replace(temporary, path)
