"""A run finds its photos from any folder, and after the whole project has moved."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

import transferkit
from transferkit.errors import UserError
from transferkit.recipe import load
from transferkit.runs.folder.located import located, record_paths
from transferkit.runs.folder.run_manifest import read_facts
from transferkit.runs.folder.verify import verify_run

SETTINGS = ["epochs=1", "export.parity=false", "evaluation.grad_cam=0"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A project whose run was started in it, with relative paths throughout."""
    project = tmp_path_factory.mktemp("moved") / "project"
    rng = np.random.default_rng(4)
    for label, name in enumerate(("cat", "dog")):
        (project / "photos" / name).mkdir(parents=True)
        for number in range(10):
            pixels = np.clip(rng.normal((90 * label + 40, 90, 150), 30, (24, 24, 3)), 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(project / "photos" / name / f"{number:02}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        transferkit.retrain(data="photos", run="runs/r", backbone="embedded", quiet=True, overrides=SETTINGS)
    return project


@pytest.fixture
def project(made, tmp_path):
    """A copy at another place, as a project that has moved; the old place holds nothing."""
    shutil.copytree(made, tmp_path / "there")
    made.rename(made.with_name("away"))
    yield tmp_path / "there"
    made.with_name("away").rename(made)


def test_the_recipe_stays_as_it_was_written_and_the_manifest_has_the_path_whole(made):
    run = made / "runs/r"
    assert 'path = "photos"' in (run / "recipe.toml").read_text()
    paths = read_facts(run)["paths"]
    assert paths["data.path"] == {"absolute": str(made / "photos"), "from_run": "../../photos"}


def test_a_run_is_evaluated_exported_and_verified_from_another_folder(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = transferkit.load_run(made / "runs/r")
    assert run.recipe.data.path == str(made / "photos")
    assert run.evaluate().metrics["accuracy"] == run.metrics["accuracy"]
    assert verify_run(run) == []
    assert run.export(tmp_path / "export").is_dir()
    assert all(mistake.file is not None for mistake in run.mistakes())


@pytest.mark.parametrize("inside", [True, False])
def test_a_run_moves_with_its_photos(project, tmp_path, monkeypatch, inside):
    monkeypatch.chdir(project if inside else tmp_path)
    run = transferkit.load_run("runs/r" if inside else "there/runs/r")
    assert run.recipe.data.path == str(project / "photos")
    assert verify_run(run) == []


def test_photos_that_are_gone_are_named_where_they_were(project, made):
    shutil.rmtree(project / "photos")
    run = transferkit.load_run(project / "runs/r")
    with pytest.raises(UserError, match=str(made / "photos")):
        run.evaluate()


@pytest.mark.slow
def test_the_interrupted_run_is_resumed_from_another_folder(made, tmp_path, monkeypatch):
    root = tmp_path / "again"
    shutil.copytree(made, root)
    (root / "runs/r").rename(root / "runs/.r.partial")
    for name in ("metrics.json", "export", "report.html"):
        path = root / "runs/.r.partial" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    monkeypatch.chdir(tmp_path)
    run = transferkit.retrain(run="again/runs/r", resume=True, quiet=True)
    assert run.metrics["accuracy"] == transferkit.load_run(made / "runs/r").metrics["accuracy"]
    assert verify_run(run) == []


def test_paths_behind_words_are_found_and_names_of_cards_are_left_alone(tmp_path, monkeypatch):
    project = tmp_path / "project"
    (project / "models/own").mkdir(parents=True)
    (project / "w.npz").write_bytes(b"")
    monkeypatch.chdir(project)
    (project / "floor").mkdir()
    wanted = {"backbone.name": "saved_model:models/own", "backbone.weights": "w.npz", "data.path": "tfds:x"}
    lists = {"backbone.join": ["embedded", "card:w.npz"], "evaluation.other_data": ["floor", "gone"]}
    recipe = load(None, [*wanted.items(), *lists.items()])
    paths = record_paths(recipe, project / "runs/r")
    assert sorted(paths) == [
        "backbone.join.1", "backbone.name", "backbone.weights", "evaluation.other_data.0"
    ]  # fmt: skip
    assert record_paths(load(None, backbone="embedded"), project / "runs/r") == {}
    project.rename(tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    found = located(recipe, paths, tmp_path / "moved/runs/r")
    assert found.backbone.name == f"saved_model:{tmp_path / 'moved/models/own'}"
    assert found.backbone.weights == str(tmp_path / "moved/w.npz")
    assert found.data.path == "tfds:x"
    assert found.backbone.join == ("embedded", f"card:{tmp_path / 'moved/w.npz'}")
    assert found.evaluation.other_data == (str(tmp_path / "moved/floor"), "gone")


def test_the_second_networks_files_are_found_again(tmp_path, monkeypatch):
    project = tmp_path / "project"
    (project / "runs").mkdir(parents=True)
    for name in ("x.keras", "w.npz", "y.keras"):
        (project / name).write_bytes(b"")
    monkeypatch.chdir(project)
    table = {"name": "keras_file:./x.keras", "weights": "w.npz", "join": ["embedded", "keras_file:y.keras"]}
    recipe = load(None, [("average.backbone", table)])
    assert record_paths(load(None, [("average.head", "auto")]), project / "runs/r") == {}
    paths = record_paths(recipe, project / "runs/r")
    assert sorted(paths) == ["average.backbone.join.1", "average.backbone.name", "average.backbone.weights"]
    assert located(recipe, paths, project / "runs/r") is recipe
    project.rename(tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    moved = tmp_path / "moved"
    found = located(recipe, paths, moved / "runs/r").average.backbone
    assert (found.name, found.weights) == (f"keras_file:{moved / 'x.keras'}", str(moved / "w.npz"))
    assert found.join == ("embedded", f"keras_file:{moved / 'y.keras'}")
    # A recipe that has no second network is left as it is.
    assert located(load(), paths, moved / "runs/r").average is None


@pytest.mark.parametrize(
    "text", ["", "[]", '{"paths": []}', '{"paths": {"data.path": 3, "seed": {"absolute": "/"}}}']
)
def test_a_manifest_without_paths_leaves_the_recipe_as_it_is(tmp_path, text):
    from transferkit.runs.folder.located import read_paths

    (tmp_path / "begun.json").write_text(text)
    recipe = load(None, [("data.path", "photos")])
    assert located(recipe, read_paths(tmp_path), tmp_path) == recipe
