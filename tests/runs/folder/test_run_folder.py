"""A run appears whole or not at all, and destroys no other."""

from __future__ import annotations

import os
import threading

import pytest

from transferkit.errors import UserError
from transferkit.files.whole_file import write_whole
from transferkit.runs.folder.run_folder import RunFolder


def finished(path, content="old"):
    path.mkdir(parents=True)
    (path / "metrics.json").write_text(content)
    return path


def test_nothing_is_at_the_place_until_the_run_is_whole(tmp_path):
    place = RunFolder(tmp_path / "deep" / "run")
    place.check(overwrite=False, resume=False)
    assert not (tmp_path / "deep").exists()
    partial = place.open(resume=False)
    (partial / "metrics.json").write_text("{}")
    assert not place.path.exists()
    assert place.finish() == place.path
    assert (place.path / "metrics.json").read_text() == "{}"
    assert [path.name for path in place.path.parent.iterdir()] == ["run"]


def test_a_run_is_replaced_only_when_asked_and_only_by_a_whole_one(tmp_path):
    place = RunFolder(finished(tmp_path / "run"))
    with pytest.raises(UserError, match="--overwrite"):
        place.check(overwrite=False, resume=False)
    place.check(overwrite=True, resume=False)
    partial = place.open(resume=False)
    (partial / "metrics.json").write_text("new")
    assert (place.path / "metrics.json").read_text() == "old"
    place.finish()
    assert (place.path / "metrics.json").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_folder_that_is_no_run_is_never_overwritten(tmp_path):
    (tmp_path / "photos").mkdir()
    for overwrite in (False, True):
        with pytest.raises(UserError, match="choose another --run"):
            RunFolder(tmp_path / "photos").check(overwrite=overwrite, resume=False)


def test_an_interrupted_run_is_resumed_or_discarded_only_when_asked(tmp_path):
    place = RunFolder(tmp_path / "run")
    (place.open(resume=False) / "kept").write_text("")
    with pytest.raises(UserError, match=r"--resume.*--overwrite"):
        place.check(overwrite=False, resume=False)
    place.check(overwrite=False, resume=True)
    assert (place.open(resume=True) / "kept").exists()
    place.check(overwrite=True, resume=False)
    assert not (place.open(resume=False) / "kept").exists()
    with pytest.raises(UserError, match="one of them"):
        place.check(overwrite=True, resume=True)


def test_a_file_written_whole_leaves_nothing_beside_it(tmp_path):
    write_whole(tmp_path / "a.json", "1")
    write_whole(tmp_path / "a.json", "2")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.json", "2")]


def test_a_run_within_a_run_is_refused(tmp_path):
    """The outer one would no longer be what was written."""
    (finished(tmp_path / "run") / "recipe.toml").write_text("")
    with pytest.raises(UserError, match="outside of the run"):
        RunFolder(tmp_path / "run" / "better" / "run").check(overwrite=False, resume=False)


def test_a_device_stays_one_when_it_is_written_to(tmp_path):
    """`--csv /dev/stdout` would put a file in its place, for whoever may."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write_whole(pipe, "hello")
    reader.join(10)
    assert read == ["hello"]
    assert pipe.is_fifo()
