"""Charts: the right lines at the right places."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest

from transferkit.drawing.svg import Line, line_chart, ticks
from transferkit.report.charts import area_charts, history_charts, reliability_chart


def test_a_figure_a_chart_training_and_validation_together():
    history = [
        {"epoch": 1, "loss": 1.0, "val_loss": 1.1, "val_accuracy": 0.5, "phase": "probe"},
        {
            "epoch": 2,
            "loss": 0.8,
            "val_loss": 0.9,
            "val_accuracy": 0.7,
            "phase": "probe",
            "learning_rate": 0.1,
        },
        {"epoch": 3, "loss": 0.5, "val_loss": None, "phase": "fine <tune>"},
    ]
    charts = history_charts(history)
    assert [chart.title for chart in charts] == ["loss", "accuracy", "learning rate"]
    assert [name for name, _, _ in charts[0].legend] == ["training", "validation"]
    assert [name for name, _, _ in charts[1].legend] == ["validation"]
    svg = str(charts[0].svg)
    ElementTree.fromstring(svg)
    assert svg.count('class="mark"') == 2
    assert "fine &lt;tune&gt;" in svg
    assert "training ends at 0.5; validation ends at 0.9" in svg


def test_phases_that_each_count_from_nought_stand_one_after_the_other():
    """The state before a phase is its epoch 0: it stands where the last one ended, and no line joins them."""
    history = [{"phase": "head", "epoch": i, "val_loss": 2 - i / 10} for i in range(5)]
    history += [{"phase": "top", "epoch": i, "val_loss": 1 - i / 10} for i in range(3)]
    (chart,) = history_charts(history)
    dots = [float(x) for x in re.findall(r'cx="([\d.]+)"', str(chart.svg))]
    assert dots == sorted(dots)
    assert dots[4] == dots[5] < dots[6] < dots[7]
    assert str(chart.svg).count("<polyline") == 2
    marks = [float(x) for x in re.findall(r'class="mark" x1="([\d.]+)"', str(chart.svg))]
    assert marks == [dots[0], dots[5]]


def test_a_mark_lies_within_the_axes_also_before_the_first_point():
    history = [{"phase": "head", "epoch": 0, "learning_rate": None}]
    history += [{"phase": "head", "epoch": i, "learning_rate": 0.1} for i in (1, 2)]
    history += [{"phase": "top", "epoch": i, "learning_rate": 0.01} for i in (1, 2)]
    (chart,) = history_charts(history)
    marks = [float(x) for x in re.findall(r'class="mark" x1="([\d.]+)"', str(chart.svg))]
    assert marks[0] == float(re.search(r'class="grid" x1="([\d.]+)"', str(chart.svg))[1])


def test_one_phase_needs_no_mark_and_steps_serve_without_epochs():
    (chart,) = history_charts(
        [{"step": 8, "loss": 1.0, "phase": "probe"}, {"step": 16, "loss": 0.5, "phase": "probe"}]
    )
    assert 'class="mark"' not in chart.svg
    assert ">step</text>" in chart.svg


def test_no_history_no_charts():
    assert history_charts([]) == []


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.37, 0.92), (0, 1e-5), (-3, 1200), (1, 1.0001), (0, 3)])
def test_ticks_are_round_and_inside(low, high):
    found = ticks(low, high)
    assert 2 <= len(found) <= 11
    assert all(low - 1e-9 <= value <= high + 1e-9 for value in found)
    assert all(len(f"{value:g}") <= 7 for value in found)


def test_points_land_where_they_belong():
    svg = str(line_chart("c", [Line("l", [0, 1, 2], [0, 5, 10])], x_range=(0, 2), y_range=(0, 10)))
    points = [tuple(map(float, pair.split(","))) for pair in re.search('points="([^"]+)"', svg)[1].split()]
    (x0, y0), (x1, y1), (x2, y2) = points
    assert x1 == pytest.approx((x0 + x2) / 2, abs=0.1)
    assert y1 == pytest.approx((y0 + y2) / 2, abs=0.1)
    assert y0 > y2  # up is more


def test_gaps_break_a_line_and_single_points_show():
    svg = str(line_chart("c", [Line("l", [0, 1, 2, 3, 4], [1, 2, math.nan, 3, math.inf])]))
    assert svg.count("<polyline") == 1
    assert svg.count("<circle") == 1


def test_a_constant_line_and_no_points_draw():
    for values in ([3.0, 3.0], [0.0, 0.0], []):
        ElementTree.fromstring(str(line_chart("c", [Line("l", list(range(len(values))), values)])))


def test_reliability_draws_the_filled_bins(five):
    chart = reliability_chart(five.evaluation)
    filled = sum(row.samples > 0 for row in five.evaluation.reliability)
    assert str(chart.svg).count("<circle") == filled
    # The fullest bin has the largest dot.
    radii = [float(radius) for radius in re.findall(r'r="([\d.]+)"/>', str(chart.svg))]
    samples = [row.samples for row in five.evaluation.reliability if row.samples]
    assert radii.index(max(radii)) == samples.index(max(samples))
    assert max(radii) > 2 * min(radii)
    ElementTree.fromstring(str(chart.svg))


def test_area_charts_draw_the_weakest_in_the_same_colours(two_hundred, five, tagged):
    for facts in (five, tagged):
        roc, pr = area_charts(facts.evaluation)
        assert [(name.rsplit(" ", 1)[0], colour) for name, colour, _ in roc.legend] == [
            (name.rsplit(" ", 1)[0], colour) for name, colour, _ in pr.legend
        ]
        assert roc.legend[0][0].startswith("micro ")
        assert len(roc.legend) <= 6
    assert [len(chart.legend) for chart in area_charts(two_hundred.evaluation)] == [1, 1]
