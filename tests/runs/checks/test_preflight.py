"""Every verb finds the same faults of a recipe, all of them at once, before anything runs."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest
from click.testing import CliRunner

import transferkit
from transferkit import find_card
from transferkit.cli import cli
from transferkit.errors import UserError
from transferkit.recipe import load
from transferkit.runs.checks.preflight import preflight
from transferkit.runs.sweep.choose_values import check_sweep

# A fault of each kind: a word, a card, a gate, packages of three kinds, a folder, files.
FAULTS = """
extends = "retrain"
data = {{ path = "nowhere", ledger = "no_run" }}
backbone = "mobilenet_v9"
head = {{ kind = "linaer" }}
activations = {{ cache_dir = "{cache}" }}
evaluation = {{ fail_under = {{ acuracy = 0.9 }} }}
export = {{ formats = ["onnx"] }}
tracking = {{ mlflow = true }}
sweep = {{ method = "optuna", values = {{ batch_size = [8, 16] }} }}
"""
PLACES = [
    "mine.toml:4: backbone.name",
    "mine.toml:5: head.kind",
    "gate acuracy",
    "mine.toml:3: data",
    "mine.toml:3: data.ledger",
    "mine.toml:6: activations.cache_dir",
    "mine.toml:8: export.formats",
    "mine.toml:9: tracking.mlflow",
    "mine.toml:10: sweep.method",
]


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """The file with the faults, where none of the packages is installed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a_file").touch()
    (tmp_path / "mine.toml").write_text(FAULTS.format(cache=tmp_path / "a_file" / "cache"))
    found, hidden = importlib.util.find_spec, ("mlflow", "optuna", "onnx", "onnxruntime", "tf2onnx")
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *rest: None if name in hidden else found(name, *rest)
    )
    return "mine.toml"


def refused(*arguments: str) -> tuple[str, ...]:
    result = CliRunner().invoke(cli, arguments)
    assert isinstance(result.exception, UserError), result.output
    return result.exception.faults


def raised(function, *arguments, **options) -> tuple[str, ...]:
    with pytest.raises(UserError) as caught:
        function(*arguments, **options)
    return caught.value.faults


def test_all_verbs_and_the_api_name_the_same_faults(recipe, tmp_path):
    found = preflight(recipe)
    assert [line.rsplit(": ", 1)[0].split(": received")[0] for line in found] == PLACES
    assert refused("recipes", "validate", recipe) == found
    assert refused("plan", "--recipe", recipe) == found
    assert refused("retrain", "--recipe", recipe, "--run", "run") == found
    assert raised(transferkit.retrain, recipe, run="run") == found
    assert raised(transferkit.plan, recipe) == found
    assert transferkit.preflight(recipe) == found
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a_file", "mine.toml"], "nothing was written"


def test_a_run_adds_what_is_wrong_beside_its_recipe(recipe, tmp_path):
    (tmp_path / "there").mkdir()
    found = refused("retrain", "--recipe", recipe, "--run", "there", "--fail-under", "2")
    assert found[: len(PLACES)] == preflight(recipe)
    assert [line.partition(":")[0] for line in found[len(PLACES) :]] == ["gate accuracy", "run"]


def test_a_wrong_key_does_not_hide_those_beside_it(tmp_path):
    """The path that was given is neither forgotten nor left unchecked."""
    photos = tmp_path / "photos"
    photos.mkdir()
    with pytest.raises(UserError) as wrong:
        transferkit.retrain(data=photos, backbone="embedded", overrides=["data.size=192"])
    (line,) = wrong.value.faults
    assert "data.size" in line
    with pytest.raises(UserError) as both:
        transferkit.retrain(data=tmp_path / "none", backbone="embedded", overrides=["data.size=192"])
    assert [line for line in both.value.faults if "there is no such folder" in line]
    # Where the keys go together only as they stood, the table goes.
    with pytest.raises(UserError) as table:
        transferkit.retrain(data=photos, backbone="embedded", overrides=["data.columns=7", "data.sizes=1"])
    assert len(table.value.faults) == 2


def test_the_images_may_be_others_than_the_recipe_says(tmp_path):
    recipe = load(overrides=[f"data.path='{tmp_path / 'gone'}'"])
    assert len(preflight(recipe)) == 1
    assert preflight(recipe, data=tmp_path) == ()
    (line,) = preflight(load(), data="tfds:no_such_set_is_looked_for")
    assert "transferkit[tfds]" in line


@pytest.mark.parametrize(
    ("setting", "part"),
    [
        ("backbone='keras_file:gone.keras'", "a .keras or .h5 file; no such file"),
        ("backbone='saved_model:gone'", "the folder of a SavedModel; no such folder"),
        ("backbone.weights='gone.h5'", "no such file or folder"),
        ("data.classes='names.txt'", "a file with a class name a line"),
        ("data.root='gone'", "data.root: received 'gone', expected a folder"),
    ],
)
def test_a_file_that_is_not_there_is_named(setting, part, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (line,) = preflight(load(overrides=[setting]))
    assert part in line


@pytest.mark.parametrize(
    ("package", "setting"),
    [
        ("keras_hub", "backbone='keras_hub:resnet_18_imagenet'"),
        ("openvino", "activations.engine=openvino"),
        ("wandb", "tracking.wandb=true"),
    ],
)
def test_a_package_that_is_not_installed_is_named(package, setting, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.delitem(sys.modules, package, raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == package else found(name))
    (line,) = preflight(load(overrides=[setting]))
    assert f"the package {package}, which is not installed" in line


def test_a_cache_that_can_only_be_read_is_no_fault(tmp_path):
    (tmp_path / "cache").mkdir(mode=0o555)
    assert preflight(load(overrides=[f"activations.cache_dir='{tmp_path / 'cache'}'"])) == ()


def test_each_card_that_is_joined_is_read_once_and_the_faults_of_all_are_said(tmp_path, monkeypatch):
    read, reader = [], find_card._read
    monkeypatch.setattr(find_card, "_read", lambda path: read.append(path.name) or reader(path))
    cards = [tmp_path / f"{name}.toml" for name in ("first", "second", "third")]
    for card in cards:
        card.write_text(f'{card.stem} = "nothing that a card has"\n')
    first, *others = map(str, cards)
    lines = preflight(load(overrides=[("backbone.name", first), ("backbone.join", others)]))
    for card in cards:
        assert any(line.startswith(f"{card.name}: {card.stem}: ") for line in lines)
    assert [name for name in read if name != "first.toml"] == ["second.toml", "third.toml"]


def test_a_trial_with_an_unknown_card_is_refused_before_the_first():
    recipe = load(overrides=["sweep.values={'backbone.name'=['embedded', 'embeded']}"])
    (line,) = raised(check_sweep, recipe)
    assert "trial 2" in line
    assert "did you mean 'embedded'" in line


def test_what_the_values_of_a_sweep_lead_to_is_checked_before_the_first_trial(monkeypatch, tmp_path):
    """A file that the last trial lacks would show after hours."""
    monkeypatch.chdir(tmp_path)
    found, hidden = importlib.util.find_spec, ("onnx", "openvino")
    monkeypatch.delitem(sys.modules, "openvino", raising=False)
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *rest: None if name in hidden else found(name, *rest)
    )
    values = {
        "backbone.name": ["embedded", "keras_file:gone.keras"],
        "batch_size": [8, 16],
        "export.formats": [["onnx"], ["saved_model"]],
        "activations.engine": ["auto", "openvino"],
        "data.root": ["gone"],
    }
    lines = preflight(load(overrides=[("sweep.values", values)]))
    assert [line.partition(": received")[0] for line in lines] == [
        "sweep: backbone.name = 'keras_file:gone.keras': backbone",
        "sweep: export.formats = ['onnx']: export.formats",
        "sweep: activations.engine = 'openvino': activations.engine",
        "sweep: data.root = 'gone': data.root",
    ]


def test_what_is_sound_takes_no_tensorflow():
    """Whatever it is exported to, and also where the files are at a URL."""
    code = """
import sys
from transferkit.export.formats import format_names
from transferkit.recipe import load
from transferkit.runs.checks.preflight import preflight
formats = [name for name in format_names() if name != "onnx"]
recipe = load(overrides=[("export.formats", formats), "data.root='https://127.0.0.1/photos'"])
assert preflight(recipe) == (), preflight(recipe)
print(len(formats) > 4, "tensorflow" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True False\n"


def test_a_root_at_a_url_with_a_secret_in_it_is_refused():
    (line,) = preflight(load(overrides=["data.root='https://me:secret@host/photos'"]))
    assert line.startswith("data.root: received 'https://")
    assert "secret@" not in line
