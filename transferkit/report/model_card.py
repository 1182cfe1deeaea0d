"""``README.md`` beside an export: a model card in the Hugging Face format (YAML on top, then Markdown)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from transferkit._version import __version__
from transferkit.evaluation import Evaluation
from transferkit.files.whole_file import whole_file
from transferkit.report.facts import ReportFacts
from transferkit.report.rendering import render
from transferkit.report.usage import python_usage, serving_usage
from transferkit.report.verdict import verdict
from transferkit.type_names import NamedValues

__all__ = ["CardText", "write_model_card"]

# The Hub's own identifiers; a licence that is none of them is "other" with its name beside it.
_HUB_LICENSES = {
    "apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0",
    "cc-by-nc-4.0", "gpl-3.0", "lgpl-3.0", "mpl-2.0", "openrail", "unlicense",
}  # fmt: skip

# The Hub's metric, its name for people, ours, and the arguments that the Hub's is called with.
_HUB_METRICS: tuple[tuple[str, str, str, NamedValues], ...] = (
    ("accuracy", "Accuracy", "accuracy", {}),
    ("f1", "Macro F1", "f1_macro", {"args": {"average": "macro"}}),
)


@dataclass(frozen=True)
class CardText:
    """What only the user can say of a model; each part has a plain default that says what is not known.

    Attributes:
        intended_use: what it is meant for, and what it is not.
        limits: what is known to go wrong.
        data_license: of the photos.
    """

    intended_use: str | None = None
    limits: str | None = None
    data_license: str | None = None


def write_model_card(facts: ReportFacts, path: str | Path, text: CardText | None = None) -> Path:
    """Writes the card whole or not at all, and returns its path.

    Args:
        facts: what a report shows.
        path: of the file.
        text: what only the user can say; by default that it is not known.
    """
    path = Path(path)
    found = facts.evaluation
    page = render(
        "model_card.md.j2",
        facts=facts,
        text=text or CardText(),
        front=_front_matter(facts, found),
        several=found is not None and found.kind == "multi",
        verdict=verdict(facts),
        figures=_figures(found) if found else [],
        python=python_usage(facts.export) if facts.export else None,
        serving=serving_usage(facts.export) if facts.export else None,
        transferkit_version=__version__,
    )
    with whole_file(path) as beside:
        beside.write_text(page, encoding="utf-8")
    return path


def _figures(found: Evaluation) -> list[tuple[str, str, str]]:
    wanted = [
        *(
            "accuracy",
            "balanced_accuracy",
            "hamming_accuracy",
            "f1_macro",
            "log_loss",
            "expected_calibration_error",
        )
    ]
    rows = []
    for name in wanted:
        value, interval = found.metrics.get(name), found.interval(name)
        if value is not None:
            between = f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else ""
            rows.append((name.replace("_", " "), f"{value:.3f}", between))
    return rows


def _front_matter(facts: ReportFacts, found: Evaluation | None) -> str:
    """YAML, written as JSON values (each is a YAML value too), so that no name needs quoting rules."""
    fields: NamedValues = {
        "library_name": "tensorflow",
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "transfer-learning", "tensorflow", "transferkit"],
    }
    if facts.license is not None:
        known = facts.license.lower() in _HUB_LICENSES
        fields["license"] = facts.license.lower() if known else "other"
        if not known:
            # An identifier is wanted here; the text below has the name itself.
            fields["license_name"] = re.sub(r"[^a-z0-9.]+", "-", facts.license.lower()).strip("-") or "own"
    if found is not None:
        metrics = [
            {"type": kind, "name": label, "value": round(found.metrics[name], 6), **more}
            for kind, label, name, more in _HUB_METRICS
            if found.metrics.get(name) is not None
        ]
        fields["metrics"] = [metric["type"] for metric in metrics]
        source = Path(facts.data.source).name if facts.data else "images"
        fields["model-index"] = [
            {
                "name": facts.title,
                "results": [
                    {
                        "task": {"type": "image-classification"},
                        "dataset": {"type": "imagefolder", "name": source, "split": facts.split},
                        "metrics": metrics,
                    }
                ],
            }
        ]
    return "\n".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items())
