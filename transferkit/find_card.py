"""Where cards are found, and how their files are read.

A user's own ``./backbones/NAME.toml`` is found before the shipped card of that name.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from transferkit.card import HANDLES, Card
from transferkit.errors import Faults, UserError, did_you_mean, fault
from transferkit.recipe_limits import check_text, read_bounded
from transferkit.shipped_files import shipped

__all__ = ["card_of", "hides_shipped", "is_shipped", "list_cards", "load_card", "no_card"]


def load_card(reference: str | Path) -> Card:
    """Reads one card.

    Args:
        reference: a name (``"mobilenet_v2"``), or the path of a card file.

    Raises:
        UserError: no such card (near names are offered), or the file has faults (all of them at once).
    """
    text = str(reference)
    if text.endswith(".toml") or "/" in text or "\\" in text:
        path = Path(text).expanduser()
        if not _is_file(path):
            raise UserError(fault("backbone", text, "the path of a card file (.toml)", "no such file"))
        return _read(path)
    for folder in _folders():
        path = folder / f"{text}.toml"
        if _is_file(path):
            return _read(path)
    raise UserError(fault("backbone", text, "the name of a card", no_card(text) or "its file cannot be read"))


def card_of(reference: str) -> Card | None:
    """The card that a backbone's reference names; None where it is a handle, such as ``hub:PATH``.

    Args:
        reference: as of :func:`transferkit.backbones.load_backbone`.

    Raises:
        UserError: it is neither, or the card has faults.
    """
    scheme, _, rest = reference.partition(":")
    if rest and scheme in HANDLES:
        return None
    if rest and scheme == "card":
        return load_card(rest if rest.endswith(".toml") else f"{rest}.toml")
    # With a slash before the colon it is a path, with a backslash after it one of Windows.
    if rest and "/" not in scheme and not rest.startswith("\\"):
        known = ("card", *HANDLES)
        shown = ", ".join(f"{one}:" for one in known)
        raise UserError(
            fault("backbone", reference, f"a card's name, or one of {shown}", did_you_mean(scheme, known))
        )
    return load_card(reference)


def no_card(name: str) -> str | None:
    """The hint where no card has this name: those that are near; else None."""
    names = _found()
    if name in names:
        return None
    return did_you_mean(name, names) or "see `transferkit backbones`"


def is_shipped(card: Card) -> bool:
    """Whether a card ships with transferkit."""
    return card.path.resolve().parent == shipped("cards").resolve()


def hides_shipped(name: str) -> Path | None:
    """The card in ``./backbones`` that stands in for the shipped one of its name; None where none does."""
    if not name or any(sign in name for sign in ":/\\"):
        return None
    own, ours = (folder / f"{name}.toml" for folder in _folders())
    if not (_is_file(own) and ours.is_file()) or own.resolve() == ours.resolve():
        return None
    return own


def list_cards() -> list[Card]:
    """All cards, the user's own and the shipped ones, by name.

    Raises:
        UserError: cards have faults (those of all cards at once).
    """
    cards: list[Card] = []
    faults = Faults()
    for path in _found().values():
        with faults.caught():
            cards.append(_read(path))
    faults.refuse()
    return cards


def _folders() -> tuple[Path, ...]:
    return (Path("backbones"), shipped("cards"))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _found() -> dict[str, Path]:
    found: dict[str, Path] = {}
    for folder in _folders():
        for path in folder.glob("*.toml"):
            found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def _read(path: Path) -> Card:
    try:
        text = read_bounded(path, path.name).decode("utf-8")
        check_text(text, path.name)
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(fault(path.name, hint=f"no valid TOML: {error}")) from None
    try:
        card = Card.model_validate(values)
    except ValidationError as error:
        raise UserError(*_faults(error, path)) from None
    card._path = path
    return card


def _faults(error: ValidationError, path: Path) -> list[str]:
    """One line for each of pydantic's faults, with near names for a field that is not known."""
    lines = []
    for one in error.errors(include_url=False, include_context=False):
        where = ".".join(str(part) for part in one["loc"])
        place = f"{path.name}: {where}" if where else path.name
        if one["type"] == "extra_forbidden":
            known = _fields_at(one["loc"][:-1])
            name = str(one["loc"][-1])
            lines.append(
                fault(
                    f"{place}",
                    name,
                    "a known field",
                    did_you_mean(name, known) or f"known: {', '.join(known)}",
                )
            )
        elif one["type"] == "missing":
            lines.append(fault(place, hint="expected a value, received none"))
        elif one["type"] == "value_error":
            lines.append(fault(place, hint=one["msg"].removeprefix("Value error, ")))
        else:
            lines.append(fault(place, one["input"], _lower(one["msg"])))
    return lines


def _fields_at(loc: tuple[Any, ...]) -> list[str]:
    model: type[BaseModel] = Card
    for part in loc:
        if not isinstance(part, str):
            continue
        annotation = model.model_fields[part].annotation
        nested = [annotation, *get_args(annotation)]
        model = next((t for t in nested if isinstance(t, type) and issubclass(t, BaseModel)), model)
    return sorted(model.model_fields)


def _lower(message: str) -> str:
    """Pydantic's sentence as the tail of ours: `Input should be a valid integer` → `a valid integer`."""
    return message.removeprefix("Input should be ").removesuffix(".")
