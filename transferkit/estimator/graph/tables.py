"""Lookup tables of a model: which an export has to carry, and which have no place in one.

Tables whose contents never change (vocabularies) may be made inside model_fn, in the serving input receiver,
or outside and captured; an export carries them, with their vocabulary files as assets. Tables that change
while they are used keep their contents in the process: checkpoints do not hold them. Made outside of model_fn
they are shared by all modes and exported as they stand; made inside, each mode has an empty one of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from transferkit.errors import fault
from transferkit.estimator.live_objects import live_instances
from transferkit.private.tensorflow_attributes import resource_handle
from transferkit.private.tensorflow_names import CapturableResource

__all__ = ["captured_resources", "check_tables", "warn_of_tables"]

_log = logging.getLogger("transferkit")

_MEND = "make it outside of model_fn, or use a table of fixed contents"


def captured_resources(graphs: Sequence[Any], known: Sequence[Any]) -> list[Any]:
    """Tables and the like that were made outside of ``graphs`` and captured, but for those that are known."""
    handles = {id(outer) for graph in graphs for outer, _ in graph.captures}
    seen = {id(one) for one in known}
    return [
        one
        for one in live_instances(CapturableResource)
        if id(resource_handle(one)) in handles and id(one) not in seen
    ]


def _changing(graph: Any) -> list[str]:
    return [op.name for op in graph.get_operations() if "Mutable" in op.type and "Table" in op.type]


def warn_of_tables(graph: Any) -> None:
    """Says which tables of ``graph`` lose their contents."""
    for name in _changing(graph):
        _log.warning(
            "%s is a table of one mode alone, and its contents are in no checkpoint: %s", name, _MEND
        )


def check_tables(graph: Any) -> None:
    """Raises ValueError for a table that an export cannot carry."""
    for name in _changing(graph):
        raise ValueError(fault("export_saved_model", name, "no table that changes", _MEND))
