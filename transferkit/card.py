"""Backbone cards: what there is to know about a backbone, as data.

A card is a TOML file ``NAME.toml``; the name of the backbone is the name of the file. It either names a
``constructor`` (a function of ``keras.applications``, or one of transferkit's own) or a ``handle``
(``hub:``, ``saved_model:``, ``keras_file:``, ``keras_hub:``, ``hf:``, ``kaggle:``), and states the facts
that a user chooses by and that the adapters work from. It holds no logic. A test builds every shipped card
and compares each fact with the built model.

A user's own ``./backbones/NAME.toml`` is found before the shipped card of that name.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from transferkit.errors import UserError, did_you_mean, fault
from transferkit.recipe_limits import check_text, read_bounded
from transferkit.shipped_files import shipped

__all__ = [
    "HANDLES",
    "NORMALISATIONS",
    "Card",
    "InnerScale",
    "Normalisation",
    "Weights",
    "card_of",
    "hides_shipped",
    "is_shipped",
    "list_cards",
    "load_card",
]

Normalisation = Literal["tf", "torch", "caffe", "unit", "lite", "none"]

# What each normalisation makes of a pixel of 0..255: the range of the values, and in words.
NORMALISATIONS: dict[str, tuple[tuple[float, float], str]] = {
    "tf": ((-1.0, 1.0), "RGB, x / 127.5 - 1"),
    "torch": ((-2.118, 2.64), "RGB, x / 255, less the ImageNet mean, by the ImageNet deviation"),
    "caffe": ((-123.68, 151.061), "BGR, less the ImageNet mean"),
    "unit": ((0.0, 1.0), "RGB, x / 255"),
    "lite": ((-127 / 128, 1.0), "RGB, (x - 127) / 128"),
    "none": ((0.0, 255.0), "RGB, unchanged (the network rescales inside)"),
}

# What a reference may begin with, before a colon, when it is no card's.
HANDLES = ("hf", "hub", "kaggle", "keras_file", "keras_hub", "saved_model")

Size = tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Weights(_Strict):
    """Where the pretrained weights come from.

    ``file`` names a file beside the card, or with ``package`` a file that this installed package brings.
    Without it a ``keras.applications`` constructor gets its ImageNet weights from ``source`` through Keras's
    own cache.
    """

    source: str = Field(description="web address or, for weights made here, the script that makes them")
    licence: str
    cached_as: str | None = Field(
        None, description="name in Keras's cache, where it is not source's last part"
    )
    file: str | None = Field(None, description="weights file beside the card, or below the package's folder")
    package: str | None = Field(None, description="name of the distribution that brings the file")
    extra: str | None = Field(None, description="extra of transferkit that installs the package")
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$", description="of the file, compared before use")
    data: str = Field("ImageNet-1k", description="what the weights were trained on")


class InnerScale(_Strict):
    """A factor for each channel that Keras puts after a layer only when it loads its ImageNet weights.

    EfficientNet (not V2) has one: its weights were trained with a normalisation that divides by the
    deviation once more than the layer that was to do it.
    """

    after: str
    factors: tuple[float, float, float]


class Card(_Strict):
    """The facts of one backbone.

    Attributes:
        name: the file's name without ``.toml``.
        path: the file itself.
        size, minimum: height and width in pixels.
        feature_width: length of the pooled feature vector.
        parameters: number of weights without any classification top, moving statistics included.
        gflops: forward cost of one image at ``size`` in 1e9 operations; a multiply-add counts as two.
        imagenet_top1: share of ImageNet's validation images named rightly, where ``paper`` or the
            documentation of the weights states it.
        stages: from the input up, each with the layer whose output ends it.
    """

    summary: str = Field(min_length=1)
    constructor: str | None = None
    handle: str | None = None
    arguments: dict[str, float | int | bool | str] = Field(default_factory=dict)
    family: str = Field(min_length=1)
    size: Size
    minimum: Size | None = None
    normalisation: Normalisation = "none"
    inner_scale: InnerScale | None = None
    feature_width: int = Field(gt=0)
    parameters: int = Field(gt=0)
    gflops: float | None = Field(None, gt=0)
    imagenet_top1: float | None = Field(None, gt=0, lt=1)
    licence: str = Field(min_length=1, description="licence of the architecture's code")
    paper: str | None = None
    notes: str | None = None
    weights: Weights | None = None
    stages: dict[str, str] = Field(default_factory=dict)

    _path: Path = PrivateAttr()

    @property
    def name(self) -> str:
        return self._path.stem

    @property
    def path(self) -> Path:
        return self._path

    @property
    def pixel_range(self) -> tuple[float, float]:
        """Least and greatest value that the network sees after its normalisation."""
        return NORMALISATIONS[self.normalisation][0]

    @property
    def weights_from(self) -> str | None:
        """Where the pretrained weights come from, in a word: shipped, a package, Kaggle, or a download."""
        if self.weights is None:
            return None
        if self.weights.package is not None:
            return "package"
        if self.weights.file is not None:
            return "shipped"
        return "Kaggle" if self.weights.source.startswith("kaggle:") else "download"

    @property
    def weights_file(self) -> Path | None:
        """The weights file beside the card, where the card names one."""
        if self.weights is None or self.weights.file is None or self.weights.package is not None:
            return None
        return self._path.parent / self.weights.file

    @model_validator(mode="after")
    def _agrees(self) -> Card:
        if (self.constructor is None) == (self.handle is None):
            raise ValueError("expected exactly one of 'constructor' and 'handle'")
        if self.minimum and any(
            least > default for least, default in zip(self.minimum, self.size, strict=True)
        ):
            raise ValueError(f"expected minimum no larger than size {list(self.size)}")
        ends = list(self.stages.values())
        twice = sorted({layer for layer in ends if ends.count(layer) > 1})
        if twice:
            raise ValueError(
                f"expected each stage to end at another layer, received {', '.join(twice)} twice"
            )
        return self


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
    faults: list[str] = []
    for path in _found().values():
        try:
            cards.append(_read(path))
        except UserError as error:
            faults += error.faults
    if faults:
        raise UserError(*faults)
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
