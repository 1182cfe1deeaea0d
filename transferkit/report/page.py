"""``report.html``: one file that needs nothing else, not even a network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transferkit._version import __version__
from transferkit.data.check.thumbnail import thumbnail
from transferkit.data.file_names import shown
from transferkit.evaluation import Evaluation
from transferkit.evaluation.evaluation_text import weakest
from transferkit.files.whole_file import whole_file
from transferkit.report.advice import next_step
from transferkit.report.charts import area_charts, history_charts, reliability_chart, staircase_chart
from transferkit.report.confusion import matrix
from transferkit.report.facts import DataFacts, ReportFacts, StageTime
from transferkit.report.feature_map import drawn_map
from transferkit.report.rendering import render
from transferkit.report.usage import python_usage, serving_usage
from transferkit.report.verdict import doubtful_classes, names_of, verdict, worst_mistakes

__all__ = ["render_report", "write_report"]

# Thumbnails of all samples together: beyond this the file grows and nobody looks.
_MOST_SAMPLES = 72
_MOST_MISTAKES = 24
_SAMPLE, _MISTAKE = 96, 176
# Name and meaning of the figures on top.
_FIGURES = {
    "accuracy": ("accuracy", "share of images answered right"),
    "balanced_accuracy": ("balanced accuracy", "mean recall of the classes, all with equal weight"),
    "hamming_accuracy": ("label accuracy", "share of labels answered right"),
    "f1_macro": ("F1, mean of the classes", "precision and recall in one; 1 is best"),
    "log_loss": ("log loss", "penalty for confident mistakes; 0 is best"),
    "roc_auc_macro": ("ROC area", "how well classes are ranked; 0.5 is chance"),
    "average_precision_macro": ("PR area", "mean precision over all recalls; 1 is best"),
    "kappa": ("Cohen's kappa", "agreement beyond chance; 0 is chance"),
    "brier": ("Brier score", "squared error of probabilities; 0 is best"),
    "expected_calibration_error": ("calibration error", "how far probabilities are off; 0 is best"),
}


@dataclass(frozen=True)
class _Mistake:
    name: str
    true: str
    said: str
    about: str
    sure: float
    instead: float | None
    image: str | None
    heat: str | None


def write_report(facts: ReportFacts, path: str | Path) -> Path:
    """Writes the page whole or not at all, and returns its path."""
    path = Path(path)
    with whole_file(path) as beside:
        beside.write_text(render_report(facts), encoding="utf-8")
    return path


def render_report(facts: ReportFacts) -> str:
    """The page as text."""
    found = facts.evaluation
    mistakes = _mistakes(facts, found) if found else []
    return render(
        "report.html.j2",
        facts=facts,
        verdict=verdict(facts),
        figures=_figures(facts, found) if found else [],
        weakest=weakest(found) if found else None,
        step=next_step(facts),
        counts=_counts(facts.data) if facts.data else [],
        samples=_samples(facts.data) if facts.data else [],
        history=history_charts(facts.history),
        steps=staircase_chart(facts.choice.steps) if facts.choice else None,
        matrix=matrix(found.confusion, found.classes) if found and found.kind == "single" else None,
        partners=_partners(found) if found else {},
        areas=area_charts(found) if found else [],
        reliability=reliability_chart(found) if found else None,
        decisions=_decisions(found) if found else [],
        map=drawn_map(facts.map),
        mistakes=mistakes,
        # The heated mistakes are the worst ones; a file that is gone in between ends them.
        heated=next((i for i, one in enumerate(mistakes) if one.heat is None), len(mistakes)),
        wrong=int((~found.correct).sum()) if found else 0,
        stages=_stages(facts),
        python=python_usage(facts.export) if facts.export else None,
        serving=serving_usage(facts.export) if facts.export else None,
        transferkit_version=__version__,
    )


def _figures(facts: ReportFacts, found: Evaluation) -> list[tuple[str, str, str, str]]:
    """Name, value, interval and meaning of the figures on top, the accuracy in training beside the other."""
    tops = {
        name: (name.replace("_", " "), "the true class is among this many likeliest")
        for name in found.metrics
        if name.startswith("top_")
    }
    shown = []
    for name, (label, meaning) in {**_FIGURES, **tops}.items():
        value = found.metrics.get(name)
        if value is None:
            continue
        interval = found.interval(name)
        between = f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else ""
        shown.append((label, f"{value:.3f}", between, meaning))
    if facts.training_accuracy is not None:
        told = "measured during the kept epoch"
        shown.insert(1, ("accuracy in training", f"{facts.training_accuracy:.3f}", "", told))
    return shown


def _stages(facts: ReportFacts) -> list[StageTime]:
    """The stages, the slowest first, and what of the whole time none of them took."""
    shown = sorted(facts.stages, key=lambda stage: -stage.seconds)
    rest = (facts.seconds or 0.0) - sum(stage.seconds for stage in shown)
    return [*shown, StageTime("between stages", rest)] if rest > 0.05 else shown


def _counts(data: DataFacts) -> list[tuple[str, list[int], int]]:
    """Class, its images in each split, and all of them."""
    classes = dict.fromkeys(name for counts in data.counts.values() for name in counts)
    rows = []
    for name in classes:
        counts = [part.get(name, 0) for part in data.counts.values()]
        rows.append((name, counts, sum(counts)))
    return rows


def _samples(data: DataFacts) -> list[tuple[str, list[tuple[str, str]]]]:
    """Class and its (file name, picture)s."""
    each = max(1, min(6, _MOST_SAMPLES // max(1, len(data.samples))))
    rows = []
    for name, paths in list(data.samples.items())[:_MOST_SAMPLES]:
        pictures = ((shown(Path(path).name), thumbnail(path, _SAMPLE)) for path in list(paths)[:each])
        rows.append((name, [(file, picture) for file, picture in pictures if picture]))
    return [row for row in rows if row[1]]


def _partners(found: Evaluation) -> dict[str, str]:
    """Class to the class that its images are mostly mistaken for."""
    if found.kind != "single":
        return {}
    partners = {}
    for i, name in enumerate(found.classes):
        row = found.confusion[i].copy()
        row[i] = 0
        if row.max() > 0:
            partners[name] = f"{found.classes[int(row.argmax())]} ({int(row.max())})"
    return partners


def _decisions(found: Evaluation) -> list[tuple[int, int]]:
    """Of each of several labels: how often it was there and missed, and said though it was not there."""
    if found.kind == "single":
        return []
    return [(int(table[1, 0]), int(table[0, 1])) for table in found.confusion]


def _mistakes(facts: ReportFacts, found: Evaluation) -> list[_Mistake]:
    files: Any = facts.image_paths if facts.image_paths is not None else found.paths
    shown = []
    for row in worst_mistakes(found, _MOST_MISTAKES):
        file = files[row] if files is not None else None
        heat = facts.overlays.get(row)
        name = found.paths[row] if found.paths is not None else f"image {row}"
        true, said, about, sure, instead = _words(found, row)
        shown.append(
            _Mistake(
                name, true, said, about, sure, instead, image=thumbnail(file, _MISTAKE),
                heat=thumbnail(file, _MISTAKE, overlay=heat) if heat is not None else None,
            )
        )  # fmt: skip
    return shown


def _words(found: Evaluation, row: int) -> tuple[str, str, str, float, float | None]:
    """True class, predicted class, the class in doubt and its probability, and that of the true class."""
    given = found.probabilities[row]
    doubtful = int(doubtful_classes(found, [row])[0])
    about, sure = found.classes[doubtful], float(given[doubtful])
    true, said = names_of(found, found.labels[row]), names_of(found, found.predicted[row])
    return true, said, about, sure, float(given[int(found.labels[row])]) if found.kind == "single" else None
