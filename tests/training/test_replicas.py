"""Training divided over several devices gives the curve of one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from transferkit.recipe import load
from transferkit.shipped_files import shipped

NAMES = sorted(path.stem for path in shipped("recipes").glob("*.toml"))
SCRIPT = Path(__file__).with_name("replicas.py")


def compared(count, folder, data, recipes, timeout=600):
    """What ``replicas.py`` says of each recipe."""
    wanted = [f"{name}={json.dumps(settings)}" for name, settings in recipes.items()]
    command = [sys.executable, str(SCRIPT), str(count), str(folder), str(data), *wanted]
    made = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    assert made.returncode == 0, made.stderr[-3000:]
    return [json.loads(line) for line in made.stdout.splitlines() if line.startswith("{")]


@pytest.fixture(scope="module")
def patches(noise_photos):
    return noise_photos({"even": 110, "odd": 150}, count=14, spread=40, size=32, between=20, seed=3)


def test_two_devices_give_the_curve_of_one(patches, tmp_path):
    # Batches of 5 in two parts of 3, the last one smaller; what is clipped is the whole gradient.
    settings = ["epochs=2", "batch_size=5", "head.dropout=0.0", "freeze={last=2}", "batch_norm=train"]
    settings += ["gradient_clipping=0.1", "export.parity=false", "evaluation.grad_cam=0", "ema=0.9"]
    (found,) = compared(2, tmp_path, patches, {"retrain": {"set": settings}})
    assert found["replicas"] == 2
    assert found["devices"] == ["CPU:0", "CPU:1"]
    assert found["rows"] > 4
    assert found["apart"] < 1e-5
    assert found["again"]


def short(name, data):
    """A recipe's settings that make it short and take out what is drawn on each device."""
    recipe = load(name)
    phases = recipe.resolved_phases
    several = recipe.head.kind == "multi_label" or bool(recipe.head.options.get("multi_label"))
    settings = [
        "export.parity=false",
        "evaluation.grad_cam=0",
        "batch_size=5",
        'export.formats=["saved_model"]',
    ]
    settings += ["epochs=2"] if len(phases) == 1 else [f"phases.{one.name}.epochs=2" for one in phases]
    settings += ["activations.views=2"] if recipe.activations.views > 1 else []
    settings += ["head.dropout=0.0"] if "dropout" in recipe.head.options else []
    return {"set": settings, "data": str(data / "labels.csv" if several else data / "photos")}


@pytest.fixture(scope="module")
def every_kind(patches, tmp_path_factory):
    """The photos in folders, and a manifest that gives each several labels."""
    folder = tmp_path_factory.mktemp("kinds")
    (folder / "photos").symlink_to(patches)
    lines = ["path,labels"]
    for number, path in enumerate(sorted(patches.rglob("*.png"))):
        labels = [path.parent.name] + (["third"] if number % 3 == 0 else [])
        lines.append(f"{path},{'|'.join(labels)}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 4])
def test_every_shipped_recipe_gives_the_curve_of_one_device(every_kind, tmp_path, count):
    wanted = {name: short(name, every_kind) for name in NAMES}
    found = compared(count, tmp_path, every_kind / "photos", wanted, timeout=3600)
    assert [one["name"] for one in found] == NAMES
    assert len(found) >= 10
    for one in found:
        assert one["replicas"] == count, one
        assert one["apart"] < 1e-5, one
        assert one["again"], one
