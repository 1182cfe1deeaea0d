"""Small classes reach every split: where hashing alone would leave one out, a few images are moved there.

What is moved is chosen by the class's own hashes, so it is the same on every machine and in every order of
the files, and adding images moves at most a few back to where hashing alone puts them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

__all__ = ["fill_splits"]

# A class with one image trains on it, one with two is validated as well, one with three is tested.
_FIRST = ("train", "val", "test")


def fill_splits(
    drawn: Mapping[str, str],
    places: Mapping[str, float],
    classes: Mapping[str, Collection[str]],
    wanted: Collection[str],
    held: Iterable[tuple[str, str]] = (),
) -> dict[str, str]:
    """Moves as few units as possible so that each class is in each split that it has units for.

    A unit is what must not be divided: an image with its copies, or a group. A class with fewer units than
    splits is in the first of train, val and test. The smallest places go to val and test, as in the draw
    itself; the largest to train. A class whose units all belong to other classes too may still miss a split.

    Args:
        drawn: unit to the split that hashing gives it; only these are moved.
        places: unit to its place in [0, 1), from which the split was drawn.
        classes: unit to the names of its classes.
        wanted: the splits that are drawn.
        held: (class, split) of everything that stands, which is in no unit of ``drawn``.

    Returns:
        The units that are moved, with their splits.
    """
    units: dict[str, list[str]] = defaultdict(list)
    for unit in drawn:
        for name in classes[unit]:
            units[name].append(unit)
    standing = Counter(held)
    order = [split for split in _FIRST if split in wanted]
    needed = {name: set(_needed(order, len(of), name, standing)) for name, of in units.items()}
    moves = _Moves(drawn, classes, needed, standing)

    rarest_first = sorted(units, key=lambda name: (len(units[name]), name))
    # Train first and at any price: what it takes from another class's split is filled again afterwards.
    for name in rarest_first if "train" in wanted else ():
        if not moves.images(name, "train"):
            there = sorted(units[name], key=lambda unit: (moves.spare(unit), places[unit], unit))
            moves.put(there[-1], "train")
    for name in rarest_first:
        for split in ("test", "val"):
            if split not in needed[name] or moves.images(name, split):
                continue
            there = sorted(units[name], key=lambda unit: (places[unit], unit))
            chosen = next((unit for unit in there if moves.spare(unit)), None)
            if chosen is not None:
                moves.put(chosen, split)
    return moves.moved


class _Moves:
    """Units on their way to other splits, and how many each class has where.

    Attributes:
        moved: unit to its split, of those that are elsewhere than where hashing put them.
    """

    def __init__(
        self,
        drawn: Mapping[str, str],
        classes: Mapping[str, Collection[str]],
        needed: Mapping[str, Collection[str]],
        standing: Mapping[tuple[str, str], int],
    ) -> None:
        self._drawn, self._classes, self._needed = drawn, classes, needed
        self._count = Counter((name, split) for unit, split in drawn.items() for name in classes[unit])
        self._standing = Counter(standing)
        self.moved: dict[str, str] = {}

    def images(self, name: str, split: str) -> int:
        """How many units of a class are in a split, those that stand there included."""
        return self._count[name, split] + self._standing[name, split]

    def spare(self, unit: str) -> bool:
        """Whether no class of the unit misses it where it is."""
        split = self.moved.get(unit, self._drawn[unit])
        return all(
            split not in self._needed[name] or self.images(name, split) > 1 for name in self._classes[unit]
        )

    def put(self, unit: str, split: str) -> None:
        """Moves a unit."""
        for name in self._classes[unit]:
            self._count[name, self.moved.get(unit, self._drawn[unit])] -= 1
            self._count[name, split] += 1
        self.moved[unit] = split


def _needed(
    order: Sequence[str], units: int, name: str, standing: Mapping[tuple[str, str], int]
) -> list[str]:
    """The splits that a class with so many units of its own must be in."""
    there = [split for split in order if standing.get((name, split))]
    missing = [split for split in order if split not in there]
    return there + missing[:units]
