"""One process at a time works on a run's place; a kill releases it; whoever comes second is told at once."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import transferkit
from transferkit.errors import UserError
from transferkit.files import lock
from transferkit.files.lock import try_lock
from transferkit.runs.folder.run_folder import RunFolder

HOLD = """
import sys, time
from transferkit.runs.folder.run_folder import RunFolder
with RunFolder(sys.argv[1]).held():
    print("held", flush=True)
    time.sleep(120)
"""


@contextlib.contextmanager
def holder(place):
    """A process that holds a run's place."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(place)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="module")
def held(tmp_path_factory):
    place = tmp_path_factory.mktemp("held") / "runs" / "run"
    with holder(place) as process:
        yield place, process


@pytest.mark.parametrize(
    "how", [{}, {"resume": True}, {"overwrite": True}], ids=["new", "resume", "overwrite"]
)
def test_the_second_is_refused_in_one_line_before_any_work(held, how, tmp_path):
    place, process = held
    unreadable = tmp_path / "photos"
    for name in ("a", "b"):
        (unreadable / name).mkdir(parents=True)
        (unreadable / name / "1.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=f"process {process.pid} is: wait") as raised:
        # No image among the data can be read: the place is refused before they are.
        transferkit.retrain(data=unreadable, backbone="embedded", run=place, quiet=True, **how)
    assert len(raised.value.faults) == 1
    assert raised.value.exit_code == 2
    assert [path.name for path in place.parent.iterdir()] == [".run.lock"]


def test_an_export_into_a_held_run_is_refused(held):
    from transferkit.runs.finished.export_again import export_run

    class Run:
        path = held[0]

    with pytest.raises(UserError, match="wait until it has ended"):
        export_run(Run, None, None, None, None, None, True)


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_a_kill_releases_the_place_and_the_next_leaves_nothing_behind(tmp_path, sent):
    place = tmp_path / "deep" / "run"
    with holder(place) as process:
        os.kill(process.pid, sent)
        process.wait()
        with RunFolder(place).held():
            assert (place.parent / ".run.lock").read_text().strip() == str(os.getpid())
    assert list(place.parent.iterdir()) == []


def test_a_refused_run_leaves_no_folders(tmp_path):
    with pytest.raises(UserError, match="data"):
        transferkit.retrain(data=tmp_path / "none", backbone="embedded", run=tmp_path / "a/b/run", quiet=True)
    assert list(tmp_path.iterdir()) == []


def test_of_many_at_once_exactly_one_holds_it(tmp_path):
    """Also where the lock's file and folder are removed and made again between two of them."""
    inside, most, times = 0, 0, 0
    guard = threading.Lock()

    def work():
        nonlocal inside, most, times
        for _ in range(60):
            with try_lock(tmp_path / "deep" / "lock") as (mine, _holder):
                if not mine:
                    continue
                with guard:
                    inside += 1
                    most, times = max(most, inside), times + 1
                with guard:
                    inside -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert times >= 1
    assert not list(tmp_path.rglob("lock"))


def test_a_folder_that_goes_while_it_is_found_is_made_again(tmp_path, monkeypatch):
    """`mkdir` meets the folder, and asks whether it is one when another process has removed it."""
    first, tries = Path.mkdir, []

    def mkdir(path, *args, **kwargs):
        tries.append(path)
        if len(tries) == 1:
            raise FileExistsError(17, "File exists", str(path))
        return first(path, *args, **kwargs)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    with try_lock(tmp_path / "deep" / "lock") as (mine, _holder):
        assert mine
    assert len(tries) == 2


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UserError, match="a place that can be written"),
        RunFolder(tmp_path / "file/run").held(),
    ):
        pass


def test_a_file_system_without_locks_can_be_worked_on(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("transferkit.files.lock._acquire", refuse)
    with RunFolder(tmp_path / "run").held():
        pass


def test_a_lock_is_free_again_although_a_child_process_has_its_file_open(tmp_path, monkeypatch):
    copies = []
    real = lock._open

    def opened(path):
        file = real(path)
        copies.append(os.dup(file))  # shares the lock, as what a fork inherits does
        return file

    monkeypatch.setattr(lock, "_open", opened)
    with lock.locked(tmp_path / "lock", shared=True):
        pass
    with lock.locked(tmp_path / "lock", wait=False) as held:
        assert held
    with lock.locked(tmp_path / "lock", wait=False) as held:
        assert held
    for file in copies:
        os.close(file)
