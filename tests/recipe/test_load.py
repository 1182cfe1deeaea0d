"""Reading recipes: look-up, parents, overrides, faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from transferkit.errors import UserError
from transferkit.recipe import Recipe, load
from transferkit.recipe.phases import TrainingSection
from transferkit.recipe.write import SECTIONS, TOP


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(name: str, text: str) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def faults(*arguments, **values) -> tuple[str, ...]:
    with pytest.raises(UserError) as caught:
        load(*arguments, **values)
    return caught.value.faults


def test_an_unknown_backbone_is_said_with_the_other_faults():
    text = 'epochs = -3\n[backbone]\nname = "mobilnet_v2"\n'
    first, second = faults(write("own.toml", text))
    assert "epochs" in first
    assert "own.toml:3: backbone.name: received 'mobilnet_v2'" in second
    assert "did you mean 'mobilenet_v2'" in second
    assert len(faults(write("own.toml", text.replace("mobilnet_v2", "hub:somewhere")))) == 1
    assert len(faults(write("own.toml", text.replace("mobilnet_v2", "mobilenet_v2")))) == 1


def test_a_parent_that_is_not_there_hides_no_other_fault():
    text = 'extends = "finetune_tpo"\nepochs = -3\nhead = "linaer"\nnmae = "x"\n'
    found = faults(write("child.toml", text))
    assert [line.split(": ")[0].split(":")[1] for line in found] == ["1", "2", "3", "4"]
    assert "did you mean 'finetune_top'" in found[0]
    # Three phases stand in the parent that was meant: how these go together is not said.
    phases = 'extends = "./gone.toml"\n[[phases]]\nname = "head"\n[[phases]]\nfreeze = { until = "x" }\n'
    assert len(faults(write("child.toml", phases))) == 1


def test_the_default_is_retrain():
    assert load() == load("retrain")
    assert load().name == "retrain"


def test_the_users_own_recipe_comes_first_and_may_extend_the_shipped_one():
    write("recipes/retrain.toml", 'extends = "retrain"\nbatch_size = 7\n')
    recipe = load("retrain")
    assert recipe.batch_size == 7
    (note,) = recipe.notes
    assert note == "recipes/retrain.toml is used instead of the shipped recipe retrain"
    assert (
        recipe.optimizer.learning_rate == load(Path("recipes/retrain.toml")).optimizer.learning_rate == 3e-4
    )


def test_no_file_here_replaces_the_default_or_a_parent_of_a_shipped_recipe():
    plain, tuned = load(), load("finetune_top")
    write("recipes/retrain.toml", "batch_size = 7\n")
    assert load() == plain
    assert load("finetune_top") == tuned
    assert "recipes/retrain.toml is not used" in load().notes[0]
    assert not load("finetune_top").notes


def test_values_lie_over_the_file_and_overrides_over_both():
    path = write("mine.toml", "epochs = 3\nbatch_size = 4\nseed = 5\n")
    recipe = load(path, ["seed=7"], batch_size=6, seed=6)
    assert (recipe.epochs, recipe.batch_size, recipe.seed) == (3, 6, 7)


def test_short_forms_say_the_same():
    short = load(
        overrides=["head=mlp", "optimizer=sgd", "schedule=cosine", "gradient_clipping=1.0", "ema=0.9"]
    )
    long = load(
        head={"kind": "mlp"},
        optimizer={"name": "sgd"},
        schedule={"kind": "cosine"},
        gradient_clipping={"global_norm": 1.0},
        ema={"momentum": 0.9},
    )
    assert short == long
    assert load(backbone={"name": "resnet50", "input_size": 96}).backbone.size == (96, 96)


def test_another_word_starts_from_its_own_defaults():
    write(
        "parent.toml",
        'optimizer = { name = "adam", learning_rate = 1e-5 }\n[head]\nkind = "linear"\ndropout = 0.7\n',
    )
    recipe = load(write("child.toml", 'extends = "./parent.toml"\noptimizer = "sgd"\nhead = "cosine"\n'))
    assert recipe.optimizer.learning_rate == 0.01
    assert recipe.head.options["dropout"] == 0.0


def test_the_same_word_keeps_what_its_parent_said():
    write("parent.toml", 'optimizer = { name = "adam", learning_rate = 1e-5 }\n')
    recipe = load(
        write("child.toml", 'extends = "./parent.toml"\noptimizer = { name = "adam", beta_1 = 0.8 }\n')
    )
    assert recipe.optimizer.options["learning_rate"] == 1e-5
    assert recipe.optimizer.options["beta_1"] == 0.8


def test_steps_take_the_place_of_epochs():
    path = write("mine.toml", "epochs = 3\n[[phases]]\nname = 'a'\n[[phases]]\nname = 'b'\nsteps = 9\n")
    first, second = load(path).resolved_phases
    assert (first.epochs, first.steps, second.epochs, second.steps) == (3, None, None, 9)
    assert load(path, ["steps=4"]).resolved_phases[0].steps == 4


def test_phases_take_the_rest_from_the_top():
    path = write(
        "mine.toml",
        "batch_size = 5\noptimizer = { name = 'adam', learning_rate = 1e-3, beta_1 = 0.5 }\n"
        "early_stopping = { patience = 2 }\n"
        "[[phases]]\n[[phases]]\noptimizer = { learning_rate = 1e-5 }\nearly_stopping = false\n",
    )
    first, second = load(path).resolved_phases
    assert (first.name, second.name) == ("train", "phase2")
    assert first.batch_size == second.batch_size == 5
    assert second.optimizer.options["learning_rate"] == 1e-5
    assert second.optimizer.options["beta_1"] == 0.5
    assert first.early_stopping is not None
    assert second.early_stopping is None


def test_a_recipe_without_phases_is_one_phase():
    (phase,) = load("retrain", ["epochs=3"]).resolved_phases
    assert phase.epochs == 3


def test_one_phase_of_a_recipe_is_overridden_by_number_or_name():
    for key in ("phases.1.epochs", "phases[1].epochs", "phases.top.epochs"):
        head, top = load("finetune_top", [f"{key}=2"]).resolved_phases
        assert (head.epochs, top.epochs) == (40, 2)


def test_a_file_with_seven_faults_gives_seven_lines():
    path = write(
        "bad.toml",
        "epochs = 0\n"  # 1
        "batch_sice = 8\n"  # 2
        'optimizer = { name = "adma" }\n'  # 3
        "[head]\n"
        'kind = "linaer"\n'  # 5
        "[data]\n"
        'validation = "much"\n'  # 7
        'resize = "strech"\n'  # 8
        "[[phases]]\n"
        'freeze = { untill = "block_3" }\n',  # 10
    )
    lines = faults(path)
    assert [line.split(": ")[0] for line in lines] == [f"bad.toml:{n}" for n in (1, 2, 3, 5, 7, 8, 10)]
    assert lines[1].startswith("bad.toml:2: batch_sice: received 8, expected a known key; did you mean")
    assert "'batch_size'" in lines[1]
    assert lines[3].startswith("bad.toml:5: head.kind: received 'linaer', expected one of auto, cosine")
    assert lines[3].endswith("did you mean 'linear'?")
    assert lines[4] == "bad.toml:7: data.validation: received 'much', expected a valid number"
    assert "did you mean 'stretch'?" in lines[5]
    assert lines[6].startswith("bad.toml:10: phases[0].freeze: received {'untill': 'block_3'}")


def test_a_fault_of_a_parent_names_the_parents_line():
    write("parent.toml", "\n\nepochs = 'ten'\n")
    (line,) = faults(write("child.toml", 'extends = "./parent.toml"\n'))
    assert line == "parent.toml:3: epochs: received 'ten', expected a valid integer"


def test_a_fault_of_an_override_names_the_option():
    assert faults(overrides=["head.dropuot=0.3"])[0].startswith("--set head.dropuot: received 0.3")
    assert "did you mean 'dropout'?" in faults(overrides=["head.dropuot=0.3"])[0]


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("head.dropout=1.5", "less than 1"),
        ("optimizer.learning_rate=-1", "a number above 0"),
        ("optimizer.learning_rate=nan", "a number above 0"),
        ("optimizer.clipnorm=1.0", "gradient_clipping"),
        ("optimizer.momentun=0.9", "an argument of adam"),
        ("optimizer.amsgrad=1", "true or false"),
        (
            "schedule={kind='piecewise_constant', boundaries=[3], values=[1]}",
            "one value more than boundaries",
        ),
        (
            "schedule={kind='piecewise_constant', boundaries=[3,2], values=[1,1,1]}",
            "larger than the one before",
        ),
        ("freeze=al", '"all", "none", {until = NAME}, {last = N}, {fraction = F}, or a list of rules'),
        ("freeze=al", "did you mean 'all'?"),
        ("freeze=[{match='(', trainable=true}]", "a regular expression"),
        ("freeze=[]", "at least 1 item"),
        ("gradient_clipping={norm=1.0, value=1.0}", "exactly one of"),
        ("time_budget=10x", "10m"),
        ("data.test=0.9", "a sum below 1"),
        ("seed=1.5", "integer"),
        ("mixed_precision=yes", "boolean"),
        ("batch_size='64'", "integer"),
        ("augmentation.flipp=true", "did you mean 'flip'?"),
        ("augmentation.rotation=999", "less than or equal to 180"),
        ("export.formats=['saved_model', 'tflit']", "did you mean 'tflite'"),
        ("phases=3", "a list"),
        ("phases.9.epochs=1", "a list"),
        ("head=3", "a valid string"),
        ("evaluation.fail_under='accuracy=0.9'", "received 'accuracy=0.9', expected a table"),
        ("export.formats='onnx'", "received 'onnx', expected a list"),
        ("head.kind=my_head:Head", "No module named 'my_head'"),
        ("evaluation.calibrate=temprature", "evaluation.calibrate: received 'temprature', expected a valid"),
        ("evaluation.calibrate=temprature", "or 'temperature'; did you mean 'temperature'?"),
        ("export.parity=0", "a valid boolean or greater than or equal to 1"),
        ("head.thresholds=x", "expected 'auto' or a valid number or a list or a table"),
        ("head.thresholds={a='x'}", "head.thresholds.a: received 'x', expected a valid number"),
        ("loss.class_weights=[1,'x']", "loss.class_weights[1]: received 'x', expected a valid number"),
        (
            "schedule={kind='piecewise_constant', boundaries=[3,2], values=[1,1]}",
            "expected one value more than boundaries; received boundaries [3.0, 2.0], expected each larger",
        ),
    ],
)
def test_wrong_values(override, part):
    lines = faults(overrides=[override])
    assert len(lines) == 1, lines
    assert part in lines[0]
    assert lines[0].startswith("--set ")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a = ", "no valid TOML"),
        ("seed = 1\nseed = 2\n", "no valid TOML"),
        ("day = 2024-13-01\n", "no valid TOML"),
        ("name = 2024-01-01\n", "text in quotes"),
        ("extends = 3\n", "the name or the file of another recipe"),
        ('extends = "finetune_tpo"\n', "did you mean 'finetune_top'"),
        ('extends = "./bad.toml"\n', "extends itself"),
        ("a = " + "[" * 100_000, "no valid TOML"),
    ],
)
def test_broken_files(text, part):
    (line,) = faults(write("bad.toml", text))
    assert part in line
    assert line.startswith("bad.toml")


def test_files_that_are_none():
    Path("folder.toml").mkdir()
    Path("binary.toml").write_bytes(b"\xff\xfe\x00")
    assert "did you mean 'retrain'" in faults("retrian")[0]
    assert "no such file" in faults("nowhere/it.toml")[0]
    assert "it is a folder" in faults("folder.toml")[0]
    assert "no text in UTF-8" in faults("binary.toml")[0]


def test_a_circle_of_parents():
    write("a.toml", 'extends = "./b.toml"\n')
    write("b.toml", 'extends = "./a.toml"\n')
    assert "extends itself" in faults("a.toml")[0]


def test_a_recipe_is_read_without_tensorflow(run_python):
    run_python(
        "import sys, transferkit.recipe as r, transferkit.recipe.schema as s\n"
        "recipe = r.load('robust', ['head=mlp', 'schedule=cosine', 'loss=focal'])\n"
        "s.json_schema(); recipe.to_toml()\n"
        "loaded = [m for m in ('tensorflow', 'keras', 'sklearn', 'scipy') if m in sys.modules]\n"
        "assert not loaded, loaded\n"
    )


def test_each_section_is_a_table_of_its_own_in_the_resolved_recipe():
    lines = load("finetune_top", [("average.head", "auto")]).to_toml().splitlines()
    assert "[average]" in lines
    assert "[best]" in load("best").to_toml().splitlines()
    # What may also stand in a phase is written in one line each, above the sections.
    assert set(SECTIONS) == set(Recipe.model_fields) - set(TrainingSection.model_fields) - set(TOP)


def test_an_empty_list_is_refused_in_plain_words():
    with pytest.raises(UserError, match=r"head\.pooling: received \[\], expected at least 1 item$"):
        load("auto", ["head.pooling=[]"])
