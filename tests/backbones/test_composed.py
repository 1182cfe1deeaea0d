"""Several networks side by side, and the mean with other looks at an image."""

from __future__ import annotations

import numpy as np
import pytest

from transferkit.backbones.beside import Beside
from transferkit.backbones.composed import Composed, load_section
from transferkit.backbones.levels import level_names, with_levels
from transferkit.backbones.looks import look_at
from transferkit.errors import UserError
from transferkit.recipe.sections import BackboneSection


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def both():
    section = BackboneSection(name="embedded", input_size=(64, 64), join=("mobilenet_0_25",), mirror=True)
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
        kept = [np.asarray(part.prefix(images)) for part in (one.cut, *one.seen)]
        parts.append(np.mean(kept, axis=0)[:, one.columns if one.columns is not None else slice(None)])
    np.testing.assert_allclose(np.asarray(cut.prefix(images)), np.concatenate(parts, 1), atol=1e-5)
    prints = {one.cut.fingerprint for one in cut.kept_parts} | {
        seen.fingerprint for one in cut.kept_parts for seen in one.seen
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
    alone = load_section(BackboneSection(name="embedded", input_size=(64, 64)), "random")
    own = [one for one in both.layers if one.name.startswith("embedded:")]
    assert sum(one.gflops for one in own) == pytest.approx(2 * sum(one.gflops for one in alone.layers))
    assert both.weights_sha256 != alone.weights_sha256
    with pytest.raises(UserError, match="'all' where"):
        both.cut("embedded:stage2")


def test_the_same_network_twice_has_two_names():
    section = BackboneSection(name="embedded", input_size=(32, 32), join=("embedded",))
    assert load_section(section, "random").lasts == ["embedded:top", "embedded':top"]


def test_crops_are_parts_of_the_image_at_its_size(images):
    section = BackboneSection(name="embedded", input_size=(64, 64), mirror=True, crops=2)
    crops = load_section(section, "random")
    assert crops.looks == ("mirror", "middle", "top_left")
    # One colour above the crop's edge and another below: what lies outside of a crop does not show in it.
    marked = images.copy()
    marked[:, 51:] = 0
    corner = np.asarray(look_at(marked, "top_left"))
    np.testing.assert_allclose(corner, np.asarray(look_at(images, "top_left")))
    assert corner.shape == images.shape
    assert not np.allclose(look_at(marked, "bottom_left"), look_at(images, "bottom_left"))
    seen = [images.astype(np.float32), *(np.asarray(look_at(images, one)) for one in crops.looks)]
    wanted = np.mean([np.asarray(crops.bases[0].features(one)) for one in seen], axis=0)
    np.testing.assert_allclose(np.asarray(crops.features(images)), wanted, atol=1e-5)
    (part,) = crops.cut().kept_parts
    kept = np.mean([np.asarray(one.prefix(images)) for one in (part.cut, *part.seen)], axis=0)
    columns = slice(None) if part.columns is None else part.columns
    np.testing.assert_allclose(kept[:, columns], wanted, atol=1e-5)
    assert len({part.cut.fingerprint, *(one.fingerprint for one in part.seen)}) == 4


def test_finished_networks_stand_beside_each_other(both, images):
    alone = load_section(BackboneSection(name="embedded", input_size=(64, 64)), "random", seed=1)
    pair = Beside([both, alone])
    wanted = np.concatenate([np.asarray(both.features(images)), np.asarray(alone.features(images))], 1)
    np.testing.assert_allclose(np.asarray(pair.features(images)), wanted, atol=1e-5)
    cut = pair.cut()
    assert [part.name for part in cut.kept_parts] == ["embedded", "mobilenet_0_25", "embedded"]
    before = cut.fingerprint
    assert sum(one.parameters for one in pair.layers) == sum(
        one.parameters for network in (both, alone) for one in network.layers
    )
    alone.variables[-1].assign(alone.variables[-1] + 1)
    assert pair.cut().fingerprint != before
    with pytest.raises(UserError, match="two networks are averaged"):
        pair.cut("top")
