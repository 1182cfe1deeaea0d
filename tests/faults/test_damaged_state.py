"""What a run reads back of itself is what it wrote: weights, moments, histories, trials, a begun recipe."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from transferkit.errors import UserError
from transferkit.files.array_file import read_arrays, write_arrays
from transferkit.runs.checks.interrupted import _check_kept
from transferkit.runs.sweep.trials import Trial
from transferkit.training.history import History
from transferkit.training.weight_files import read_weights, write_weights

ARRAYS = {
    "00000:a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "00001:a": np.ones((2, 3), np.float32),
    "00002:seed": np.array(7, np.uint32),
    "00003:none": np.zeros((0, 4), np.float32),
}


def test_arrays_come_back(tmp_path):
    write_arrays(tmp_path / "a.npz", ARRAYS)
    back = read_arrays(tmp_path / "a.npz")
    assert list(back) == list(ARRAYS)
    for name, value in ARRAYS.items():
        assert back[name].dtype == value.dtype
        np.testing.assert_array_equal(back[name], value)


def test_every_byte_of_an_array_file_may_be_wrong(tmp_path):
    file = tmp_path / "a.npz"
    write_arrays(file, ARRAYS)
    whole = file.read_bytes()
    lines = []
    for at in range(len(whole)):
        data = bytearray(whole)
        data[at] ^= 1 << at % 8
        file.write_bytes(data)
        try:
            back = read_arrays(file)
        except UserError as error:
            lines.append(str(error))
            continue
        # Dates and the like: the values are the same.
        assert back.keys() == ARRAYS.keys()
        for name, value in ARRAYS.items():
            assert back[name].tobytes() == value.tobytes()
            assert back[name].dtype == value.dtype
    assert len(lines) > len(whole) / 2
    assert all(line.startswith(f"{file}: the file cannot be read: ") for line in lines)


@pytest.mark.parametrize("how", ["reversed", "exchanged", "renamed", "retyped", "without a checksum"])
def test_a_file_that_was_written_again_with_other_values_is_not_read(tmp_path, how):
    file = tmp_path / "weights.npz"
    variables = [
        SimpleNamespace(path=name, shape=value.shape, __array__=None) for name, value in ARRAYS.items()
    ]
    write_arrays(file, ARRAYS)
    with np.load(file) as opened:
        found = {name: opened[name] for name in opened.files}
    if how == "reversed":
        found["00000:a"] = found["00000:a"][:, ::-1]
    elif how == "exchanged":
        found["00000:a"], found["00001:a"] = found["00001:a"], found["00000:a"]
    elif how == "renamed":
        found["00004:a"] = found.pop("00000:a")
    elif how == "retyped":
        found["00000:a"] = found["00000:a"].view(np.int32)
    else:
        found = {name: value for name, value in found.items() if name in ARRAYS}
    np.savez(file, **found)
    with pytest.raises(UserError, match=r"weights\.npz: the file cannot be read"):
        read_weights(file, variables)


def test_weights_of_other_variables_are_refused_and_nothing_is_assigned(tmp_path):
    class Variable:
        def __init__(self, value) -> None:
            self.value, self.path = np.asarray(value), "v"
            self.shape = self.value.shape

        def __array__(self, dtype=None, copy=None):
            return self.value

        def assign(self, value) -> None:
            self.value = value

    write_weights(tmp_path / "w.npz", [Variable([1.0, 2.0])])
    other = Variable([0.0])
    with pytest.raises(UserError, match="shape"):
        read_weights(tmp_path / "w.npz", [other])
    assert other.value.tolist() == [0.0]


def history(path) -> History:
    made = History(path)
    for epoch in range(4):
        made.append({"epoch": epoch, "val_loss": 1 / (1 + epoch), "loss": float("nan") if not epoch else 0.5})
    return made


def test_every_byte_of_a_history_may_be_wrong(tmp_path):
    file = tmp_path / "history.jsonl"
    rows = [json.dumps(row) for row in history(file).rows]
    whole = file.read_bytes()
    assert [json.dumps(row) for row in History.open(file, "loss").rows] == rows
    assert file.read_bytes() == whole
    lines = []
    for at in range(len(whole)):
        data = bytearray(whole)
        data[at] ^= 1 << at % 7
        file.write_bytes(data)
        try:
            found = [json.dumps(row) for row in History.open(file, "loss").rows]
        except UserError as error:
            lines.append(str(error))
            continue
        # Without its end the last line is half-written: its epoch is evaluated again.
        assert found == (rows[:3] if at == len(whole) - 1 else rows)
    assert len(lines) == len(whole) - 1
    assert all(line.startswith(f"{file}:") for line in lines)


def test_a_history_goes_back_to_the_step_that_training_goes_on_from(tmp_path):
    made = History(tmp_path / "history.jsonl")
    for epoch in range(4):
        made.append({"epoch": epoch, "step": 5 * epoch, "val_loss": 1.0})
    assert made.go_back(20) == made.go_back(15) == 0
    assert made.go_back(12) == 1
    assert [row["epoch"] for row in History.open(made.path, "loss").rows] == [0, 1, 2]
    assert made.go_back(0) == 2
    assert [row["epoch"] for row in History.open(made.path, "loss").rows] == [0]


def test_a_trial_that_was_changed_is_named(tmp_path):
    file = tmp_path / "trial.json"
    trial = Trial(1, [("head.kind", "linear"), ("epochs", 3)], 0.5, {"accuracy": 0.5}, 3, 1.5)
    trial.write(file)
    assert Trial.read(file) == trial
    for text in (file.read_text().replace("0.5", "0.6", 1), "{}", "[]", "", file.read_text()[:-9]):
        file.write_text(text)
        with pytest.raises(UserError, match=r"trial\.json: it was changed"):
            Trial.read(file)


def test_a_recipe_that_was_changed_is_not_resumed(tmp_path):
    kept = tmp_path / "recipe.toml"
    kept.write_text("epochs = 3\n")
    (tmp_path / "begun.json").write_text(
        json.dumps({"recipe_sha256": "b9ed7e5c0d5b3c1f6a9a2c1d1d4b2f3e" * 2})
    )
    with pytest.raises(UserError, match=r"^--resume: received '.*recipe\.toml'; it was changed since"):
        _check_kept(kept, tmp_path)
