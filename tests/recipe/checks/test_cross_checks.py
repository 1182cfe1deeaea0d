"""What the parts of a recipe demand of each other, of the data and of the backbone."""

from __future__ import annotations

import pytest

from transferkit.errors import UserError
from transferkit.recipe import check_with, load

PIECEWISE = (
    "schedule={{kind='piecewise_constant', unit='{unit}', boundaries={at}, values=[1e-3, 1e-4, 1e-5]}}"
)


def refused(overrides: list[str], reference: str = "retrain") -> tuple[str, ...]:
    with pytest.raises(UserError) as caught:
        load(reference, overrides)
    return caught.value.faults


@pytest.mark.parametrize(
    ("overrides", "part"),
    [
        ([PIECEWISE.format(unit="epochs", at=[5, 10]), "epochs=10"], "boundaries below 10 epochs"),
        ([PIECEWISE.format(unit="steps", at=[5, 10]), "steps=10"], "boundaries below 10 steps"),
        (["schedule={kind='cosine', unit='epochs', warmup=3}", "epochs=3"], "less than the phase's 3 epochs"),
        (["early_stopping.metric=acuracy"], "did you mean 'accuracy'?"),
        (["keep_metric=f1"], "one of accuracy, average_precision_macro"),
        (["head.multi_label=true", "loss=cross_entropy"], "binary_cross_entropy or focal"),
        (["loss=binary_cross_entropy"], "or head.multi_label = true"),
        (["activations.views=3"], "1 without augmentation"),
        (["activations.views=3", "augmentation.mixup=true"], "say at = 'cut'"),
        (["activations.views=3", "augmentation.cutmix=true"], "no cutmix of images"),
        (["phases=[{optimizer_state='carry'}]"], "there is no phase before it"),
        (["phases=[{name='a'}, {name='a'}]"], "each phase's name once"),
        (["early_stopping.metric=hamming_accuracy"], "balanced_accuracy"),
        (["schedule={kind='step_on_plateau', metric='los'}"], "one of accuracy"),
        (
            ["phases=[{optimizer='adam'}, {optimizer='sgd', optimizer_state='carry'}]"],
            "the moments of one mean nothing to the other",
        ),
        (["optimizer=nadam", "phases=[{}, {optimizer_state='carry'}]"], "single variables"),
    ],
)
def test_within_a_recipe(overrides, part):
    (line,) = refused(overrides)
    assert part in line


def test_relations_are_checked_beside_other_faults():
    lines = refused(["keep_metric=f1", "head.kind=linaer", "batch_size=0"])
    assert len(lines) == 3


def with_data(overrides: list[str], reference: str = "retrain", **known) -> tuple[str, ...]:
    with pytest.raises(UserError) as caught:
        check_with(load(reference, overrides), **known)
    return caught.value.faults


CLASSES = ["cat", "dog"]


@pytest.mark.parametrize(
    ("overrides", "known", "part"),
    [
        (["head.multi_label=true"], {"classes": CLASSES}, "images with lists of labels"),
        (["head.multi_label=true"], {"classes": CLASSES}, "head.multi_label: received True"),
        (["head.kind=multi_label"], {"classes": CLASSES}, "head.kind: received 'multi_label'"),
        ([], {"classes": CLASSES, "several_labels": True}, "head.multi_label = true"),
        (["loss.class_weights={dgo=2.0}"], {"classes": CLASSES}, "did you mean 'dog'?"),
        (["loss.class_weights=[1.0, 2.0, 3.0]"], {"classes": CLASSES}, "2, one for each class"),
        ([PIECEWISE.format(unit="steps", at=[5, 200])], {"images": 100}, "less than the 160 steps"),
        (["schedule={kind='cosine', unit='steps', warmup=160}"], {"images": 100}, "160 steps, expected less"),
        (["accumulation=161"], {"images": 100}, "no more than the 160 steps"),
        (["keep_metric=recall.bird"], {"classes": CLASSES}, "a class of the data (cat, dog)"),
        (["keep_metric=top_3_accuracy"], {"classes": CLASSES}, "below the number of classes"),
        (["freeze={until='blok_3'}"], {"stages": ["block_1", "block_3"]}, "did you mean 'block_3'"),
        (["freeze={last=9}"], {"stages": ["a"], "layers": ["x", "y"]}, "at most 2 layers"),
    ],
)
def test_against_data_and_backbone(overrides, known, part):
    (line,) = with_data(overrides, **known)
    assert part in line
    assert line.startswith(("--set", "head.kind", "retrain.toml"))


def test_what_fits_passes():
    recipe = load("finetune_top", ["phases.top.freeze={until='block_3'}", "loss.class_weights={cat=2.0}"])
    check_with(recipe, classes=CLASSES, images=100, stages=["block_1", "block_3"])
    check_with(load("multi_label"), classes=CLASSES, images=100, several_labels=True)
