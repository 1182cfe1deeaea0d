"""What a finished run says of itself in a terminal: how good, how long, where, and what to do next."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transferkit.runs.finished.run import Run

__all__ = ["describe_run"]

# Of a run's stages, how many its description names.
_STAGES = 3


def describe_run(run: Run) -> str:
    """A few lines for a person: how good, how long, where.

    Raises:
        UserError: the run's ``metrics.json`` is damaged.
    """
    facts = run.facts
    images, split, seconds = facts["images"], facts["held_out"], facts["seconds"]
    lines = [leak] if (leak := run.independence.leak(split)) else []
    if run.changes is not None:
        lines += run.changes.describe()
    lines.append(_measured(run))
    if run.thresholds:
        single = run.metrics["hamming_accuracy"]
        lines.append(f"label accuracy {single:.3f}; {_worded(run.thresholds)}")
    if weakest := run.advice.get("weakest"):
        lines.append(f"weakest class {weakest}")
    several = len(run.kept) > 1
    how = [f"{one.phase}: {one.describe()}" if several else one.describe() for one in run.kept]
    trained = "; ".join(
        [f"trained on {images['train']} images", *(how or ["the head fitted without epochs"])]
    )
    lines.append(f"{trained}; {facts['frozen']}")
    fine = [one for one in run.kept if one.trains_backbone]
    if fine and all(one.discarded for one in fine):
        lines.append("fine-tuning was discarded: the backbone's weights are those it began with")
    lines += [*run.calibrated.describe(), *filter(None, [run.novelty.describe()])]
    if facts["quarantined"]:
        lines.append(f"{facts['quarantined']} file(s) left out: {run.named('quarantine.csv')}")
    slowest = sorted(seconds["stages"].items(), key=lambda stage: -stage[1])[:_STAGES]
    stages = ", ".join(f"{name} {value:.1f}" for name, value in slowest)
    lines.append(f"{seconds['total']:.1f} s in all (the longest stages: {stages})")
    lines += [f"{name:<8}{text}" for name, text in _named(run).items()]
    return "\n".join(lines)


def _named(run: Run) -> dict[str, str]:
    """What is to be done next, and where everything lies."""
    step = run.advice.get("next")
    named = {"next": step} if step else {}
    named["run"] = run.named()
    if "saved_model" not in run.refused:
        named["export"] = run.named("export", run.export_folder.name)
    named["report"] = run.named("report.html")
    if "saved_model" not in run.refused:
        named["predict"] = f"transferkit predict {shlex.quote(run.named())} IMAGE_OR_FOLDER"
    return named


def _measured(run: Run) -> str:
    """The main figure, its interval, what it was measured on."""
    split = run.facts["held_out"]
    low, high = run.metrics.get("accuracy_low"), run.metrics.get("accuracy_high")
    share = 100 * run.recipe.evaluation.confidence
    interval = f" ({share:g} % interval {low:.3f} to {high:.3f})" if low is not None else ""
    rule = "all labels right" if run.thresholds else "accuracy"
    count = f"{run.facts['images'][split]} {'validation' if split == 'val' else split}"
    return (
        f"{rule} {run.metrics['accuracy']:.3f}{interval} on {count} images, "
        f"{len(run.classes)} classes{run.independence.beside(split)}"
    )


def _worded(thresholds: dict[str, float], most: int = 8) -> str:
    shown = ", ".join(f"{name} {value:.2f}" for name, value in list(thresholds.items())[:most])
    return f"thresholds: {shown}" + (" …" if len(thresholds) > most else "")
