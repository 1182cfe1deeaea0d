"""Whatever keras.json and the environment say: the same features, or one line that says why not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

import transferkit.keras_settings as settings
from transferkit.errors import UserError

FEATURES = """
import hashlib
from transferkit.tensorflow_startup import start_tensorflow
start_tensorflow()
from transferkit.backbones import load_backbone
import numpy as np
backbone = load_backbone("embedded")
images = (np.arange(2 * 128 * 128 * 3) % 251).reshape(2, 128, 128, 3).astype("uint8")
print(hashlib.sha256(np.asarray(backbone.cut(None).prefix(images))).hexdigest())
"""
OTHER = {"floatx": "float16", "epsilon": 0.1, "backend": "torch", "image_data_format": "channels_first"}


def features(home, **environment):
    done = subprocess.run(
        [sys.executable, "-c", FEATURES], capture_output=True, text=True, timeout=300,
        env={**os.environ, "KERAS_HOME": str(home), "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1], done.stderr


def test_other_settings_change_no_result(tmp_path):
    """All at once: another backend in file and environment, older Keras, number type, epsilon, channels."""
    plain, _ = features(tmp_path)
    (tmp_path / "keras.json").write_text(json.dumps(OTHER))
    other, said = features(tmp_path, KERAS_BACKEND="jax", TF_USE_LEGACY_KERAS="1")
    assert other == plain
    for name in ("floatx", "epsilon", "image_data_format"):
        assert f"{tmp_path / 'keras.json'}: {name} = {OTHER[name]!r} is not used here" in said


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """As before anything has imported Keras."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.setattr(settings, "_state", {"ours": False, "settled": False})
    return tmp_path / "keras.json"


@pytest.mark.parametrize("text", [None, "", "{broken", "{}", "\x00\xff", json.dumps(OTHER), '{"other": [1]}'])
def test_files_that_keras_can_start_with(fresh, text):
    if text is not None:
        fresh.write_text(text)
    settings.prepare_import()
    assert os.environ["KERAS_BACKEND"] == "tensorflow"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[]", "received 'list', expected a JSON object"),
        ('"x"', "expected a JSON object"),
        ('{"floatx": "int8"}', "floatx: received 'int8', expected one of float16"),
        ('{"floatx": ["float32"]}', "floatx: received"),
        ('{"image_data_format": null}', "image_data_format"),
        ('{"epsilon": 1}', "epsilon: received 1"),
        ('{"epsilon": "1e-7"}', "epsilon"),
    ],
)
def test_files_that_keras_cannot_start_with_are_one_line(fresh, text, part):
    fresh.write_text(text)
    with pytest.raises(UserError) as refused:
        settings.prepare_import()
    (line,) = refused.value.faults
    assert line.startswith(str(fresh))
    assert part in line


def test_a_file_that_cannot_be_read(fresh):
    fresh.mkdir()
    with pytest.raises(UserError, match="a file that can be read"):
        settings.prepare_import()


def test_they_are_refused_before_any_work(tmp_path, monkeypatch, fresh):
    from transferkit.runs.retrain import retrain

    monkeypatch.chdir(tmp_path)
    fresh.write_text("[]")
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "1.png").write_bytes(b"no image: it is refused where it is read")
    with pytest.raises(UserError, match=r"keras\.json"):
        retrain(data="photos", run="run")
    assert not (tmp_path / "runs").exists()


class Config(SimpleNamespace):
    """Stands for ``keras.config`` of a host program."""

    def __init__(self, **values):
        held = {
            "backend": "tensorflow", "floatx": "float32", "epsilon": 1e-7,
            "image_data_format": "channels_last", "dtype_policy": "float32", **values,
        }  # fmt: skip
        super().__init__(held=held)
        for name in held:
            setattr(self, name, lambda name=name: self._get(name))
            setattr(self, f"set_{name}", lambda value, name=name: held.__setitem__(name, value))

    def _get(self, name):
        return SimpleNamespace(name=self.held[name]) if name == "dtype_policy" else self.held[name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("floatx", "float16"),
        ("epsilon", 0.1),
        ("image_data_format", "channels_first"),
        ("dtype_policy", "mixed_float16"),
        ("backend", "torch"),
    ],
)
def test_settings_of_the_host_program_are_left_alone_and_refused(monkeypatch, name, value):
    monkeypatch.setattr(settings, "_state", {"ours": False, "settled": False})
    config = Config(**{name: value})
    with pytest.raises(UserError) as refused:
        settings.settle(SimpleNamespace(config=config))
    (line,) = refused.value.faults
    assert line.startswith(f"keras: {name}: received {value!r}")
    assert config.held[name] == value


def test_what_transferkit_imported_first_it_sets(monkeypatch, capsys):
    monkeypatch.setattr(settings, "_state", {"ours": True, "settled": False})
    config = Config(floatx="float64", epsilon=0.1, image_data_format="channels_first")
    settings.settle(SimpleNamespace(config=config))
    assert config.held == Config().held
    assert len(capsys.readouterr().err.splitlines()) == 3


@pytest.mark.parametrize("size", [0, 1_000, 0.5, 0.99])
def test_weights_that_were_cut_short_are_one_line(tmp_path, size):
    from transferkit.backbones import load_backbone
    from transferkit.find_card import load_card

    whole = load_card("embedded").weights_file.read_bytes()
    file = tmp_path / "cut.weights.h5"
    file.write_bytes(whole[: size if isinstance(size, int) else int(size * len(whole))])
    with pytest.raises(UserError) as refused:
        load_backbone("embedded", weights=str(file))
    (line,) = refused.value.faults
    assert "cut short" in line
    assert "\n" not in line


def test_code_of_ones_own_that_imports_keras_finds_it_prepared(tmp_path, monkeypatch, fresh):
    import transferkit.registry as registry
    from transferkit.recipe import admit_code, load

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_ADMITTED", {})
    (tmp_path / "own_backend.py").write_text(
        "import os\nbackend = os.environ['KERAS_BACKEND']\n"
        "from transferkit.schedules import Schedule\n"
        "class Flat(Schedule):\n    said: str = backend\n    def rate(self, step, span):\n        return 1\n"
    )
    recipe = admit_code(load(overrides=["schedule.kind=own_backend:Flat"]))
    assert recipe.schedule.options["said"] == "tensorflow"
    sys.modules.pop("own_backend")
