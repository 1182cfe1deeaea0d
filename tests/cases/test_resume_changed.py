"""An interrupted run goes on with the data that it began with, wherever they lie, and with no other."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

import transferkit
from transferkit.errors import UserError

NAMES = ("c0", "c1", "c2")


class _Interruption(Exception):
    """Stands for a kill: it ends a run in the midst of its evaluation."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Photos of three classes, and a run on them that was interrupted after its training."""
    root = tmp_path_factory.mktemp("changed")
    rng = np.random.default_rng(3)
    for label, name in enumerate(NAMES):
        (root / "many" / name).mkdir(parents=True)
        for number in range(10):
            pixels = np.clip(rng.normal((60 * label + 40, 90, 150), 30, (24, 24, 3)), 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(root / "many" / name / f"{number:02}.png")

    def interrupted(*args, **kwargs):
        raise _Interruption

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("transferkit.runs.execute.evaluate_network", interrupted)
        with pytest.raises(_Interruption):
            transferkit.retrain(
                run=root / "run",
                data=root / "many",
                backbone="embedded",
                quiet=True,
                overrides=["epochs=2", "export.parity=false"],
            )
    return root


@pytest.fixture
def interrupted(made, tmp_path):
    """A copy of the photos and the interrupted run."""
    shutil.copytree(made, tmp_path / "begun")
    return tmp_path / "begun"


def resume(root):
    return transferkit.retrain(run=root / "run", data=root / "many", resume=True, quiet=True)


def rename(root):
    (root / "many/c2").rename(root / "many/a2")


def swap(root):
    (root / "many/c0").rename(root / "many/t")
    (root / "many/c1").rename(root / "many/c0")
    (root / "many/t").rename(root / "many/c1")


def add(root):
    picture = Image.fromarray(np.full((24, 24, 3), 7, np.uint8))
    picture.save(root / "many/c0/new.png")


def relabel(root):
    (root / "many/c0/00.png").rename(root / "many/c1/x.png")


def remove(root):
    (root / "many/c1/03.png").unlink()


def edit(root):
    add(root)
    (root / "many/c0/new.png").replace(root / "many/c0/05.png")


def remove_class(root):
    shutil.rmtree(root / "many/c2")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (rename, r"1 class renamed \(c2 -> a2\)"),
        (swap, r"20 images relabelled \(c0/00.png, c0/01.png, c0/02.png, …\)"),
        (add, r"1 image added \(c0/new.png\)"),
        (relabel, r"1 image relabelled \(c1/x.png\)"),
        (remove, r"1 image removed \(c1/03.png\)"),
        (edit, r"1 image added \(c0/05.png\), 1 image removed \(c0/05.png\)"),
        (remove_class, r"10 images removed \(c2/00.png, c2/01.png, c2/02.png, …\)"),
    ],
)
def test_changed_data_are_refused_in_one_line_that_says_how(interrupted, change, said):
    change(interrupted)
    before = sorted(path for path in interrupted.rglob("*") if "many" not in path.parts)
    with pytest.raises(
        UserError, match=rf"--resume: the data changed since the run began: .*{said}"
    ) as raised:
        resume(interrupted)
    assert len(raised.value.faults) == 1
    assert "--overwrite" in str(raised.value)
    assert sorted(path for path in interrupted.rglob("*") if "many" not in path.parts) == before


@pytest.mark.slow
def test_the_same_data_at_another_place_under_other_names_are_accepted(made, interrupted, tmp_path):
    shutil.copytree(made, tmp_path / "other")
    whole = resume(tmp_path / "other")
    (interrupted / "many").rename(interrupted / "moved")
    # Another order of the files: the batches must be those of the ledger all the same.
    for number in range(10):
        (interrupted / f"moved/c0/{number:02}.png").rename(interrupted / f"moved/c0/r{9 - number}.png")
    # Only the ledger can bring back the rows' order; the phase trains again from its first epoch.
    for folder in (interrupted / ".run.partial/phases").iterdir():
        shutil.rmtree(folder)
    run = transferkit.retrain(run=interrupted / "run", data=interrupted / "moved", resume=True, quiet=True)
    one, other = np.load(run.path / "weights.npz"), np.load(whole.path / "weights.npz")
    assert all(np.array_equal(one[name], other[name]) for name in other.files)
    assert "c0/r9.png" in (run.path / "split.csv").read_text()


def test_an_option_other_than_the_datas_place_is_refused(interrupted):
    with pytest.raises(UserError, match="batch_size is 8, was 32"):
        transferkit.retrain(
            run=interrupted / "run", data=interrupted / "many", batch_size=8, resume=True, quiet=True
        )


def test_a_backbone_with_other_weights_is_refused(interrupted):
    file = interrupted / ".run.partial/begun.json"
    facts = json.loads(file.read_text())
    facts["weights_sha256"] = "0" * 64
    file.write_text(json.dumps(facts))
    with pytest.raises(UserError, match="--resume: backbone"):
        resume(interrupted)


def test_a_repaired_file_counts_as_new(interrupted):
    """What was set aside as broken when the run began, and can be read now, was not trained on."""
    partial = interrupted / ".run.partial"
    (partial / "quarantine.csv").write_text("path,reason\nc0/new.png,broken\n")
    add(interrupted)
    with pytest.raises(UserError, match=r"1 image added \(c0/new.png\)"):
        resume(interrupted)
