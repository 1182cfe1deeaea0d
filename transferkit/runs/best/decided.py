"""What a choice has decided so far, as a file: a process that was killed goes on after its last step."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from transferkit._version import __version__
from transferkit.errors import UserError
from transferkit.files.array_file import read_arrays, write_arrays
from transferkit.recipe import Recipe
from transferkit.runs.best.answers import Answers
from transferkit.runs.best.judge import Judged
from transferkit.runs.best.staircase import Step
from transferkit.training.images import Images
from transferkit.type_names import NamedValues

__all__ = ["Decided", "forget_decided", "key_of", "read_decided", "write_decided"]

_FILE = "decided.npz"
_FACTS = "facts"
# The parts of answers that are arrays of numbers.
_NUMBERS = ("right", "losses", "groups", "counted")


@dataclass
class Decided:
    """The state of a choice between two steps.

    Attributes:
        steps: those that are done.
        values: of the recipe, dotted key to value: what is kept.
        loss_of: log loss of each backbone by itself.
        seconds_of: that a pass of all images took through it, where they passed now.
        kept: the head that is kept.
        standing: what its recipe answers, or that of what took its place.
        spent: seconds.
    """

    steps: list[Step] = field(default_factory=list)
    values: NamedValues = field(default_factory=dict)
    loss_of: dict[str, float] = field(default_factory=dict)
    seconds_of: dict[str, float] = field(default_factory=dict)
    kept: Judged | None = None
    standing: Answers | None = None
    spent: float = 0.0


def key_of(recipe: Recipe, images: Images) -> list[str]:
    """What decisions rest on: another recipe, other images or the rules of another version make them
    worthless."""
    return [__version__, recipe.sha256(), *(f"{row.sha256} {row.name} {row.split}" for row in images.rows)]


def write_decided(folder: Path, decided: Decided, key: list[str]) -> None:
    """Writes the state, whole or not at all.

    Args:
        folder: of the choice.
        decided: the state.
        key: of :func:`key_of`.
    """
    kept, standing = decided.kept, decided.standing
    facts: NamedValues = {
        "key": key,
        "steps": [asdict(one) for one in decided.steps],
        "values": decided.values,
        "loss_of": decided.loss_of,
        "seconds_of": decided.seconds_of,
        "spent": decided.spent,
    }
    arrays: dict[str, np.ndarray] = {}
    if kept is not None and standing is not None:
        facts |= {
            "judged": {name: getattr(kept, name) for name in _JUDGED},
            "names": list(kept.answers.names),
            "standing": list(standing.names),
        }
        arrays["held"] = kept.held
        for title, one in (("answers", kept.answers), ("linear", kept.linear), ("standing", standing)):
            arrays |= {f"{title}:{name}": getattr(one, name) for name in _NUMBERS}
    arrays[_FACTS] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    write_arrays(folder / _FILE, arrays)


_JUDGED = ("facts", "pass_seconds", "computed", "gflops", "seconds")


def forget_decided(folder: Path) -> None:
    """Removes what a choice that has come to its end has decided."""
    (folder / _FILE).unlink(missing_ok=True)


def read_decided(folder: Path | None, key: list[str]) -> Decided:
    """What :func:`write_decided` wrote; nothing decided where there is no file, or one of something else.

    Args:
        folder: of the choice; None where nothing is kept.
        key: of :func:`key_of`.
    """
    if folder is None or not (folder / _FILE).exists():
        return Decided()
    try:
        arrays = read_arrays(folder / _FILE)
        facts = json.loads(arrays[_FACTS].tobytes())
        return _decided(facts, arrays) if facts["key"] == key else Decided()
    except (UserError, ValueError, KeyError, TypeError):
        return Decided()  # what cannot be read is decided again


def _decided(facts: NamedValues, arrays: Mapping[str, np.ndarray]) -> Decided:
    decided = Decided(
        [Step(**one) for one in facts["steps"]],
        facts["values"],
        facts["loss_of"],
        facts["seconds_of"],
        spent=facts["spent"],
    )
    if "judged" in facts:

        def answers(title: str, names: list[str]) -> Answers:
            return Answers(tuple(names), *(arrays[f"{title}:{name}"] for name in _NUMBERS))

        decided.kept = Judged(
            answers=answers("answers", facts["names"]),
            linear=answers("linear", facts["names"]),
            held=arrays["held"],
            **facts["judged"],
        )
        decided.standing = answers("standing", facts["standing"])
    return decided
