"""``transferkit data check``."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from transferkit.cli import cli, main


@pytest.fixture
def photos(tmp_path):
    """Two classes of four pictures, one of them in both."""
    for k, name in enumerate("ab"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(4):
            pixels = np.random.default_rng(10 * k + i).integers(0, 256, (6, 8, 3), dtype=np.uint8)
            picture = Image.fromarray(pixels).resize((80, 60), Image.Resampling.BICUBIC)
            picture.save(tmp_path / "photos" / name / f"{i}.jpg")
    shutil.copy(tmp_path / "photos/a/0.jpg", tmp_path / "photos/b/copy.jpg")
    return tmp_path / "photos"


def run(*arguments):
    return CliRunner().invoke(cli, ["data", "check", *map(str, arguments)], catch_exceptions=False)


def test_the_table(photos):
    done = run(photos)
    assert done.exit_code == 0
    assert "the same file is labelled a and b" in done.stdout
    assert "a/0.jpg, b/copy.jpg" in done.stdout
    assert "9 files: jpeg 9; 80 to 80 wide, 60 to 60 high" in done.stdout
    assert "found: 1 conflict" in done.stdout


def test_json_and_the_page(photos, tmp_path):
    done = run(photos, "--json", "--quiet", "--html", tmp_path / "check.html")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["summary"]["conflict"] == 1
    assert "the same file is labelled a and b" in (tmp_path / "check.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("gate", "code"), [("never", 0), ("error", 1), ("warning", 1)])
def test_gates(photos, gate, code, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["data", "check", str(photos), "--quiet", "--fail-on", gate])
    assert caught.value.code == code
    assert ("1 × conflict" in capsys.readouterr().err) == bool(code)


def test_sources_other_than_folders(photos, tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSFERKIT_CACHE", str(tmp_path / "cache"))
    shutil.make_archive(str(tmp_path / "photos"), "zip", photos)
    done = run(tmp_path / "photos.zip", "--json", "--quiet")
    assert json.loads(done.stdout)["summary"]["conflict"] == 1


def test_no_such_data(tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["data", "check", str(tmp_path / "gone")])
    assert caught.value.code == 2
    assert "no such folder" in capsys.readouterr().err


def test_features_of_a_backbone_are_used(photos, tmp_path):
    done = run(photos, "--backbone", "embedded", "--json", "--quiet")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["checked"][-1] == "labels"
