"""The wheel, installed outside the checkout: command, cards, recipes and the embedded weights are inside."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    # A copy: building in the checkout would leave a build folder there, and pick up an old one.
    subprocess.run(["git", "clone", "--quiet", "--depth=1", f"file://{REPOSITORY}", source], check=True)
    for name in ("setup.cfg", "setup.py", "pyproject.toml", "README.md", "LICENSE"):
        (source / name).write_bytes((REPOSITORY / name).read_bytes())
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", folder, source],
        check=True,
        capture_output=True,
    )
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """An environment with the wheel alone; what it depends on is borrowed from this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "borrowed.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    pip = [sys.executable, "-m", "pip", "--quiet", "--python", folder / "bin" / "python"]
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "--force-reinstall", wheel], check=True)
    return folder / "bin"


def call(installed: Path, folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [installed / "transferkit", *arguments], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_no_tests_and_no_notebooks(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0].partition("-")[0] for name in names}
    assert tops == {"transferkit"}
    assert any(name.endswith("py.typed") for name in names)


def test_cards_and_recipes_are_inside(installed, tmp_path):
    place = subprocess.run(
        [installed / "python", "-c", "import transferkit; print(transferkit.__file__)"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert str(installed.parent) in place.stdout
    names = {card["name"] for card in json.loads(call(installed, tmp_path, "backbones", "--json"))}
    shipped = {path.stem for path in (REPOSITORY / "backbones").glob("*.toml")}
    assert {"mobilenet_v2", "inception_v3", "efficientnet_b0", "resnet50", "embedded"} <= names
    assert names == shipped
    recipes = call(installed, tmp_path, "recipes", "list")
    shipped_recipes = [path.stem for path in (REPOSITORY / "recipes").glob("*.toml")]
    assert len(shipped_recipes) >= 2
    assert all(name in recipes for name in shipped_recipes)


def test_the_embedded_weights_are_inside_and_a_run_goes_through(installed, make_shapes, tmp_path):
    data = make_shapes(12)
    out = call(
        installed, tmp_path, "retrain", "--backbone", "embedded", "--data", str(data), "--run", "run",
        "--set", "epochs=2", "--set", "data.test=0", "--set", "data.validation=0.3", "--json", "--quiet",
    )  # fmt: skip
    summary = json.loads(out)
    assert summary["classes"] == ["circle", "cross", "square"]
    assert (tmp_path / "run" / "export" / "1" / "saved_model.pb").is_file()
