"""Gates: figures that a run must reach, or it ends with exit code 1.

A gate is written ``accuracy=0.9``, or ``recall.trash=0.7`` for one class; a bare number is the accuracy.
Figures of which less is better (log loss, Brier score, calibration error) must not exceed their bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from transferkit.errors import Faults, GateError, did_you_mean, fault

if TYPE_CHECKING:
    from transferkit.evaluation.evaluation import Evaluation

__all__ = ["Gate", "check", "parse"]

_LESS_IS_BETTER = {"log_loss", "brier", "expected_calibration_error"}
_WHOLE = (
    "accuracy", "average_precision_macro", "balanced_accuracy", "brier", "expected_calibration_error",
    "f1_macro", "f1_micro", "f1_samples", "f1_weighted", "hamming_accuracy", "kappa", "log_loss",
    "precision_macro", "precision_micro", "precision_samples", "precision_weighted",
    "recall_macro", "recall_micro", "recall_samples", "recall_weighted", "roc_auc_macro",
)  # fmt: skip
_OF_A_CLASS = ("average_precision", "f1", "precision", "recall", "roc_auc")


@dataclass(frozen=True)
class Gate:
    """One demand.

    Attributes:
        figure: a key of ``Evaluation.metrics``, or a column of its per-class table.
        of_class: the class for a per-class figure, else None.
        bound: what the figure must reach, or must not exceed where less is better.
    """

    figure: str
    of_class: str | None
    bound: float

    @property
    def name(self) -> str:
        """As the user writes it: ``accuracy`` or ``recall.trash``."""
        return self.figure if self.of_class is None else f"{self.figure}.{self.of_class}"


def parse(
    wanted: str | float | Mapping[str, float] | None, classes: Sequence[str] | None = None
) -> tuple[Gate, ...]:
    """Reads gates and checks their names, so that a misspelt one is found before the training and not after.

    Args:
        wanted: ``"accuracy=0.9,recall.trash=0.7"``, ``"0.9"``, ``0.9`` or a mapping of names to bounds. Class
            names may hold dots, equal signs and commas. None and ``""`` are no gates.
        classes: the known classes, where they are known: others are refused.

    Raises:
        UserError: all faults at once: an unknown figure or class, a bound that is no number or out of reach.
    """
    gates, faults = [], Faults()
    for name, value in _pairs(wanted):
        figure, _, rest = name.partition(".")
        of_class = rest or None
        gate_fault, bound = _fault(name, figure, of_class, value, classes)
        if gate_fault:
            faults.append(gate_fault)
        else:
            gates.append(Gate(figure, of_class, bound))
    faults.refuse()
    return tuple(gates)


def check(evaluation: Evaluation, gates: Sequence[Gate]) -> None:
    """Raises what fell short.

    Raises:
        GateError: one line a gate that does not hold, all of them.
        UserError: a gate on a class or a figure that this evaluation does not have.
    """
    short, faults = [], Faults()
    for gate in gates:
        if gate.of_class is not None:
            rows = {row.name: row for row in evaluation.per_class}
            if gate.of_class not in rows:
                one_of = f"a class of the data: {', '.join(rows)}"
                faults.append(
                    fault(f"gate {gate.name}", gate.of_class, one_of, did_you_mean(gate.of_class, rows))
                )
                continue
            value = getattr(rows[gate.of_class], gate.figure)
        elif gate.figure in evaluation.metrics:
            value = evaluation.metrics[gate.figure]
        else:
            hint = did_you_mean(gate.figure, evaluation.metrics)
            faults.append(fault(f"gate {gate.name}", gate.figure, "a figure of this evaluation", hint))
            continue
        most = gate.figure in _LESS_IS_BETTER
        demand = f"{'at most' if most else 'at least'} {gate.bound:g}"
        if value is None:
            short.append(f"gate {gate.name}: not defined on these images, expected {demand}")
        elif (value > gate.bound) if most else (value < gate.bound):
            short.append(f"gate {gate.name}: reached {_shown(value, gate.bound)}, expected {demand}")
    faults.refuse()
    if short:
        raise GateError(*short)


def _pairs(wanted: str | float | Mapping[str, float] | None) -> list[tuple[str, object]]:
    if wanted is None or wanted == "":
        return []
    if isinstance(wanted, Mapping):
        return list(wanted.items())
    if isinstance(wanted, int | float):
        return [("accuracy", wanted)]
    pairs: list[tuple[str, object]] = []
    before = ""
    pieces = wanted.split(",")
    for i, piece in enumerate(pieces):
        text = before + piece
        # A piece without a value is the front of a class name that holds a comma, unless it is a number.
        if "=" not in piece and not _is_number(text) and i + 1 < len(pieces):
            before = text + ","
            continue
        before = ""
        name, sign, value = text.rpartition("=")
        pairs.append((name.strip(), value.strip()) if sign else ("accuracy", text.strip()))
    return pairs


def _fault(
    name: str, figure: str, of_class: str | None, value: object, classes: Sequence[str] | None
) -> tuple[str | None, float]:
    """What is wrong with one gate, or None, and its bound."""
    place = f"gate {name}" if name else "gate"
    known = _OF_A_CLASS if of_class is not None else _WHOLE
    top_k = of_class is None and figure.startswith("top_") and figure.endswith("_accuracy")
    if figure not in known and not top_k:
        expected = (
            f"a figure {'of one class' if of_class is not None else 'of the whole'}: {', '.join(known)}"
        )
        return fault(place, figure, expected, did_you_mean(figure, known)), 0.0
    if of_class is not None and classes is not None and of_class not in classes:
        expected = f"a class of the data: {', '.join(classes)}"
        return fault(place, of_class, expected, did_you_mean(of_class, classes)), 0.0
    if isinstance(value, bool) or not _is_number(value):
        return fault(place, value, "a number", f"write {name or 'accuracy'}=0.9"), 0.0
    bound = float(value)  # type: ignore[arg-type]
    lowest = -1.0 if figure == "kappa" else 0.0
    highest = {"log_loss": float("inf"), "brier": 2.0}.get(figure, 1.0)
    if not lowest <= bound <= highest:
        hint = f"{bound:g} percent is {bound / 100:g}" if 1 < bound <= 100 else None
        return fault(place, value, f"a number from {lowest:g} to {highest:g}", hint), 0.0
    return None, bound


def _is_number(value: object) -> bool:
    try:
        return float(value) == float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False


def _shown(value: float, bound: float) -> str:
    """As many digits as it takes to see that the value is not the bound."""
    for digits in range(4, 17):
        shown = f"{value:.{digits}f}"
        if float(shown) != bound:
            return shown
    return repr(value)
