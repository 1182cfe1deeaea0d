"""The contact sheet shows what training sees: the same views, each time, the original first."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from transferkit import preview_augmentation
from transferkit.cli import cli
from transferkit.errors import UserError
from transferkit.inspection.contact_sheet import Tile, draw_sheet
from transferkit.recipe import load
from transferkit.training.augmented_batches import make_views
from transferkit.training.prepare_images import prepare
from transferkit.training.progress import Progress

# At the size of a tile, pixels go into the sheet as they are.
SIZE = 144
BASE = {
    "backbone": "embedded", "backbone.input_size": SIZE, "augmentation.flip": True,
    "augmentation.color": {"amount": 0.5}, "activations.views": 4,
}  # fmt: skip


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    for index, name in enumerate(("dusk", "noon, ünïcode 太陽")):
        (folder / name).mkdir()
        for number in range(10):
            level = 40 + 15 * number + 5 * index
            picture = np.stack([x * level, y * level, np.full_like(x, 80 * index)], axis=2)
            Image.fromarray(picture.astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


def preview(photos, to, **more):
    options = {key: more.pop(key) for key in ("images", "views") if key in more}
    overrides = list({**BASE, **more}.items())
    return np.asarray(
        Image.open(preview_augmentation(to=to, data=photos, overrides=overrides, **options)).convert("RGB")
    )


def tile(sheet, row, column):
    """The pixels of one tile; each row is a line of text and its tiles."""
    top = 28 + 20 + row * (20 + SIZE + 8) + 20
    left = 8 + column * (SIZE + 8)
    return sheet[top : top + SIZE, left : left + SIZE]


def test_the_original_comes_first_and_then_the_views_that_a_run_trains_on(photos, tmp_path):
    sheet = preview(photos, tmp_path / "a.png", images=2, views=3)
    recipe = load(overrides=[*BASE.items(), ("data.path", str(photos))])
    found = prepare(recipe, Progress(quiet=True))
    views = make_views(recipe)
    train = [found.rows[index] for index in found.of_split("train")]
    for row, name in enumerate(found.classes):
        first = next(one for one in train if one.label == name)
        pixels = np.asarray(Image.open(photos / first.name))
        np.testing.assert_array_equal(tile(sheet, row, 0), pixels)
        for number in range(3):
            expected = views.augment(pixels[None], views.seeds([first.sha256], number))[0]
            np.testing.assert_array_equal(tile(sheet, row, 1 + number), expected)


def test_it_is_the_same_each_time_and_another_seed_gives_others(photos, tmp_path):
    one = preview(photos, tmp_path / "a.png")
    np.testing.assert_array_equal(one, preview(photos, tmp_path / "b.png"))
    assert not np.array_equal(one, preview(photos, tmp_path / "c.png", seed=1))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png", "c.png"]


def test_mixtures_stand_below(photos, tmp_path):
    plain = preview(photos, tmp_path / "a.png", images=2)
    mixed = preview(
        photos, tmp_path / "b.png", images=2, **{"augmentation.mixup": {"alpha": 1.0, "at": "cut"}}
    )
    assert mixed.shape[0] > plain.shape[0]
    images = {"augmentation.cutmix": True, "activations.views": 1}
    assert preview(photos, tmp_path / "c.png", images=2, **images).shape == mixed.shape
    # No tile of the row of mixtures is one of the images above it.
    above = [tile(mixed, row, column) for row in range(2) for column in range(7)]
    for column in range(7):
        assert not any(np.array_equal(tile(mixed, 2, column), one) for one in above)


def test_damaged_images_are_passed_over(photos, tmp_path):
    folder = tmp_path / "photos"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        for number in range(8):
            Image.new("RGB", (20, 20), (20 * number, 9, 9)).save(folder / name / f"{number}.png")
            whole = (folder / name / f"{number}.png").read_bytes()
            (folder / name / f"{number}.png").write_bytes(whole if number % 2 else whole[:-30])
    sheet = preview(folder, tmp_path / "a.png", images=4)
    assert sheet.shape[0] == 56 + 4 * (20 + SIZE + 8)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"overrides": ["backbone=embedded"]}, r"augmentation: .*--recipe robust"),
        ({"recipe": "robust", "images": 0}, "images: received 0"),
        ({"recipe": "robust", "overrides": ["augmentation.flop=true"]}, "did you mean 'flip'"),
    ],
)
def test_what_cannot_be_shown_is_said(photos, tmp_path, arguments, words):
    with pytest.raises(UserError, match=words):
        preview_augmentation(data=photos, to=tmp_path / "a.png", **arguments)
    assert not list(tmp_path.iterdir())


def test_the_command_writes_the_same_file(photos, tmp_path):
    settings = ["--set", "augmentation.flip=true", "--set", "backbone=embedded"]
    arguments = ["augment", "preview", "--data", str(photos), "--to", str(tmp_path / "a.png"), *settings]
    done = CliRunner().invoke(cli, [*arguments, "--images", "3", "--views", "2"], catch_exceptions=False)
    assert done.output.strip() == str(tmp_path / "a.png")
    same = preview_augmentation(
        data=photos, to=tmp_path / "b.png", overrides=["augmentation.flip=true", "backbone=embedded"],
        images=3, views=2,
    )  # fmt: skip
    assert same.read_bytes() == (tmp_path / "a.png").read_bytes()


def test_long_text_is_cut_and_sizes_are_kept():
    tall = Tile(np.zeros((200, 100, 3), np.uint8), "a caption that is much longer than a tile is wide")
    sheet = draw_sheet("a title " * 50, ["one"], [("row", [tall])])
    assert sheet.width == SIZE + 16
    pixels = np.asarray(sheet)
    assert (pixels[:, -4:] == 255).all(), "text runs over the edge"
    black = np.argwhere((pixels[60:200] == 0).all(axis=2))
    assert len(black) >= 70 * 130, "the picture keeps its proportions"
