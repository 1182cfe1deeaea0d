"""Names of other tools are answered with the key that is meant."""

from __future__ import annotations

import pytest

from transferkit.errors import UserError
from transferkit.recipe import load
from transferkit.recipe.other_names import NAMES


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("lr", "optimizer.learning_rate"),
        ("optimizer.lr", "optimizer.learning_rate"),
        ("LR", "optimizer.learning_rate"),
        ("head.lr", "optimizer.learning_rate"),
        ("batch", "batch_size"),
        ("bs", "batch_size"),
        ("dropout", "head.dropout"),
        ("image_size", "backbone.input_size"),
        ("image-size", "backbone.input_size"),
        ("augment", "augmentation"),
        ("backbone.epochs", "epochs"),
        ("patience", "early_stopping.patience"),
        ("formats", "export.formats"),
        ("phases.top.lr", "phases[1].optimizer.learning_rate"),
    ],
)
def test_the_key_that_is_meant_is_named(name, meant):
    with pytest.raises(UserError) as caught:
        load("finetune_top", [f"{name}=3"])
    (line,) = caught.value.faults
    assert f"; say {meant}" in line
    assert len(line) < 160 or name == "optimizer.lr"


def test_every_name_leads_to_a_key_and_is_none_itself():
    assert len(NAMES) > 50
    for name, meant in NAMES.items():
        for key, unknown in ((name, True), (meant, False)):
            try:
                load(overrides=["optimizer=sgd", (key, {"no": []})])
            except UserError as error:
                found = " ".join(error.faults)
            else:
                found = ""
            told = f"{key}: received {{'no': []}}, expected a known key" in found
            assert told is unknown, (key, found)


def test_a_name_that_nobody_knows_is_answered_with_what_there_is():
    with pytest.raises(UserError, match="known: accumulation, "):
        load(overrides=["zzz=3"])


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("learning_rat", "did you mean optimizer.learning_rate?"),
        ("learnig-rate", "did you mean optimizer.learning_rate?"),
        ("validaton", "did you mean data.validation?"),
        ("input_siz", "did you mean backbone.input_size?"),
        ("epocs", "did you mean 'epochs'"),
        ("sed", "did you mean 'seed'"),
        ("x" * 15_000, "known: accumulation, "),
    ],
)
def test_a_slip_of_the_hand_in_a_table_s_key_names_it_at_the_top_too(name, meant):
    with pytest.raises(UserError) as error:
        load("retrain", overrides=[(name, 1)])
    assert meant in error.value.faults[0]
