"""What to improve first: the one thing that helps a run most, with the command that does it.

The order is that of a careful colleague: what makes the figures worthless, then what makes the model
worthless, then what the weakest class lacks, then what training, data and probabilities lack.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from transferkit.errors import one_line
from transferkit.evaluation import Evaluation
from transferkit.report.facts import ReportFacts
from transferkit.report.verdict import baseline

__all__ = ["next_step"]

# A class with fewer training images than this share of the middle class's is a rare one.
_RARE = 0.5
_FAR_BELOW = 0.15
_WIDE = 0.12
_USELESS = 0.3
_OVERFITTED = 0.1
_MODEST = 0.9


def next_step(facts: ReportFacts) -> str | None:
    """A sentence; None where nothing was evaluated."""
    if facts.evaluation is None:
        return None
    return next(_steps(facts, facts.evaluation), "nothing stands out: try the model on new photos")


def _steps(facts: ReportFacts, found: Evaluation) -> Iterator[str]:
    data = "DATA"
    if facts.data is not None:
        data = shlex.quote(one_line(facts.data.source)) + one_line(facts.data.options)
    if facts.copied is not None and facts.copied.any():
        yield f"take the copies out of one of the splits and train again: transferkit data check {data}"
    if found.metrics["accuracy"] <= baseline(found) and _too_few(found):
        yield (
            f"{found.metrics['samples']} images cannot tell whether anything was learned: hold out more "
            "(--set data.test=0.3), or evaluate on others (transferkit evaluate RUN --data MORE)"
        )
    elif found.metrics["accuracy"] <= baseline(found):
        yield f"nothing was learned: look at the labels (transferkit data check {data}), then at the rate "\
              f"(transferkit lr-find --data {data})"  # fmt: skip
    if facts.plan is not None and facts.plan.discarded:
        yield "a phase's training was discarded because it improved nothing: lower its learning rate"
    train = facts.data.counts.get("train", {}) if facts.data is not None else {}
    yield from _longer(facts)
    yield from _weakest(found, train, data)
    yield from _overfitted(facts)
    interval = found.interval("accuracy")
    if interval and interval[1] - interval[0] > _WIDE:
        span = 100 * (interval[1] - interval[0])
        yield f"evaluate on more images: {found.metrics['samples']} leave an interval of {span:.0f} points"
    error = found.metrics.get("expected_calibration_error")
    if error is not None and error > 0.1 and facts.temperature is None and found.kind == "single":
        yield f"probabilities are off by {error:.0%} on average: --set evaluation.calibrate=temperature"
    rows = facts.plan.rows if facts.plan is not None else ()
    backbone = rows[:-1]  # the last row is the head
    if backbone and all(row.state == "frozen" for row in backbone) and found.metrics["accuracy"] < 0.97:
        yield "train the top of the backbone too: --recipe finetune_top, then transferkit compare"
    if found.metrics["accuracy"] < _MODEST:
        yield "try a stronger backbone: transferkit backbones lists them with what they cost"


def _too_few(found: Evaluation) -> bool:
    """Whether so few images could have made a good model look like one that always says the same."""
    interval = found.interval("accuracy")
    wide = interval is not None and interval[1] - interval[0] > _USELESS
    return wide and len(np.unique(found.predicted, axis=0)) > 1


def _weakest(found: Evaluation, train: Mapping[str, int], data: str) -> Iterator[str]:
    known = [row for row in found.per_class if row.recall is not None]
    if len(known) < 2:
        return
    worst = min(known, key=lambda row: row.recall or 0.0)
    typical = float(np.median([row.recall or 0.0 for row in known]))
    if typical - (worst.recall or 0.0) <= _FAR_BELOW:
        return
    name = one_line(worst.name)
    own, middle = train.get(worst.name), float(np.median(list(train.values()) or [0]))
    if own is not None and own < _RARE * middle:
        yield f"more photos of {name}: it has {own} to train on, the median class {middle:.0f}"
    yield f"look at the mistakes with {name} in the report: wrong labels, or a kind of photo that " \
          f"training lacks (transferkit data check {data})"  # fmt: skip


def _last_phase(facts: ReportFacts) -> list[Mapping[str, Any]]:
    phase = facts.history[-1].get("phase") if facts.history else None
    return [row for row in facts.history if row.get("phase") == phase]


def _longer(facts: ReportFacts) -> Iterator[str]:
    rows = _last_phase(facts)
    losses = [float(row["val_loss"]) for row in rows if row.get("val_loss") is not None]
    epochs = rows[-1].get("epoch") if rows else None
    if epochs and len(losses) > 2 and min(losses) == losses[-1]:
        several = len(rows) < len(facts.history)
        key = f"phases.{rows[-1]['phase']}.epochs" if several else "epochs"
        yield f"train longer: the last epoch was the best one (--set {key}={2 * int(epochs)})"


def _overfitted(facts: ReportFacts) -> Iterator[str]:
    rows = _last_phase(facts)
    best = min((row for row in rows if row.get("val_loss") is not None), key=lambda row: row["val_loss"],
               default={})  # fmt: skip
    train, validation = best.get("accuracy"), best.get("val_accuracy")
    if train is not None and validation is not None and train - validation > _OVERFITTED:
        yield (
            f"more photos, or augmentation (--recipe robust): {train:.0%} of the training images are "
            f"answered right, {validation:.0%} of the validation images"
        )
