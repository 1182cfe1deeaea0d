"""An optimizer's moments, kept beside the weights that they belong to, and carried into the next phase."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from transferkit.errors import UserError, fault
from transferkit.files.array_file import read_arrays, write_arrays
from transferkit.optimizers.make_optimizer import batches_seen
from transferkit.type_names import Variable

if TYPE_CHECKING:
    from transferkit.keras_import import keras

__all__ = ["Slots"]


class Slots:
    """The moments of an optimizer by the variable that they move.

    Variables are known by their place in the list of what a phase trains: Keras may number their names
    differently in another process. Gradients that are still being accumulated and running averages of the
    weights are no moments: they belong to the phase that made them.

    Args:
        optimizer: not built yet; it is built here.
        variables: what the phase trains, in a fixed order.

    Raises:
        UserError: the optimizer keeps something that belongs to no single variable (Adafactor, Nadam), so it
            cannot be told apart by variables.
    """

    def __init__(self, optimizer: keras.Optimizer, variables: Sequence[Variable]) -> None:
        self.optimizer = optimizer
        self.variables = list(variables)
        self._slots: dict[tuple[int, str], Any] = {}
        places = {id(variable): place for place, variable in enumerate(self.variables)}
        add = optimizer.add_variable_from_reference
        apart: list[Any] = []

        def noted(reference_variable: Any, name: Any = None, *args: Any, **kwargs: Any) -> Any:
            made = add(reference_variable, name, *args, **kwargs)
            if name in ("gradient_accumulator", "average"):
                apart.append(made)
            else:
                self._slots[places[id(reference_variable)], str(name)] = made
            return made

        from transferkit.private.keras_names import has_shared_state, rate_of

        optimizer.add_variable_from_reference = noted
        try:
            optimizer.build(self.variables)
        finally:
            del optimizer.add_variable_from_reference
        known = {id(one) for one in (*self._slots.values(), *apart, batches_seen(optimizer))}
        rate = rate_of(optimizer)
        rest = [one for one in optimizer.variables if id(one) not in known and one is not rate]
        if rest or has_shared_state(optimizer):
            raise UserError(
                fault(
                    "optimizer_state",
                    "carry",
                    f"'reset' with {type(optimizer).__name__.lower()}",
                    "its state does not belong to single variables",
                )
            )

    def write(self, path: Path) -> None:
        """Writes the moments and how many updates made each variable's."""
        done = int(self.optimizer.iterations.numpy())
        earlier = getattr(self.optimizer, "earlier_updates", {})
        arrays: dict[str, Any] = {
            f"{place}/{name}": np.asarray(slot) for (place, name), slot in self._slots.items()
        }
        for place, variable in enumerate(self.variables):
            arrays[f"{place}/updates"] = np.int64(done + earlier.get(variable.path, 0))
        write_arrays(path, arrays)

    def read(self, path: Path, variables: Sequence[Variable]) -> None:
        """Takes over the moments of the variables that both phases train; all others begin at zero.

        Args:
            path: what the earlier phase's :meth:`write` wrote.
            variables: what the earlier phase trained, in its order.
        """
        then = {id(variable): place for place, variable in enumerate(variables)}
        earlier = {}
        arrays = read_arrays(path)
        for (place, name), slot in self._slots.items():
            before = then.get(id(self.variables[place]))
            if before is not None:
                slot.assign(arrays[f"{before}/{name}"])
        for variable in self.variables:
            if id(variable) in then:
                earlier[variable.path] = int(arrays[f"{then[id(variable)]}/updates"])
        self.optimizer.earlier_updates = {name: count for name, count in earlier.items() if count}
