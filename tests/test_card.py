"""Cards: strict, all faults at once, found where the user expects them, and quick to list."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from transferkit.card import NORMALISATIONS
from transferkit.errors import UserError
from transferkit.find_card import list_cards, load_card
from transferkit.shipped_files import shipped

CARD = """
summary = "A network for tests"
constructor = "keras.applications.MobileNet"
family = "mobilenet"
size = [64, 64]
minimum = [32, 32]
normalisation = "tf"
feature_width = 1024
parameters = 3228864
licence = "Apache-2.0"

[weights]
source = "https://example.org/weights.h5"
licence = "Apache-2.0"
file = "own.weights.h5"

[stages]
stem = "conv1_relu"
block_1 = "conv_pw_1_relu"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with a place for the user's own cards."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "backbones").mkdir()
    return tmp_path / "backbones"


def test_load(folder: Path) -> None:
    (folder / "mine.toml").write_text(CARD)
    card = load_card("mine")
    assert card.name == "mine"
    assert card.size == (64, 64)
    assert list(card.stages.items()) == [("stem", "conv1_relu"), ("block_1", "conv_pw_1_relu")]
    assert card.weights_file is not None
    assert card.weights_file.resolve() == (folder / "own.weights.h5").resolve()
    assert card.pixel_range == (-1.0, 1.0)
    assert load_card(folder / "mine.toml").model_dump() == card.model_dump()


def test_own_card_comes_before_the_shipped_one(folder: Path) -> None:
    assert load_card("mobilenet").size == (224, 224)
    (folder / "mobilenet.toml").write_text(CARD)
    assert load_card("mobilenet").size == (64, 64)
    listed = {card.name: card for card in list_cards()}
    assert listed["mobilenet"].size == (64, 64)
    assert len(listed) == len(list(shipped("cards").glob("*.toml")))


def test_unknown_name_offers_near_ones(folder: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'mobilenet_v2'"):
        load_card("mobilenetv2")


def test_missing_file(folder: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        load_card("backbones/none.toml")


def test_all_faults_at_once(folder: Path) -> None:
    text = CARD.replace("feature_width = 1024", 'feature_with = 1024\nparameter = "many"')
    text = text.replace('normalisation = "tf"', 'normalisation = "imagenet"').replace("[64, 64]", "[64, -1]")
    (folder / "mine.toml").write_text(text)
    with pytest.raises(UserError) as caught:
        load_card("mine")
    faults = "\n".join(caught.value.faults)
    assert "mine.toml: feature_width: expected a value" in faults
    assert "mine.toml: feature_with: received 'feature_with', expected a known field" in faults
    assert "did you mean 'feature_width'?" in faults
    assert "did you mean 'parameters'?" in faults
    assert "mine.toml: normalisation: received 'imagenet', expected 'tf', 'torch'" in faults
    assert "mine.toml: size.1: received -1" in faults
    assert len(caught.value.faults) == 5


def test_unknown_field_in_a_table(folder: Path) -> None:
    (folder / "mine.toml").write_text(CARD.replace('licence = "Apache-2.0"\nfile', 'license = "MIT"\nfile'))
    with pytest.raises(UserError, match=r"weights\.license.*did you mean 'licence'"):
        load_card("mine")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('constructor = "keras.applications.MobileNet"', "", "exactly one of 'constructor' and 'handle'"),
        (
            'family = "mobilenet"',
            'family = "m"\nhandle = "hub:x"',
            "exactly one of 'constructor' and 'handle'",
        ),
        ("minimum = [32, 32]", "minimum = [96, 96]", "minimum no larger than size"),
        ('block_1 = "conv_pw_1_relu"', 'block_1 = "conv1_relu"', "conv1_relu twice"),
        ("size = [64, 64]", "size = [64, ", "no valid TOML"),
    ],
)
def test_contradictions(folder: Path, old: str, new: str, said: str) -> None:
    assert old in CARD
    (folder / "mine.toml").write_text(CARD.replace(old, new))
    with pytest.raises(UserError, match=said):
        load_card("mine")


def test_list_tells_of_every_broken_card(folder: Path) -> None:
    (folder / "one.toml").write_text("nonsense")
    (folder / "two.toml").write_text(CARD.replace("family", "famly"))
    with pytest.raises(UserError) as caught:
        list_cards()
    text = "\n".join(caught.value.faults)
    assert "one.toml" in text
    assert "two.toml: famly" in text


def test_every_normalisation_is_described() -> None:
    for (low, high), words in NORMALISATIONS.values():
        assert low < high
        assert words


def test_listing_imports_no_tensorflow_and_is_quick(tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "from transferkit.find_card import list_cards\n"
        "start = time.perf_counter()\n"
        "count = len(list_cards())\n"
        "took = time.perf_counter() - start\n"
        "assert not {'tensorflow', 'keras', 'numpy'} & set(sys.modules), 'heavy import'\n"
        "print(count, took)\n"
    )
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True, timeout=60
    )
    count, took = done.stdout.split()
    assert int(count) >= 42
    # It takes some 10 ms alone; the bound only has to catch a listing that builds or imports something.
    assert float(took) < 0.25
