"""Backbones ranked on the user's own photos: the best head on each, judged on folds of training images."""

from __future__ import annotations

import dataclasses
import json
import math
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from transferkit.code_permission import allowing
from transferkit.errors import UserError, fault
from transferkit.find_card import list_cards
from transferkit.recipe import Recipe, admit_code, load
from transferkit.runs.checks.supported import check_supported
from transferkit.tensorflow_startup import loading, start_tensorflow
from transferkit.training.images import Images
from transferkit.training.prepare_images import prepare
from transferkit.training.progress import Progress
from transferkit.type_names import Override

if TYPE_CHECKING:
    from transferkit.runs.best.judge import Passed
    from transferkit.transfer.network import Network

__all__ = ["Probe", "ProbeRow", "costs_of", "probe"]

# Images that speed is measured on, once the engine is warm.
_TIMED = 32
# What choosing the heads may take, as a share of all passes over the images, and in seconds for each.
_SHARE, _LEAST_SECONDS = 0.2, 2.0


@dataclass(frozen=True)
class ProbeRow:
    """One backbone.

    Attributes:
        backbone: its name.
        accuracy, low, high: cross-validated on the training images, with its 95 % interval.
        log_loss: in the same way.
        images_per_s: through the frozen backbone on this machine.
        gflops: of one image, in 1e9 operations; None where the inside is not visible.
        megabytes: of the weights of backbone and head in float32, about what an export takes.
        head: what was chosen.
        seconds: that the backbone took in all.
        front: no other one is as cheap and more accurate.
    """

    backbone: str
    accuracy: float
    low: float
    high: float
    log_loss: float
    images_per_s: float
    gflops: float | None
    megabytes: float
    head: str
    seconds: float
    front: bool = False


@dataclass(frozen=True)
class Probe:
    """What a probe found.

    Attributes:
        rows: the most accurate first.
        skipped: backbone to the reason why there is no row of it.
        images: training images that the figures come from.
        recommended: the backbone to take.
        sentence: why.
        command: what retrains it.
    """

    rows: tuple[ProbeRow, ...]
    skipped: dict[str, str]
    images: int
    recommended: str
    sentence: str
    command: str

    @property
    def costs(self) -> tuple[dict[str, float], str]:
        """What an answer of each backbone costs, by its name, and the unit."""
        return costs_of(self.rows)

    def to_json(self) -> str:
        """All of it."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"


def probe(
    data: str,
    backbones: Sequence[str] | None = None,
    budget: float | None = None,
    overrides: Sequence[Override] = (),
    quiet: bool = False,
    allow_code: bool = False,
) -> Probe:
    """Ranks backbones by what the best head on each reaches on held-out folds of the training images.

    Args:
        data: as ``data.path``. Only its training images are used; those of validation and test stay unseen.
        backbones: names; None for all whose weights are on this machine.
        budget: seconds that it may take; a backbone that there is no time for is left out.
        overrides: ``"key=value"`` of the recipe ``auto``.
        quiet: show no progress.
        allow_code: as of :func:`transferkit.retrain`.

    Raises:
        UserError: the data cannot be used, or no backbone can.
    """
    with allowing(allow_code):
        return _probe(data, backbones, budget, overrides, Progress(quiet))


def _probe(
    data: str,
    backbones: Sequence[str] | None,
    budget: float | None,
    overrides: Sequence[Override],
    progress: Progress,
) -> Probe:
    began = time.monotonic()
    first = admit_code(load("auto", [("data.path", data), *overrides]))
    check_supported(first)
    images = prepare(first, progress)
    for note in images.notes:
        progress.say(note)
    # Validation and test images must not decide which backbone is taken either.
    images = images.take(images.of_split("train"))
    with progress.stage("start", doing="loading TensorFlow and Keras"):
        start_tensorflow()
        with loading():
            from transferkit.backbones.weights.pretrained import at_hand
    kept = at_hand()
    names = list(dict.fromkeys(backbones if backbones is not None else kept))
    if not names:
        raise UserError(fault("--backbones", hint="no weights are on this machine; name some backbones"))
    passed, skipped = _pass_all(
        {name: name in kept for name in names},
        lambda name: admit_code(load("auto", [("data.path", data), *overrides], backbone=name)),
        images,
        progress,
        budget,
        began,
    )
    # The same time for each head, whatever its backbone: a head that is sought longer looks better.
    allowed = _SHARE * sum(one.pass_seconds for one in passed.values()) / max(len(passed), 1)
    rows: list[ProbeRow] = []
    right: dict[str, np.ndarray] = {}
    for number, (name, features) in enumerate(passed.items()):
        seconds = max(_LEAST_SECONDS, allowed)
        if budget is not None:
            left = budget - (time.monotonic() - began)
            seconds = min(seconds, max(1.0, left / (len(passed) - number) / 2))
        try:
            row, answers = _judge(name, features, seconds, progress)
        except UserError as error:
            skipped[name] = error.faults[0]
            progress.say(f"{name}: skipped: {error.faults[0]}")
            continue
        rows.append(row)
        right[name] = answers
        progress.say(f"{name}: accuracy {row.accuracy:.3f} ({row.low:.3f} to {row.high:.3f}), {row.head}")
    if not rows:
        raise UserError(*(fault("--backbones", name, hint=reason) for name, reason in skipped.items()))
    rows = _with_front(sorted(rows, key=lambda row: -row.accuracy))
    recommended, sentence = _recommended(rows, right)
    command = (
        f"transferkit retrain --recipe auto --backbone {recommended.backbone} --data {shlex.quote(data)}"
    )
    for one in overrides:
        command += f" --set {shlex.quote(one if isinstance(one, str) else f'{one[0]}={json.dumps(one[1])}')}"
    return Probe(tuple(rows), skipped, len(images), recommended.backbone, sentence, command)


def _pass_all(
    names: Mapping[str, bool],
    recipe_of: Callable[[str], Recipe],
    images: Images,
    progress: Progress,
    budget: float | None,
    began: float,
) -> tuple[dict[str, Passed], dict[str, str]]:
    """The images at the end of each backbone that there is time for, and why there are none of others.

    Args:
        names: of the backbones, and whether the weights of each are on this machine.
        recipe_of: the recipe that it is judged with.
        images: those that are passed.
        progress: shows them.
        budget: seconds that all may take.
        began: when the probe did.
    """
    from transferkit.runs.best.judge import pass_backbone

    passed: dict[str, Passed] = {}
    skipped: dict[str, str] = {}
    for name, is_here in names.items():
        slowest = max((one.seconds for one in passed.values()), default=0.0)
        left = None if budget is None else budget - (time.monotonic() - began)
        if _known(name) and not is_here:
            skipped[name] = "its weights are not on this machine; `transferkit retrain` fetches them"
        elif left is not None and passed and left < min(slowest, budget or 0.0) / 2:
            skipped[name] = "there was no time for it; raise --budget"
        else:
            try:
                passed[name] = pass_backbone(recipe_of(name), images, progress)
            except UserError as error:
                skipped[name] = error.faults[0]
        if name in skipped:
            progress.say(f"{name}: skipped: {skipped[name]}")
    return passed, skipped


def _judge(name: str, passed: Passed, seconds: float, progress: Progress) -> tuple[ProbeRow, np.ndarray]:
    """One backbone's row, and which images it answered rightly when they were held out."""
    from transferkit.runs.best.judge import choose_head

    began = time.monotonic()
    # Before the head leaves out levels: a pass is one of all of them.
    speed = _speed(passed.network, passed.parts.backbone.input_size, passed.parts.recipe)
    judged = choose_head(passed, progress, seconds)
    chosen = judged.facts
    count = sum(
        math.prod(one.shape) for one in (*passed.parts.backbone.variables, *passed.parts.layer.weights)
    )
    row = ProbeRow(
        backbone=name,
        accuracy=chosen["accuracy"],
        low=chosen["accuracy_low"],
        high=chosen["accuracy_high"],
        log_loss=chosen["log_loss"],
        images_per_s=speed,
        gflops=judged.gflops,
        megabytes=4 * count / 1e6,
        head=" + ".join(chosen["members"]),
        seconds=passed.seconds + time.monotonic() - began,
    )
    return row, judged.answers.right


def _known(name: str) -> bool:
    """Whether it is a card's name, whose weights may have to be fetched."""
    return any(card.name == name and card.handle is None for card in list_cards())


def _speed(network: Network, size: tuple[int, int], recipe: Recipe) -> float:
    """Images/s through the frozen backbone by the engine that is chosen for it, without reading files."""
    from transferkit.activations.cache import Cache
    from transferkit.activations.engines.choose_engine import choose_engine

    cut = network.cut if network.cut.kept_as is None else network.cut.kept_as
    pixels = np.random.default_rng(0).integers(0, 256, (_TIMED, *size, 3), dtype=np.uint8)
    engine = choose_engine(cut, size, pixels, recipe.activations.engine, Cache(recipe.activations.cache_dir))
    engine(pixels[:8])
    began = time.perf_counter()
    engine(pixels)
    return _TIMED / (time.perf_counter() - began)


def costs_of(rows: Sequence[ProbeRow]) -> tuple[dict[str, float], str]:
    """What an answer of each backbone costs, by its name, and the unit.

    Operations; where those of one are unknown, the time of all, since the two cannot be compared.
    """
    known = {row.backbone: row.gflops for row in rows if row.gflops is not None}
    if len(known) == len(rows):
        return known, "GFLOPs an image"
    return {row.backbone: 1 / max(row.images_per_s, 1e-9) for row in rows}, "seconds an image on this machine"


def _with_front(rows: Sequence[ProbeRow]) -> list[ProbeRow]:
    """The rows, each with whether none is as cheap and more accurate, or as accurate and cheaper."""
    cost, _ = costs_of(rows)

    def beaten(row: ProbeRow) -> bool:
        own = cost[row.backbone], -row.accuracy
        others = ((cost[other.backbone], -other.accuracy) for other in rows)
        return any(other[0] <= own[0] and other[1] <= own[1] and other != own for other in others)

    return [dataclasses.replace(row, front=not beaten(row)) for row in rows]


def _recommended(rows: Sequence[ProbeRow], right: dict[str, np.ndarray]) -> tuple[ProbeRow, str]:
    """The cheapest backbone within one standard error of the most accurate one, and why."""
    best, (cost, _) = rows[0], costs_of(rows)
    able = [row for row in rows if _level(right[row.backbone], right[best.backbone])]
    taken = min(able, key=lambda row: (cost[row.backbone], -row.accuracy))
    if len(rows) == 1:
        return taken, f"{taken.backbone} reaches {taken.accuracy:.1%}; it is the only one that was tried."
    if taken is best:
        return (
            taken,
            f"Take {taken.backbone}: at {taken.accuracy:.1%} the most accurate; no cheaper one comes near.",
        )
    return taken, (
        f"Take {taken.backbone}: its {taken.accuracy:.1%} and the {best.accuracy:.1%} of {best.backbone} "
        f"differ by less than a standard error, and it costs "
        f"{cost[best.backbone] / cost[taken.backbone]:.1f} times less."
    )


def _level(right: np.ndarray, best: np.ndarray) -> bool:
    """Whether the mean difference on the same images is within its own standard error."""
    if right.shape != best.shape:
        return False
    difference = best - right
    return float(difference.mean()) <= float(difference.std()) / math.sqrt(len(difference))
