"""The map of the photos in the report."""

from __future__ import annotations

import numpy as np
from PIL import Image

from transferkit.report import ReportFacts
from transferkit.report.feature_map import MapFacts, MapPoint, drawn_map
from transferkit.report.page import render_report


def points(tmp_path, count, classes):
    made = []
    for number in range(count):
        file = tmp_path / f"{number} <i>.png"
        Image.new("RGB", (30, 20), (number * 9 % 255, 40, 90)).save(file)
        wrong = "other" if number % 5 == 0 else ""
        label = f"class <b>{number % classes}"
        made.append(MapPoint(number / count, (number * 7 % count) / count, label, str(file), wrong))
    return tuple(made)


def test_it_draws_each_photo_in_its_class_colour_and_marks_mistakes(tmp_path):
    page = render_report(ReportFacts("run", map=MapFacts(points(tmp_path, 20, 3), 50, 0.4)))
    assert page.count("<circle") == 16
    assert page.count('cross" d=') == 4
    assert "20 of 50 photos" in page
    assert "40%" in page
    assert "class <b>" not in page
    assert 'src="data:image/jpeg;base64,' in page


def test_many_classes_share_the_last_colour(tmp_path):
    drawn = drawn_map(MapFacts(points(tmp_path, 40, 12), 40, 0.4))
    assert drawn["legend"][-1] == ("5 other classes", 7)
    assert {one["colour"] for one in drawn["points"]} == set(range(8))
    assert len(drawn_map(MapFacts(points(tmp_path, 40, 8), 40, 0.4))["legend"]) == 8


def test_photos_that_are_gone_have_no_picture_and_few_points_no_map(tmp_path):
    gone = tuple(MapPoint(0.1 * n, 0.5, "a", f"/gone/{n}.png") for n in range(4))
    drawn = drawn_map(MapFacts(gone, 4, 1.0))
    assert drawn["sheet"] == ""
    assert {one["tile"] for one in drawn["points"]} == {-1}
    assert drawn_map(MapFacts(gone[:2], 2, 1.0)) is None
    assert drawn_map(None) is None


def test_alike_photos_lie_together(noise_photos, tmp_path):
    from transferkit.data.splits.ledger import Row
    from transferkit.evaluation import evaluate
    from transferkit.runs.results.map_facts import map_facts
    from transferkit.training.images import Images

    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 30)
    values = (rng.normal(0, 1, (60, 12)) + 8 * labels[:, None]).astype(np.float32)
    np.savez(open(tmp_path / "features.npz", "wb"), values=values)  # noqa: SIM115
    rows = tuple(
        Row(f"{n:064x}", f"{n}.png", "ab"[label], "test" if n % 3 == 0 else "train")
        for n, label in enumerate(labels)
    )
    images = Images(("a", "b"), rows, tuple(row.name for row in rows), labels)
    held_out = images.of_split("test")
    answers = np.eye(2, dtype=np.float32)[labels[held_out]]
    answers[0] = answers[0][::-1]
    found = map_facts(tmp_path, images, evaluate(labels[held_out], answers, ("a", "b"), resamples=0), 0)
    assert len(found.points) == 60
    assert [one.predicted for one in found.points if one.predicted] == ["b"]
    sides = [np.mean([one.x for one in found.points if one.label == name]) for name in "ab"]
    assert abs(sides[0] - sides[1]) > 0.4
    assert found.share > 0.5
    assert map_facts(tmp_path / "none", images, evaluate(labels, np.eye(2)[labels], ("a", "b")), 0) is None
