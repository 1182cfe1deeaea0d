"""A choice that was ended goes on after its last step, and on nothing that differs from it."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from transferkit.files.array_file import read_arrays, write_arrays
from transferkit.runs.best import decided

from .answers_made import COUNT, judged, tuned


def test_a_choice_that_was_killed_goes_on_after_its_last_step(choose, tmp_path):
    """With the same steps, to the last digit, and without judging again what was judged."""
    steps = ["backbones", "mirror", "join", "finetune", "average"]

    def answers(name, mirror, join):
        return judged({"embedded": 0.4, "other": 0.3, "third": 0.5}[name] - 0.1 * bool(join), len(join))

    def folds():
        return [tuned(0.9, number, np.ones(COUNT)) for number in range(5)]

    whole, every = choose(answers, folds(), steps=steps)
    left = 3

    def until(name, mirror, join):
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return answers(name, mirror, join)

    with pytest.raises(KeyboardInterrupt):
        choose(until, folds(), tmp_path, steps=steps)
    found, asked = choose(answers, folds(), tmp_path, steps=steps)
    assert asked == every[3:]
    assert found.values == whole.values
    timeless = [dataclasses.replace(one, seconds=0) for one in found.steps]
    assert timeless == [dataclasses.replace(one, seconds=0) for one in whole.steps]


def test_decisions_of_another_recipe_or_a_damaged_file_are_made_anew(choose, tmp_path):
    def asked(**best):
        return len(choose(lambda *_: judged(0.4), folder=tmp_path, steps=["mirror"], **best)[1])

    assert [asked(), asked(), asked(budget=100)] == [2, 0, 2]
    (tmp_path / "decided.npz").write_bytes(b"PK")
    assert asked() == 2


@pytest.mark.parametrize("changed", [{"sha256": "f" * 64}, {"name": "other.jpg"}, {"split": "val"}], ids=str)
def test_decisions_on_other_photos_are_made_anew(choose, tmp_path, changed):
    def asked(changed=None):
        return len(choose(lambda *_: judged(0.4), folder=tmp_path, changed=changed, steps=["mirror"])[1])

    assert [asked(), asked(), asked(changed), asked(changed)] == [2, 0, 2, 0]


def test_decisions_of_another_version_are_made_anew(choose, tmp_path, monkeypatch):
    def asked():
        return len(choose(lambda *_: judged(0.4), folder=tmp_path, steps=["mirror"])[1])

    assert [asked(), asked()] == [2, 0]
    monkeypatch.setattr(decided, "__version__", "9.9.9")
    assert [asked(), asked()] == [2, 0]


@pytest.mark.parametrize("part", ["key", "steps", "values", "judged", "step", "held", "all"])
def test_decisions_that_lack_a_part_are_made_anew(choose, tmp_path, part):
    """A file as another state of the code would have written it, whole by its checksum."""

    def asked():
        return len(choose(lambda *_: judged(0.4), folder=tmp_path, steps=["mirror"])[1])

    asked()
    file = tmp_path / "decided.npz"
    arrays = read_arrays(file)
    facts = json.loads(arrays["facts"].tobytes())
    if part == "held":
        del arrays["held"]
    elif part == "judged":
        facts["judged"]["unknown"] = 1
    elif part == "step":
        facts["steps"][0]["unknown"] = 1
    elif part == "all":
        facts = [facts]
    else:
        del facts[part]
    arrays["facts"] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    write_arrays(file, arrays)
    assert asked() == 2
