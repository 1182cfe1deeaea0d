"""Options that are short forms of keys: what they say, and that they contradict nothing in silence."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from transferkit.cli import _keys as keys
from transferkit.cli import cli
from transferkit.cli._keys import key_options
from transferkit.errors import UserError
from transferkit.recipe import load


@click.command()
@key_options()
@click.option("--set", "settings", multiple=True)
@click.option("--backbone")
@click.option("--recipe")
def verb(settings, backbone, recipe):
    print(load(recipe, settings, backbone=backbone).to_toml())


def recipe_of(*arguments):
    done = CliRunner().invoke(verb, arguments)
    if done.exception is not None:
        raise done.exception
    return load_text(done.output)


def load_text(text):
    import tomllib

    return tomllib.loads(text)


def faults_of(*arguments):
    with pytest.raises(UserError) as caught:
        recipe_of(*arguments)
    return caught.value.faults


def test_every_option_sets_its_key():
    options = "--epochs 3 --lr 0.5 --batch-size 7 --image-size 96x128 --head mlp --freeze block_3 --seed 9"
    made = recipe_of(*options.split())
    assert (made["epochs"], made["batch_size"], made["seed"]) == (3, 7, 9)
    assert made["optimizer"]["learning_rate"] == 0.5
    assert made["backbone"]["input_size"] == [96, 128]
    assert made["head"]["kind"] == "mlp"
    assert made["freeze"] == {"until": "block_3"}
    assert recipe_of("--learning-rate", "2")["optimizer"]["learning_rate"] == 2
    assert recipe_of("--image-size", "96")["backbone"]["input_size"] == [96, 96]
    assert recipe_of("--freeze", "none")["freeze"] == "none"
    assert recipe_of("--freeze", "{ last = 4 }")["freeze"] == {"last": 4}


@pytest.mark.parametrize("name", ["retrain", "plan"])
def test_each_stands_in_the_help_with_its_key(name):
    text = " ".join(CliRunner().invoke(cli, [name, "--help"], terminal_width=200).output.split())
    for option, (more, _, key, _) in keys._KEYS.items():
        assert (f"{option}, {more}" if more else option) in text
        assert f"[key: {key}]" in text


def test_an_option_goes_before_the_recipe_and_leaves_the_rest_of_its_table():
    assert recipe_of("--recipe", "linear_probe", "--epochs", "3")["epochs"] == 3
    for order in (["--set", "optimizer=sgd", "--lr", "0.5"], ["--lr", "0.5", "--set", "optimizer=sgd"]):
        optimizer = recipe_of(*order)["optimizer"]
        assert (optimizer["name"], optimizer["learning_rate"]) == ("sgd", 0.5)
    head = recipe_of("--head", "mlp", "--set", "head.dropout=0.4")["head"]
    assert (head["kind"], head["dropout"]) == ("mlp", 0.4)


def test_two_values_for_one_key_are_a_fault_and_one_value_twice_is_none():
    first, second = faults_of(
        *["--lr", "0.5", "--backbone", "resnet50", "--set", "backbone=embedded"],
        "--set",
        'optimizer={name="sgd", learning_rate=0.1}',
    )
    assert first.startswith("--lr: received 0.5, expected one value for optimizer.learning_rate")
    assert "--set backbone.name says 'embedded'" in second
    same = ["--epochs", "3", "--set", "epochs=3", "--image-size", "96", "--set", "backbone.input_size=96"]
    assert recipe_of(*same)["epochs"] == 3
    assert "steps" in faults_of("--epochs", "3", "--set", "steps=10")[0]


def test_a_phase_that_says_its_own_is_named(tmp_path):
    assert not load("finetune_top", ["batch_size=8"]).notes
    (note,) = load("finetune_top", ["epochs=3"]).notes
    assert "epochs = 3 is not for phase top" in note
    assert "--set phases.top.epochs=" in note
    assert not load("finetune_top", ["epochs=3", "phases.top.epochs=3"]).notes
    own = tmp_path / "own.toml"
    own.write_text('[[phases]]\nname = "a"\nsteps = 5\n[phases.optimizer]\nlearning_rate = 1.0\n')
    first, second = faults_of("--recipe", str(own), "--epochs", "3", "--lr", "0.5")
    assert "--set phases.a.epochs=…" in first + second
    assert any(
        line.startswith("--lr: received 0.5, expected a value that some phase") for line in (first, second)
    )


def test_faults_speak_of_the_option_that_was_typed():
    wrong = [
        "--epochs",
        "x",
        "--lr",
        "-1",
        "--batch-size",
        "0",
        "--head",
        "linaer",
        "--freeze",
        "al",
        "--seed",
        "-4",
    ]
    found = faults_of(*wrong)
    assert sorted(line.split(":")[0] for line in found) == sorted(wrong[::2])
    assert faults_of("--image-size", "3x")[0].startswith("--image-size: received '3x', expected pixels")
    assert faults_of("--set", "epochs=x")[0].startswith("--set epochs: ")


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("retrain --model x", "use --backbone"),
        ("plan --model=x", "use --backbone"),
        ("retrain --img_size 3", "use --image-size"),
        ("schedule plot --seed 3", "use --set seed=…"),
        ("lr-find --epochs 3", "use --set epochs=…"),
        ("retrain --dropout 3", "use --set head.dropout=…"),
    ],
)
def test_an_option_of_other_tools_is_answered_with_ours(line, hint):
    done = CliRunner().invoke(cli, line.split())
    assert isinstance(done.exception, UserError)
    assert hint in str(done.exception)


@pytest.mark.parametrize("line", ["evaluate --model x", "retrain --dta x", "backbones --epochs 3"])
def test_what_means_nothing_here_is_clicks_own_answer(line):
    done = CliRunner().invoke(cli, line.split())
    assert done.exit_code == 2
    assert "No such option" in done.output


def test_every_answer_leads_to_an_option_or_a_key():
    options = {name for one in cli.get_command(None, "retrain").params for name in one.opts}
    for meant in keys._OTHERS.values():
        first, _, rest = meant.partition(" ")
        assert first in options or meant.startswith("the environment"), meant
        if first == "--set":
            key = rest.partition("=")[0]
            with pytest.raises(UserError) as caught:
                load(overrides=[(key, {"no": []})])
            assert f"{key}: received {{'no': []}}, expected a known key" not in str(caught.value)
