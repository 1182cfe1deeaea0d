"""A finished run with more photos and with fewer, as one who has lost the old photos uses it."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest

import transferkit
from transferkit.cli import main
from transferkit.data.file_names import shown
from transferkit.errors import UserError
from transferkit.runs.extend.extended_recipe import LISTED
from transferkit.runs.extend.source_run import SourceRun
from transferkit.runs.folder.verify import changed_files
from transferkit.training.progress import Progress

OVERRIDES = ["evaluation.resamples=20", "export.parity=4", "evaluation.grad_cam=0"]


@pytest.fixture(scope="module")
def folders(noise_photos):
    """Old photos, new ones with a new class, and all of them together."""
    old = noise_photos({"dark one": 40, "grey": 120, "light": 210}, 12, 20, between=6)
    new = noise_photos({"mid night": 80, "grey": 125}, 10, 20, between=6, seed=1)
    for folder in new.iterdir():
        for file in folder.iterdir():
            file.rename(file.with_name(f"new_{file.name}"))
    # A name in another encoding, as old discs have them.
    odd = min((new / "mid night").iterdir())
    odd.rename(odd.with_name(os.fsdecode(b"caf\xe9.png")))
    joint = old.with_name("joint")
    shutil.copytree(old, joint)
    shutil.copytree(new, joint, dirs_exist_ok=True)
    return old, new, joint


def _retrained(data, place, head, *overrides):
    return transferkit.retrain(
        data=data, backbone="embedded", head=head, run=place, epochs=2, quiet=True,
        overrides=[*OVERRIDES, *overrides],
    )  # fmt: skip


@pytest.fixture(scope="module")
def runs(folders, tmp_path_factory):
    """A run whose photos are deleted, and what `extend` made of it."""
    old, new, _ = folders
    place = tmp_path_factory.mktemp("runs")
    run = _retrained(old, place / "run", "ridge")
    shutil.move(old, old.with_name("away"))
    extended = transferkit.extend(run, new)
    return run, extended, old


def _furthest(one, other, photos):
    answers = [run.predict(photos, top=9) for run in (one, other)]
    return max(
        abs(dict(a.top)[name] - dict(b.top)[name])
        for a, b in zip(*answers, strict=True)
        for name in dict(a.top)
    )


def test_it_equals_joint_training_though_the_old_photos_are_gone(runs, folders, tmp_path):
    run, extended, _ = runs
    joint = _retrained(
        folders[2], tmp_path / "joint", "ridge",
        ("data.ledger", str(run.path)), ("data.classes", list(extended.classes)),
    )  # fmt: skip
    assert extended.classes == ("dark one", "grey", "light", "mid night")
    assert _furthest(extended, joint, folders[2]) <= 1e-5
    assert extended.changes.proof.holds
    assert extended.changes.proof.images == 36
    assert extended.metrics["samples"] == joint.metrics["samples"]


def test_the_new_run_is_whole_and_tells_what_changed(runs):
    run, extended, old = runs
    assert extended.path == run.path.with_name("run-2")
    assert not changed_files(extended.path)
    assert {one.name for one in extended.changes.classes} <= {"dark one", "grey", "light"}
    page = (extended.path / "report.html").read_text("utf-8")
    assert "What changed for the old classes" in page
    assert "equal to training on all photos together" in extended.describe()
    (finding,) = json.loads((extended.path / "parity.json").read_text())["artefacts"]
    assert finding["passed"]
    # Once the photos are back, the run's own recipe leads to all of them.
    shutil.copytree(old.with_name("away"), old)
    try:
        assert transferkit.verify(extended) == []
        assert extended.evaluate(split="val").metrics["samples"] > 0
    finally:
        shutil.rmtree(old)


def test_names_that_are_no_utf_8_lead_to_their_photos(runs, folders):
    listed = [json.loads(line) for line in (runs[1].path / "images.jsonl").read_text().splitlines()]
    paths = [os.path.join(runs[1].recipe.data.root, one["path"]) for one in listed]
    assert os.fsdecode(b"caf\xe9.png") in {os.path.basename(one) for one in paths}
    assert "caf\\xe9.png" in (runs[1].path / "split.csv").read_text()
    again = SourceRun(runs[1], None, False, Progress(quiet=True))
    assert list(again.images.paths) == paths


def test_neighbours_need_no_photo_either(runs, folders):
    _, extended, _ = runs
    (found,) = transferkit.similar(extended, next((folders[1] / "mid night").iterdir()), count=3)
    assert found.neighbours[0].distance == pytest.approx(0, abs=1e-5)
    assert found.neighbours[0].label == "mid night"


def test_a_class_and_photos_are_forgotten_without_any_photo(runs, tmp_path):
    run, extended, _ = runs
    name = extended.evaluation.paths[0]
    left = transferkit.forget(extended, classes="light", files=[name], to=tmp_path / "left")
    assert left.classes == ("dark one", "grey", "mid night")
    with np.load(left.path / "features.npz") as kept:
        assert len(kept["values"]) == sum(left.summary["images"].values())
    listed = (left.path / LISTED).read_text("utf-8")
    assert "light/" not in listed
    assert name not in listed
    assert "without" in left.describe()
    with pytest.raises(UserError, match="two classes at least"):
        transferkit.forget(run, classes=["light", "grey"], to=tmp_path / "none")
    assert not (tmp_path / "none").exists()
    assert not (tmp_path / ".none.partial").exists()


def test_what_a_killed_one_left_is_begun_anew_and_not_resumed(runs, folders, tmp_path):
    run, extended, _ = runs
    place = tmp_path / "killed"
    partial = tmp_path / ".killed.partial"
    partial.mkdir()
    shutil.copy(extended.path / "extended.json", partial)
    with pytest.raises(UserError, match="give that command again"):
        transferkit.retrain(run=place, resume=True, quiet=True)
    # It is no obstacle: the photos are looked at, which here are all known.
    with pytest.raises(UserError, match="has all of these 20 photos"):
        transferkit.extend(extended, folders[1], to=place)
    with pytest.raises(UserError, match="a place where nothing is yet"):
        transferkit.extend(run, folders[1], to=extended.path)
    with pytest.raises(UserError, match="another place than the run's own"):
        transferkit.extend(run, folders[1], to=run.path, overwrite=True)


def test_an_interruption_leaves_nothing(runs, tmp_path, monkeypatch):
    begun = []

    def interrupted(self, folder):
        begun.append(folder)
        raise KeyboardInterrupt

    monkeypatch.setattr("transferkit.runs.extend.make_extended_run._Extension.begin", interrupted)
    with pytest.raises(KeyboardInterrupt):
        transferkit.forget(runs[1], classes="grey", to=tmp_path / "new")
    assert begun == [tmp_path / ".new.partial"]
    assert not list(tmp_path.iterdir())


def test_features_that_are_damaged_or_missing_are_one_line(runs, folders, tmp_path):
    run = runs[0]
    copied = tmp_path / "copied"
    shutil.copytree(run.path, copied)
    file = copied / "features.npz"
    kept = file.read_bytes()
    file.write_bytes(kept[:-40] + bytes(40))
    with pytest.raises(UserError, match=r"features\.npz: changed"):
        transferkit.extend(copied, folders[1])
    file.unlink()
    with pytest.raises(UserError, match=r"features\.npz"):
        transferkit.extend(copied, folders[1])
    facts = json.loads((copied / "metrics.json").read_text())
    del facts["kept_features"]
    (copied / "metrics.json").write_text(json.dumps(facts))
    with pytest.raises(UserError, match="an older version of transferkit made it; retrain") as found:
        transferkit.extend(copied, folders[1])
    assert len(found.value.faults) == 1


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [("metrics.json", '"classes": [', '"classes": ["zebra", '), ("recipe.toml", "[head]", "[head]\n")],
)
def test_nothing_is_made_of_a_run_whose_files_were_edited(runs, folders, tmp_path, name, before, after):
    """With the classes in another order, or another resizing, its weights would give other answers."""
    copied = tmp_path / "copied"
    shutil.copytree(runs[0].path, copied)
    text = (copied / name).read_text("utf-8")
    assert before in text
    (copied / name).write_text(text.replace(before, after, 1) + "\n", "utf-8")
    photo = next(folders[1].rglob("*.png"))
    for ask in (
        lambda: transferkit.extend(copied, folders[1]),
        lambda: transferkit.embed(copied, photo),
        lambda: transferkit.Run(copied).model,
    ):
        with pytest.raises(UserError, match=rf"{name}: changed since"):
            ask()


def test_new_photos_may_be_listed_in_other_columns(runs, folders, tmp_path):
    run, _, _ = runs
    photos = sorted(path for path in folders[1].rglob("*") if path.parent.name in run.classes)
    lines = [f"{path},{path.name},{path.parent.name}" for path in photos]
    (tmp_path / "new.csv").write_text("\n".join(["where,what,whose", *lines]) + "\n")
    with pytest.raises(UserError, match="which column is the"):
        run.evaluate(tmp_path / "new.csv")
    columns = "data.columns={path='where', label='whose'}"
    assert run.evaluate(tmp_path / "new.csv", overrides=[columns]).metrics["samples"] == len(photos)
    (tmp_path / "half.png").write_bytes(photos[0].read_bytes()[:200])
    with open(tmp_path / "new.csv", "a") as file:
        file.write(f"{tmp_path / 'half.png'},half,grey\n")
    with pytest.raises(UserError, match="1 of 11 files unreadable"):
        transferkit.extend(run, tmp_path / "new.csv", to=tmp_path / "to", overrides=[columns])
    more = [columns, "data.max_unreadable=0.2"]
    extended = transferkit.extend(run, tmp_path / "new.csv", to=tmp_path / "to", overrides=more)
    assert extended.changes.photos == len(photos)
    with pytest.raises(UserError, match="--data beside it"):
        run.evaluate(overrides=[columns])


def test_both_verbs_say_what_is_missing(runs, capsys):
    for words in (["extend", str(runs[0].path)], ["forget", str(runs[0].path)]):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 2
        assert "expected" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("head", ["auto", "logistic", "kernel", "random_features", "prototype"])
def test_every_head_that_is_found_at_once_equals_joint_training(head, folders, tmp_path):
    _, new, joint_photos = folders
    old = tmp_path / "old"
    shutil.copytree(
        joint_photos, old, ignore=lambda folder, names: [n for n in names if n.startswith(("new_", "mid"))]
    )
    run = _retrained(old, tmp_path / "run", head)
    shutil.rmtree(old)
    extended = transferkit.extend(run, new)
    assert extended.changes.proof.holds
    # What `auto` chose stands: the choice may be made anew by a retraining, which is another head.
    if head != "auto":
        joint = _retrained(
            joint_photos, tmp_path / "joint", head,
            ("data.ledger", str(run.path)), ("data.classes", list(extended.classes)),
        )  # fmt: skip
        assert _furthest(extended, joint, joint_photos) <= 1e-5


@pytest.mark.slow
def test_a_head_that_is_trained_goes_on_warm_and_says_so(folders, tmp_path):
    _, new, joint_photos = folders
    old = tmp_path / "old"
    shutil.copytree(
        joint_photos, old, ignore=lambda folder, names: [n for n in names if n.startswith(("new_", "mid"))]
    )
    run = _retrained(
        old, tmp_path / "run", "linear",
        "evaluation.calibrate=true", "evaluation.false_alarms=0.3", "data.validation=0.4",
    )  # fmt: skip
    shutil.rmtree(old)
    extended = transferkit.extend(run, new)
    assert not extended.changes.proof.exact
    assert "a warm start" in extended.describe()
    assert extended.calibrated.temperature is not None
    assert extended.novelty.found
    assert extended.metrics["accuracy"] > 0.5
    assert transferkit.forget(extended, classes="grey").classes == ("dark one", "light", "mid night")


@pytest.mark.slow
def test_photos_of_several_labels_come_and_a_label_goes(folders, tmp_path):
    _, new, joint = folders

    def listed(name, files, extra):
        lines = [
            f"{shown(str(file.relative_to(joint.parent)))},{file.parent.name}{'|' + extra if n % 2 else ''}\n"
            for n, file in enumerate(files)
        ]
        place = joint.with_name(name)
        place.write_text("path,labels\n" + "".join(lines), "utf-8")
        return place

    every = sorted(joint.rglob("*.png"))
    known = [file for file in every if not file.name.startswith("new_") and file.parent.name != "mid night"]
    fresh = [file for file in every if file not in known]
    run = _retrained(listed("old.csv", known, "odd"), tmp_path / "run", "logistic", "head.multi_label=true")
    extended = transferkit.extend(run, listed("new.csv", fresh, "odd"))
    assert extended.changes.proof.holds
    assert set(extended.classes) == {*run.classes, "mid night"}
    both = joint.with_name("both.csv")
    text = joint.with_name("new.csv").read_text("utf-8").partition("\n")[2]
    both.write_text(joint.with_name("old.csv").read_text("utf-8") + text, "utf-8")
    whole = _retrained(
        both, tmp_path / "whole", "logistic", "head.multi_label=true",
        ("data.ledger", str(run.path)), ("data.classes", list(extended.classes)),
    )  # fmt: skip
    assert _furthest(extended, whole, joint) <= 1e-5
    left = transferkit.forget(extended, classes="odd")
    assert "odd" not in left.classes
    assert "its photos stay with their other labels" in left.describe()
    with pytest.raises(UserError, match="expected lists of labels, as in the run") as found:
        transferkit.extend(run, new, to=tmp_path / "none")
    assert len(found.value.faults) == 1
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_a_tuned_backbone_stays_and_what_it_learned_is_said_however_often_it_is_extended(folders, tmp_path):
    _, new, joint = folders
    old = tmp_path / "old"
    shutil.copytree(joint, old, ignore=lambda _, names: [n for n in names if n.startswith(("new_", "mid"))])
    run = _retrained(old, tmp_path / "run", "linear", "freeze=none")
    extended = transferkit.extend(run, new)
    assert extended.changes.tuned
    photo = next(old.rglob("*.png"))
    at = [transferkit.embed(one.path, [photo]).features for one in (run, extended)]
    # The cut has moved above what was tuned, and another engine may run what is below it.
    np.testing.assert_allclose(*at, atol=1e-4)
    left = transferkit.forget(extended, classes="grey")
    assert "keeps what it learned from photos that are gone" in left.describe()
    assert "mid night" in left.classes
