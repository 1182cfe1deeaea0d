"""Several networks side by side, and the mean with the mirror image."""

from __future__ import annotations

import numpy as np
import pytest

from transferkit.backbones.composed import Composed, load_section
from transferkit.backbones.levels import level_names, with_levels
from transferkit.errors import UserError
from transferkit.recipe.sections import Backbone


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def both():
    section = Backbone(name="embedded", input_size=(64, 64), join=("mobilenet_0_25",), mirror=True)
    return load_section(section, "random")


def test_features_stand_side_by_side(both, images):
    parts = [
        (np.asarray(one.features(images)) + np.asarray(one.features(images[:, :, ::-1]))) / 2
        for one in both.bases
    ]
    np.testing.assert_allclose(np.asarray(both.features(images)), np.concatenate(parts, 1), atol=1e-5)
    assert list(both.levels) == both.lasts == ["embedded:top", both.lasts[1]]


def test_an_image_and_its_mirror_image_are_alike(both, images):
    turned = np.asarray(both.features(images[:, :, ::-1]))
    np.testing.assert_allclose(np.asarray(both.features(images)), turned, atol=1e-5)


def test_what_is_kept_makes_the_features(both, images):
    wide = with_levels(both, ["embedded:stage2", *both.lasts])
    assert isinstance(wide, Composed)
    cut = wide.cut()
    parts = []
    for one in cut.kept_parts:
        kept = [np.asarray(part.prefix(images)) for part in (one.cut, one.mirrored)]
        parts.append(np.mean(kept, axis=0)[:, one.columns if one.columns is not None else slice(None)])
    np.testing.assert_allclose(np.asarray(cut.prefix(images)), np.concatenate(parts, 1), atol=1e-5)
    prints = {one.cut.fingerprint for one in cut.kept_parts} | {
        one.mirrored.fingerprint for one in cut.kept_parts
    }
    assert len(prints | {cut.fingerprint, both.cut().fingerprint}) == 6
    # The first network's own kept levels are those of a run with it alone.
    alone = with_levels(both.bases[0], ["stage2", "top"]).cut()
    assert alone.kept_as.fingerprint == cut.kept_parts[0].cut.fingerprint


def test_a_network_without_levels_is_not_run(both, images):
    one = both.only(["embedded:stage2"])
    assert [part.name for part in one.cut().kept_parts] == ["embedded"]
    assert one.features(images).shape[1] == one.levels["embedded:stage2"]
    assert level_names(one) == level_names(both)


def test_costs_and_facts_are_those_of_all(both):
    alone = load_section(Backbone(name="embedded", input_size=(64, 64)), "random")
    own = [one for one in both.layers if one.name.startswith("embedded:")]
    assert sum(one.gflops for one in own) == pytest.approx(2 * sum(one.gflops for one in alone.layers))
    assert both.weights_sha256 != alone.weights_sha256
    with pytest.raises(UserError, match="'all' where"):
        both.cut("embedded:stage2")


def test_the_same_network_twice_has_two_names():
    section = Backbone(name="embedded", input_size=(32, 32), join=("embedded",))
    assert load_section(section, "random").lasts == ["embedded:top", "embedded':top"]
