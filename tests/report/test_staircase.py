"""The staircase of a choice: each step with its interval, and what was kept after it."""

from __future__ import annotations

from transferkit.report import ChoiceFacts, ReportFacts, StepRow, write_report
from transferkit.report.charts import staircase_chart

STEPS = [
    StepRow("linear head", 0.8, 0.75, 0.85, 0.5, None, None, True, ""),
    StepRow("other instead", 0.7, 0.65, 0.75, 0.6, -0.1, 0.01, False, ""),
    StepRow("third instead", None, None, None, None, None, None, False, "there was no time for it"),
    StepRow("mirror images", 0.9, 0.86, 0.94, 0.4, 0.1, 0.01, True, ""),
]


def test_it_draws_what_was_tried():
    chart = staircase_chart(STEPS)
    assert chart.note == "1 linear head, 2 other instead, 4 mirror images"
    assert all(one.name in chart.svg for one in STEPS if one.accuracy is not None)
    assert staircase_chart([]) is None
    assert staircase_chart(STEPS[2:3]) is None


def test_the_page_tells_every_step(tmp_path):
    write_report(
        ReportFacts(title="run", choice=ChoiceFacts("kept beside the head: mirror images", STEPS)),
        tmp_path / "report.html",
    )
    page = (tmp_path / "report.html").read_text()
    assert all(one.name in page for one in STEPS)
    assert "there was no time for it" in page
    assert "In short: kept beside the head: mirror images." in page
    assert "0.1000 ± 0.0100" in page
    write_report(ReportFacts(title="run"), tmp_path / "without.html")
    assert "How the run was chosen" not in (tmp_path / "without.html").read_text()
