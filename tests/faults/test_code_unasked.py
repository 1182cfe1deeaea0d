"""No file runs code that nobody asked for: recipes, run folders, cards and model files of strangers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import transferkit.registry as registry
from transferkit.cli import main
from transferkit.code_permission import allowing, in_project, project
from transferkit.dotted_path import locate
from transferkit.errors import UserError
from transferkit.recipe import admit_code, load
from transferkit.recipe.checks.named_code import code_of
from transferkit.runs.finished.run import Run

# Each import leaves a mark beside the module.
EVIL = """
import pathlib
pathlib.Path(__file__).with_suffix(".ran").write_text("ran")

from transferkit.augmentation import Base as Augmentation
from transferkit.heads import Head
from transferkit.losses import Base as Loss
from transferkit.schedules import Schedule

class Evil(Head):
    width: int = 3

class Slow(Schedule):
    def rate(self, step, span):
        return span.base

class Bad(Loss):
    pass

class Change(Augmentation):
    pass

class Step:
    pass
"""
NAMING = {
    "head": 'head = { kind = "evil:Evil" }\n',
    "nested": 'head = { kind = "package.inner.evil:Evil" }\n',
    "loss": 'loss = { kind = "evil:Bad" }\n',
    "schedule": 'schedule = { kind = "evil:Slow" }\n',
    "optimizer": 'optimizer = { name = "evil:Step" }\n',
    "augmentation": '[augmentation]\n"evil:Change" = true\n',
    "phase": '[[phases]]\nname = "one"\n[phases.head2]\n'.replace("[phases.head2]\n", 'loss = "evil:Bad"\n'),
    "average": '[average]\nviews = 2\n[average.augmentation]\n"evil:Change" = true\n',
    "sweep": '[sweep.values]\n"head.kind" = ["linear", "evil:Evil"]\n',
    "sweep, short form": '[sweep.values]\n"head" = ["linear", "evil:Evil"]\n',
}
READING = {
    "list": ["recipes", "list"],
    "show": ["recipes", "show", "mine", "--resolved"],
    "validate": ["recipes", "validate", "mine"],
    "explain": ["recipes", "explain", "mine"],
    "diff": ["recipes", "diff", "mine", "retrain"],
    "copy": ["recipes", "copy", "mine", "copied.toml"],
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A project with a module that notices being imported, alone and in a package."""
    monkeypatch.setattr(registry, "_ADMITTED", {})
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    folder = tmp_path / "project"
    inner = folder / "package" / "inner"
    inner.mkdir(parents=True)
    (folder / "recipes").mkdir()
    for file in (folder / "evil.py", inner / "evil.py"):
        file.write_text(EVIL)
    for file in (folder / "package" / "__init__.py", inner / "__init__.py"):
        file.write_text('import pathlib\npathlib.Path(__file__).with_suffix(".ran").write_text("ran")\n')
    monkeypatch.chdir(folder)
    known = set(sys.modules)
    yield folder
    for name in set(sys.modules) - known:
        if name.split(".")[0] in ("evil", "package"):
            del sys.modules[name]


def ran(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.ran"))


@pytest.mark.parametrize("text", NAMING.values(), ids=NAMING)
@pytest.mark.parametrize("arguments", READING.values(), ids=READING)
def test_reading_a_recipe_runs_nothing(place, text, arguments, capsys):
    (place / "recipes" / "mine.toml").write_text(text)
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0, capsys.readouterr().err
    assert not ran(place)
    assert "evil" not in sys.modules


@pytest.mark.parametrize("text", NAMING.values(), ids=NAMING)
def test_what_it_would_run_is_found_without_running_it(place, text):
    (place / "mine.toml").write_text(text)
    (found,) = code_of(load("./mine.toml"))
    inner = "package" in text
    assert found.file == place / ("package/inner/evil.py" if inner else "evil.py")
    assert found.by_file
    assert not found.foreign
    assert not ran(place)


def test_a_line_says_whose_code_runs_before_it_does(place, capsys):
    (place / "mine.toml").write_text(NAMING["head"])
    recipe = load("./mine.toml")
    assert "width" not in recipe.head.options
    assert admit_code(recipe).head.options["width"] == 3
    said = capsys.readouterr().err
    assert said == f"code: mine.toml:1: head.kind = 'evil:Evil' runs {place / 'evil.py'}\n"
    assert ran(place) == [place / "evil.ran"]


@pytest.mark.parametrize("text", NAMING.values(), ids=NAMING)
def test_a_strangers_recipe_needs_allow_code(place, tmp_path, text, capsys):
    stranger = tmp_path / "downloads" / "theirs.toml"
    stranger.parent.mkdir()
    stranger.write_text(text)
    # The file alone, as a parent, and by a link that lies in the project.
    (place / "child.toml").write_text(f'extends = "{stranger}"\n')
    (place / "linked.toml").symlink_to(stranger)
    for reference in (str(stranger), "./child.toml", "./linked.toml"):
        with pytest.raises(UserError, match="--allow-code"):
            admit_code(load(reference))
    assert not ran(tmp_path)
    assert not capsys.readouterr().err
    with allowing(True):
        (found,) = code_of(load(stranger))
    assert found.foreign


@pytest.mark.parametrize(
    "verb",
    [
        ["retrain", "--recipe", "FILE", "--data", ".", "--run", "run"],
        ["lr-find", "--recipe", "FILE", "--data", "nowhere"],
        ["schedule", "plot", "--recipe", "FILE", "--images", "50"],
    ],
    ids=lambda verb: verb[0],
)
def test_the_verbs_refuse_it_in_one_line_before_work(place, tmp_path, verb, capsys):
    stranger = tmp_path / "theirs.toml"
    stranger.write_text(NAMING["head"])
    with pytest.raises(SystemExit) as ended:
        main([str(stranger) if one == "FILE" else one for one in verb])
    assert ended.value.code == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert "allow it with --allow-code" in said[0]
    assert str(place / "evil.py") in said[0]
    assert not ran(tmp_path)


def test_plan_needs_no_code_of_a_head(place, capsys):
    from transferkit.inspection.plan import make_plan

    (place / "mine.toml").write_text(NAMING["head"] + 'backbone = "embedded"\n')
    assert make_plan("./mine.toml", measure=False)
    (place / "mine.toml").write_text('backbone = "embedded"\n' + NAMING["augmentation"])
    assert make_plan("./mine.toml", measure=False)
    assert not ran(place)


def test_what_is_typed_is_asked_for(place, tmp_path):
    """On the command line nobody else speaks; a stranger's values beside it stay a stranger's."""
    assert not code_of(load(overrides=["head.kind=evil:Evil"]))[0].foreign
    stranger = tmp_path / "theirs.toml"
    stranger.write_text(NAMING["schedule"])
    found = code_of(load(stranger, ["head.kind=evil:Evil"]))
    assert {one.name: one.foreign for one in found} == {"evil:Evil": False, "evil:Slow": True}


@pytest.mark.parametrize(
    ("verb", "refused"),
    [
        (["evaluate", "RUN"], True),
        (["export", "RUN", "--no-parity"], True),
        (["retrain", "--recipe", "RUN/recipe.toml", "--run", "again"], True),
        (["verify", "RUN"], False),
        (["compare", "RUN"], False),
        (["inspect", "RUN"], False),
        (["predict", "RUN", "photo.jpg"], False),
        (["recipes", "show", "RUN/recipe.toml", "--resolved"], False),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_a_strangers_run_folder(place, tmp_path, verb, refused, capsys):
    """Verbs that would build its network refuse; the others run none of its code, whatever else they say."""
    run = tmp_path / "theirs"
    run.mkdir()
    (run / "metrics.json").write_text('{"metrics": {"accuracy": 1.0}, "classes": ["a", "b"]}')
    (run / "recipe.toml").write_text(NAMING["head"] + 'data = "nowhere"\n')
    (run / "manifest.json").write_text("{}")
    with pytest.raises(SystemExit) as ended:
        main([one.replace("RUN", str(run)) for one in verb])
    said = capsys.readouterr().err
    assert ("--allow-code" in said) == refused
    assert ended.value.code == 2 or not refused
    assert not ran(tmp_path)
    assert "evil" not in sys.modules


def test_projects(place, tmp_path, monkeypatch):
    inside = place / "a.toml"
    inside.write_text("")
    assert project() == place
    assert in_project(inside)
    assert in_project("a.toml")
    assert not in_project(tmp_path / "b.toml")
    # From a folder inside a work tree the whole tree is the project; a clone inside it is another's.
    (place / ".git").mkdir()
    clone = place / "vendor" / "theirs"
    (clone / ".git").mkdir(parents=True)
    (place / "deep").mkdir()
    monkeypatch.chdir(place / "deep")
    assert project() == place
    assert in_project(inside)
    assert not in_project(clone / "recipe.toml")
    # A folder for everybody's files is none either, even if somebody makes it a work tree.
    clone.chmod(0o1777)
    monkeypatch.chdir(clone)
    assert project() is None
    monkeypatch.chdir(place / "deep")
    # A home folder is no project, whether or not it is a work tree.
    monkeypatch.setenv("HOME", str(place))
    assert project() == place / "deep"
    monkeypatch.chdir(place)
    assert project() is None
    assert not in_project(inside)


def test_no_file_here_stands_in_for_an_installed_module(place):
    (place / "json.py").write_text(EVIL)
    (place / "colorsys.py").write_text(EVIL)  # of the standard library, and not imported yet
    for path in ("json:Evil", "colorsys:Evil"):
        with pytest.raises(UserError, match="has no 'Evil'"):
            load(overrides=[f"head.kind={path}"])
    assert not ran(place)


def test_a_module_that_changes_after_its_line_is_not_imported(place, tmp_path):
    admit_code(load(overrides=["schedule.kind=evil:Slow"]))
    for mark in ran(place):
        mark.unlink()
    other = place / "evil"
    other.mkdir()
    (other / "__init__.py").write_text(EVIL)
    del sys.modules["evil"]
    with pytest.raises(UserError, match="no longer that of"):
        registry.import_dotted("evil:Slow", "schedule.kind")
    assert not ran(place)


@pytest.mark.parametrize(
    "path",
    ["evil:Missing", "evil:Evil.build", "nowhere:A", "package.inner:A", ":", "a:", "..:A", "a b:C", "evil:"],
)
def test_what_leads_nowhere_is_said_without_running_anything(place, path):
    with pytest.raises(ValueError):
        locate(path)
    assert not ran(place)


def test_modules_that_bind_names_in_other_ways(place):
    (place / "ways.py").write_text(
        "from collections import OrderedDict as One\n"
        "if True:\n    class Two: ...\n"
        "try:\n    Three = 3\nexcept Exception:\n    Four = 4\n"
        "(Five, Six) = 5, 6\n"
        "def outer():\n    Seven = 7\n"
    )
    for name in ("One", "Two", "Three", "Four", "Five", "Six", "outer"):
        assert locate(f"ways:{name}").file == place / "ways.py"
    with pytest.raises(ValueError):
        locate("ways:Seven")
    (place / "deep.py").write_text("(" * 5000)
    with pytest.raises(ValueError, match="no Python"):
        locate("deep:A")


@pytest.mark.parametrize("key", ["trust", "allow_code"])
def test_no_file_allows_lambda_layers(place, key, capsys):
    (place / "mine.toml").write_text(
        f'[backbone]\nname = "keras_file:m.keras"\noptions = {{ {key} = true }}\n'
    )
    with pytest.raises(UserError) as refused:
        load("./mine.toml")
    (line,) = refused.value.faults
    assert line.startswith("mine.toml:3: backbone.options: ")
    assert "--allow-code" in line
    # Nor does a card.
    (place / "backbones").mkdir()
    (place / "backbones" / "mine.toml").write_text(
        f'summary = "x"\nhandle = "keras_file:m.keras"\nfamily = "x"\nsize = [32, 32]\nfeature_width = 4\n'
        f'parameters = 4\nlicence = "x"\narguments = {{ {key} = true }}\n'
    )
    from transferkit.backbones import load_backbone

    with pytest.raises(UserError, match=key):
        load_backbone("mine")


@pytest.mark.parametrize(
    "constructor",
    [
        "evil.Evil",
        "os.system",
        "keras.applications.imagenet_utils.preprocess_input",
        "keras.saving.load_model",
        "transferkit.backbones.load_backbone.load_backbone",
        "transferkit.backbones.networks.embedded.Any",
        "transferkit.backbones.networks.embedded.keras",
        "keras.applications.evil.Evil",
    ],
)
def test_a_card_builds_networks_and_runs_nothing_else(place, constructor):
    from transferkit.backbones import load_backbone

    (place / "backbones").mkdir()
    (place / "backbones" / "mine.toml").write_text(
        f'summary = "x"\nconstructor = "{constructor}"\nfamily = "x"\nsize = [32, 32]\nfeature_width = 4\n'
        'parameters = 4\nlicence = "x"\n'
    )
    with pytest.raises(UserError, match=r"mine\.toml: constructor"):
        load_backbone("mine", weights="random")
    assert not ran(place)


def test_savedmodels_are_code(place, tmp_path):
    """What a stranger's recipe or card takes from a SavedModel needs permission too."""
    stranger = tmp_path / "theirs.toml"
    stranger.write_text('backbone = "saved_model:/tmp/evil"\n')
    with pytest.raises(UserError, match=r"the SavedModel saved_model:/tmp/evil.*--allow-code"):
        admit_code(load(stranger), components=False)
    assert not code_of(load(overrides=["backbone=saved_model:/tmp/mine"]))[0].foreign
    card = tmp_path / "theirs" / "card.toml"
    card.parent.mkdir()
    card.write_text(
        'summary = "x"\nhandle = "hub:evil"\nfamily = "x"\nsize = [32, 32]\nfeature_width = 4\n'
        'parameters = 4\nlicence = "x"\n'
    )
    with pytest.raises(UserError, match="--allow-code"):
        admit_code(load(overrides=[f"backbone=card:{card}"]))


# Where a backbone stands beside the recipe's own.
BESIDE = {
    "average": '[average.backbone]\nname = "NAME"\n',
    "average, short form": '[average]\nbackbone = "NAME"\n',
    "join": '[backbone]\njoin = ["embedded", "NAME"]\n',
    "join of the average": '[average.backbone]\nname = "embedded"\njoin = ["NAME"]\n',
    "sweep": '[sweep.values]\n"backbone.name" = ["embedded", "NAME"]\n',
    "sweep, joined": '[sweep.values]\n"backbone.join" = [["embedded"], ["NAME"]]\n',
}


@pytest.mark.parametrize("text", BESIDE.values(), ids=BESIDE)
def test_savedmodels_beside_the_recipes_own_backbone_are_code(place, tmp_path, text, capsys):
    card = tmp_path / "theirs" / "card.toml"
    card.parent.mkdir()
    card.write_text(
        'summary = "x"\nhandle = "hub:evil"\nfamily = "x"\nsize = [32, 32]\nfeature_width = 4\n'
        'parameters = 4\nlicence = "x"\n'
    )
    stranger, mine = tmp_path / "theirs.toml", place / "mine.toml"
    for name in (
        "saved_model:/tmp/evil",
        "hub:evil",
        "hf://a/b",
        "kaggle://a/b/tensorFlow2/c",
        f"card:{card}",
    ):
        stranger.write_text(text.replace("NAME", name))
        with pytest.raises(UserError, match=r"theirs\.toml:\d.*--allow-code") as raised:
            admit_code(load(stranger), components=False)
        assert len(raised.value.faults) == 1
        if name.startswith("card:"):
            continue
        mine.write_text(text.replace("NAME", name))
        assert not capsys.readouterr().err
        admit_code(load("./mine.toml"), components=False)
        assert f"= '{name}' runs the " in capsys.readouterr().err


@pytest.mark.parametrize("text", [BESIDE["average"], BESIDE["join"]], ids=["average", "join"])
def test_a_strangers_run_with_a_savedmodel_beside_its_backbone(place, tmp_path, text):
    run = tmp_path / "theirs"
    run.mkdir()
    (run / "metrics.json").write_text('{"metrics": {"accuracy": 1.0}, "classes": ["a", "b"]}')
    (run / "recipe.toml").write_text(text.replace("NAME", "saved_model:/tmp/evil"))
    with pytest.raises(UserError, match=r"recipe\.toml:\d.*the SavedModel.*--allow-code"):
        Run(run).admit_code()


def test_a_card_that_hides_a_shipped_one_is_named(place):
    (place / "backbones").mkdir()
    (place / "backbones" / "embedded.toml").write_text("")
    assert load(backbone="embedded").notes == (
        "backbones/embedded.toml is used instead of the shipped card embedded",
    )


def test_nothing_in_the_current_folder_runs_because_the_command_starts_there(place):
    """Files named as modules that transferkit imports, and an entry point that nobody installed."""
    for name in ("numpy", "pydantic", "tomllib", "sitecustomize", "usercustomize", "click", "keras"):
        (place / f"{name}.py").write_text(EVIL)
    facts = place / "evil-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[transferkit.heads]\nstolen = evil:Evil\n")
    start = "import sys; from transferkit.cli import command; sys.argv[0] = 'transferkit'; command()"
    done = subprocess.run(
        [sys.executable, "-I", "-c", start, "recipes", "show", "retrain", "--set", "head=stolen"],
        capture_output=True, text=True, cwd=place, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2, done.stdout + done.stderr
    assert "head.kind: received 'stolen'" in done.stderr
    assert not ran(place)


def test_what_the_current_folder_offers_is_not_installed(place, monkeypatch):
    """`python -m transferkit` has the current folder first on its path."""
    facts = place / "evil-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[transferkit.heads]\nstolen = evil:Evil\n")
    monkeypatch.syspath_prepend(str(place))
    assert "stolen" not in registry.registry("heads").names()
    with pytest.raises(UserError):
        load(overrides=["head=stolen"])
    assert not ran(place)
