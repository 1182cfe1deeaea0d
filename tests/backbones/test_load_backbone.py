"""What a user may write for a backbone, and cards that name a handle."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from transferkit.backbones import load_backbone
from transferkit.errors import UserError

CARD = """
summary = "A module of one's own"
handle = "{handle}"
family = "own"
size = [32, 32]
normalisation = "unit"
feature_width = 256
parameters = 218544
licence = "Apache-2.0"
"""


def test_unknown_references() -> None:
    with pytest.raises(UserError, match="did you mean 'mobilenet_v2'"):
        load_backbone("mobilenetv2")
    with pytest.raises(UserError, match=r"one of card:, hf:, hub:, kaggle:.*did you mean 'hub'"):
        load_backbone("hubb:somewhere")


def test_card_by_path_names_a_module_beside_it(hub_folder: Path, images: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "weights").symlink_to(hub_folder)
    (tmp_path / "mine.toml").write_text(CARD.format(handle="hub:weights"))
    wanted = np.asarray(load_backbone(f"hub:{hub_folder}").features(images))
    for reference in (
        f"card:{tmp_path / 'mine.toml'}",
        f"card:{tmp_path / 'mine'}",
        str(tmp_path / "mine.toml"),
    ):
        backbone = load_backbone(reference)
        assert backbone.name == "mine"
        assert backbone.card is not None
        np.testing.assert_array_equal(backbone.features(images), wanted)


def test_own_card_in_the_working_folder(
    hub_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "backbones").mkdir()
    (tmp_path / "backbones" / "mine.toml").write_text(CARD.format(handle=f"hub:{hub_folder}"))
    monkeypatch.chdir(tmp_path)
    assert load_backbone("mine").feature_width == 256


def test_cards_normalisation_is_used(hub_folder: Path, images: np.ndarray, tmp_path: Path) -> None:
    text = CARD.format(handle=f"hub:{hub_folder}")
    (tmp_path / "raw.toml").write_text(text.replace('"unit"', '"none"'))
    (tmp_path / "unit.toml").write_text(text)
    raw = load_backbone(f"card:{tmp_path / 'raw.toml'}").features(images)
    unit = load_backbone(f"card:{tmp_path / 'unit.toml'}").features(images)
    assert not np.allclose(raw, unit)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('handle = "{handle}"', 'handle = "hbu:x"', "did you mean 'hub'"),
        ('handle = "{handle}"', 'constructor = "os.system"', "a function of keras.applications"),
        ('handle = "{handle}"', 'constructor = "keras.applications.MobileNetV9"', "did you mean 'MobileNetV"),
        ('handle = "{handle}"', 'constructor = "transferkit.backbones.networks.none.net"', "no module"),
        (
            'handle = "{handle}"',
            'constructor = "keras.applications.MobileNet"\nfamly = "x"',
            "did you mean 'family'",
        ),
    ],
)
def test_cards_that_cannot_be_built(tmp_path: Path, old: str, new: str, said: str) -> None:
    (tmp_path / "mine.toml").write_text(CARD.replace(old, new))
    with pytest.raises(UserError, match=said):
        load_backbone(f"card:{tmp_path / 'mine.toml'}", "random")


def test_weights_file_beside_a_card(tmp_path: Path, images: np.ndarray) -> None:
    net = load_backbone("mobilenet_0_25", "random", (32, 32), seed=5)
    shipped = net.card.path.read_text()  # type: ignore[union-attr]
    (tmp_path / "mine.toml").write_text(shipped.replace("[weights]", '[weights]\nfile = "mine.weights.h5"'))
    reference = f"card:{tmp_path / 'mine.toml'}"
    with pytest.raises(UserError, match=r"mine\.weights\.h5.*no such file"):
        load_backbone(reference)
    net.model.save_weights(tmp_path / "mine.weights.h5")
    np.testing.assert_array_equal(
        load_backbone(reference, input_size=(32, 32)).features(images), net.features(images)
    )


def test_unknown_option_of_a_constructor() -> None:
    with pytest.raises(UserError, match=r"backbone\.options.*alpa"):
        load_backbone("mobilenet_v2", "random", alpa=0.5)


def test_importing_backbones_imports_no_tensorflow() -> None:
    code = "import sys, transferkit.backbones; assert not {'tensorflow', 'keras'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2], timeout=60)


def test_keras_hub_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(UserError, match=r"pip install 'transferkit\[keras-hub\]'"):
        load_backbone("keras_hub:resnet_50_imagenet")
