"""In a notebook a run shows itself in one output, which is replaced as it goes on; elsewhere in lines."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from transferkit.report.notebook_progress import NotebookProgress, open_progress
from transferkit.training.progress import Progress

pytest.importorskip("IPython", reason="needs transferkit[notebooks]")


@pytest.fixture
def shown(monkeypatch):
    """What the kernel of a notebook is told to show, in order: (what, is it an update)."""
    from IPython.core.displaypub import CapturingDisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    publisher = CapturingDisplayPublisher(shell=shell)
    monkeypatch.setattr(shell, "display_pub", publisher)
    shell.kernel = SimpleNamespace()
    yield publisher.outputs
    InteractiveShell.clear_instance()


def row(epoch, loss=None):
    return {
        "epoch": epoch, "step": 10 * epoch, "seconds": 1.0, "loss": loss, "accuracy": 0.5 if loss else None,
        "val_loss": 1.0 / (epoch + 1), "val_accuracy": 0.5, "learning_rate": 1e-3,
    }  # fmt: skip


def work(progress):
    with progress.stage("images", total=4) as stage:
        stage.update(2)
        stage.update(4)
    with progress.stage("train", total=20, unit="step") as stage:
        progress.begin_epochs("train", [])
        progress.epoch(row(0), 2, True, None)
        with stage.counting("validate", 7) as count:
            count(7)
        progress.epoch(row(1, 0.9), 2, True, 1.0)
        progress.epoch(row(2, 0.8), 2, True, 0.0)
    progress.say("LEAK: <b>seen</b>", "bad")


def test_one_output_that_is_replaced_with_curves_that_stay(shown, capsys):
    progress = open_progress(quiet=False)
    assert isinstance(progress, NotebookProgress)
    work(progress)
    first, *rest = shown
    name = first["transient"]["display_id"]
    assert len(rest) >= 8
    assert all(one["update"] and one["transient"]["display_id"] == name for one in rest)
    pages = [one["data"]["text/html"] for one in rest]
    assert any('images <progress value="0" max="4">' in page for page in pages)
    assert any("validate <progress" in page and "train <progress" in page for page in pages)
    growing = [page.count("<circle") for page in pages if "<svg" in page]
    assert growing == sorted(growing)
    assert growing[0] < growing[-1] == 2 * (2 + 3)
    assert "<progress" not in pages[-1]
    assert "LEAK: &lt;b&gt;seen&lt;/b&gt;" in pages[-1]
    assert "   2/2" in rest[-1]["data"]["text/plain"]
    assert len(pages[-1]) < 12_000
    assert progress.seconds["train"] > 0
    said = capsys.readouterr()
    assert said.out + said.err == ""


def test_another_trial_begins_its_curves_anew(shown):
    progress = open_progress(quiet=False)
    work(progress)
    before = shown[-1]["data"]["text/html"].count("<circle")
    work(progress)
    assert shown[-1]["data"]["text/html"].count("<circle") == before


def test_what_an_earlier_process_trained_is_drawn_too(shown):
    progress = open_progress(quiet=False)
    progress.begin_epochs("train", [row(0), row(1, 0.9)])
    progress.epoch(row(2, 0.8), 2, True, 0.0)
    assert shown[-1]["data"]["text/html"].count("<circle") == 10


def test_it_is_not_drawn_at_every_step_and_from_another_thread_too(shown):
    progress = open_progress(quiet=False)
    with progress.stage("images", total=10_000) as stage:
        before = len(shown)
        watching = threading.Thread(target=lambda: [stage.update(done) for done in range(5000)])
        watching.start()
        watching.join()
        assert len(shown) - before <= 5


def test_an_interruption_leaves_how_far_it_came(shown):
    progress = open_progress(quiet=False)

    def interrupted():
        with progress.stage("images", total=10) as stage:
            stage.update(3)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert '<progress value="3" max="10">' in shown[-1]["data"]["text/html"]


def test_quiet_and_terminals_have_no_display(shown):
    assert type(open_progress(quiet=True)) is Progress
    assert shown == []


def test_ipython_in_a_terminal_is_no_notebook(shown):
    from IPython.core.interactiveshell import InteractiveShell

    del InteractiveShell.instance().kernel
    assert type(open_progress(quiet=False)) is Progress
