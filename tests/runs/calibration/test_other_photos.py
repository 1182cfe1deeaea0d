"""Photos of other things, which a run is to tell from photos of its classes: where they lie."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from transferkit import preflight
from transferkit.recipe import load
from transferkit.recipe.checks.check_values import RecipeError
from transferkit.runs.calibration import settle_novelty
from transferkit.runs.calibration.other_photos import OtherPhotos, find_other_photos
from transferkit.runs.calibration.settle_novelty import NoveltyFacts


@pytest.fixture
def others(tmp_path):
    folder = tmp_path / "others"
    folder.mkdir()
    for number in range(3):
        Image.new("RGB", (8, 8), (80 * number, 0, 0)).save(folder / f"{number}.png")
    return folder


def test_each_place_that_is_not_there_or_empty_is_a_fault_before_the_run(tmp_path, others):
    (tmp_path / "empty").mkdir()
    places = [str(others), str(tmp_path / "gone"), str(tmp_path / "empty"), "s3://bucket/photos"]
    faults = preflight(load("retrain", [("evaluation.other_data", places)]))
    assert len(faults) == 3
    assert "no such file or folder" in faults[0]
    assert "there is no photo in it" in faults[1]
    assert "of this machine" in faults[2]
    assert all(line.startswith("evaluation.other_data") for line in faults)


def test_without_a_score_there_is_nothing_to_measure(others):
    with pytest.raises(RecipeError, match="other_data: expected false_alarms"):
        load("retrain", [("evaluation.other_data", [str(others)]), "evaluation.false_alarms=off"])


def test_the_run_s_own_photos_and_what_cannot_be_read_are_left_out(others):
    own = hashlib.sha256((others / "0.png").read_bytes()).hexdigest()
    said = []
    found = find_other_photos(str(others), {own}, said.append)
    assert [row.name[-5:] for row in found.rows] == ["1.png", "2.png"]
    # Whatever the run's labels are, some that cannot be decoded are left out.
    assert len(found.without([(0, "cut short")])) == 1
    assert said == [f"evaluation.other_data: {others}: 1 photo(s) are the run's own, and left out"]


def test_a_run_stands_though_the_place_goes_away_while_it_is_trained(tmp_path):
    recipe = load("retrain", [("evaluation.other_data", [str(tmp_path / "gone")])])
    images = SimpleNamespace(rows=(), labels=np.zeros(0, np.int64))
    fitted = SimpleNamespace(trained=SimpleNamespace(recipe=recipe, images=images))
    said = []
    assert settle_novelty._others(fitted, None, np.zeros(0), SimpleNamespace(say=said.append)) == {}
    assert "not measured" in said[0]


@pytest.mark.parametrize("asked", [True, False])
def test_who_names_a_place_is_told_that_the_validation_photos_are_too_few(others, asked):
    recipe = load("retrain", [("evaluation.other_data", [str(others)] if asked else [])])
    images = SimpleNamespace(of_split=lambda split: np.arange(5))
    trained = SimpleNamespace(recipe=recipe, images=images)
    fitted = SimpleNamespace(trained=trained, network=None, cut_features=None)
    said = settle_novelty.settle_novelty(fitted, None).describe()
    assert (said is not None) == asked
    assert not asked or said.endswith("5.0% needs at least 19 validation photos")


def test_what_was_measured_is_kept_and_said():
    facts = NoveltyFacts(0.05, 40, 0.04, other={"street": OtherPhotos(20, 0.987, 0.9)})
    assert NoveltyFacts.from_dict(facts.to_dict()) == facts
    assert "against street: 0.99 (20 photos, 90.0% of them rejected)" in facts.describe()
