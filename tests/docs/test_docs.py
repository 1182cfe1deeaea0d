"""The documentation: each block of code works as printed, and the reference names all that there is."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```', re.MULTILINE | re.DOTALL)
# What a page shows and no test can do: it asks the network, or another program.
ELSEWHERE = ("pip ", "docker ", "make ")


def blocks(page: Path) -> list[tuple[str, str | None, str]]:
    return [match.groups() for match in BLOCK.finditer(page.read_text("utf-8"))]


def named(page: Path) -> str:
    return page.relative_to(ROOT / "docs").as_posix()


def commands(text: str) -> list[str]:
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [line.partition(" #")[0].strip() for line in lines if not line.startswith(("#", *ELSEWHERE))]


SHOWN = [
    (named(page), line)
    for page in PAGES
    for kind, _, text in blocks(page)
    if kind == "sh"
    for line in commands(text)
]


@pytest.fixture(scope="module")
def reference():
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        import docs_reference
    finally:
        sys.path.pop(0)
    return docs_reference


def test_there_are_pages_with_code():
    assert len(PAGES) > 25
    assert len(SHOWN) > 35


def test_each_block_says_its_language():
    for page in PAGES:
        fences = re.findall(r"^```(.*)$", page.read_text("utf-8"), re.MULTILINE)
        assert len(fences) % 2 == 0, page
        assert all(
            re.fullmatch(r'(sh|bash|python|toml|yaml|text)( title="[^"]+")?', one) for one in fences[::2]
        ), page


@pytest.mark.parametrize(("page", "line"), SHOWN)
def test_each_command_is_one_that_the_command_line_takes(page, line):
    from transferkit.cli import cli

    words = shlex.split(line)
    if words[:3] == ["python", "-m", "transferkit.estimator"]:
        return
    assert words.pop(0) == "transferkit", page
    command, context = cli, click.Context(cli)
    while isinstance(command, click.Group) and words:
        name = words.pop(0)
        command = command.get_command(context, name)
        assert command is not None, (page, line)
    parser = command.make_parser(click.Context(command))
    parser.parse_args(args=words)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_each_recipe_is_valid_and_each_program_compiles(page, tmp_path, monkeypatch):
    from transferkit.recipe import load

    monkeypatch.chdir(tmp_path)
    for kind, title, text in blocks(page):
        if kind == "toml":
            (tmp_path / str(title)).write_text(text)
            load(tmp_path / str(title))
        if kind == "python":
            compile(text, str(page), "exec")


def test_each_verb_is_in_the_reference(reference):
    from transferkit.cli import cli

    text = reference.commands_page()
    for name in cli.list_commands(click.Context(cli)):
        assert f"## transferkit {name}\n" in text


def test_each_verb_is_in_the_threat_model():
    from transferkit.cli import cli

    said = (ROOT / "SECURITY.md").read_text("utf-8").partition("| verb |")[2].partition("\n## ")[0]
    named = {words.split()[0] for words in re.findall(r"`([a-z][\w -]*)`", said)}
    assert set(cli.list_commands(click.Context(cli))) <= named


def test_each_key_is_in_the_reference(reference):
    from transferkit.recipe import Recipe

    text = reference.recipe_keys_page()
    for name, field in Recipe.model_fields.items():
        assert f"`{name}`" in text or f"`{name}." in text, name
        inner = getattr(field.annotation, "model_fields", {})
        for key in inner:
            assert f"`{name}.{key}`" in text, (name, key)


def test_each_key_of_the_reference_has_a_type_and_an_effect(reference):
    rows = [line for line in reference.recipe_keys_page().splitlines() if line.startswith("| `")]
    assert len(rows) > 250
    for row in rows:
        _, key, kind, _, effect, _ = [cell.strip() for cell in row.replace("\\|", "/").split("|")]
        assert kind not in ("", "any"), key
        assert effect, key


SECTIONS = "data|backbone|head|augmentation|activations|devices|evaluation|export|tracking|sweep|best"
SECTIONS += "|optimizer|schedule|loss|early_stopping|ema|gradient_clipping"


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.name)
def test_each_key_that_a_page_names_is_one_of_a_recipe(page, keys):
    named_here = re.findall(rf"[`= ]((?:{SECTIONS})(?:\.[a-z_]+)+)[`= ]", page.read_text("utf-8"))
    for key in named_here:
        if key.endswith((".toml", ".csv", ".json")):
            continue
        key = "backbone.options" if key.startswith("backbone.options.") else key
        assert f"`{key}`" in keys or f"`{key}." in keys, key


@pytest.fixture(scope="module")
def keys(reference):
    return reference.recipe_keys_page()


def test_each_message_of_the_troubleshooting_page_is_one_that_the_code_has():
    page = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
    source = "\n".join(path.read_text("utf-8") for path in (ROOT / "transferkit").rglob("*.py"))
    source = re.sub(r'"\s*\n\s*f?"', "", source)
    parts = []
    for heading in re.findall(r"^## `(.+?)`", page, re.MULTILINE):
        found = [
            one.strip(" :").removeprefix("expected ")
            for one in re.split(r"\.\.\.|\bN epochs\b|^[\w.]+: ", heading)
        ]
        parts += [one for one in found if " " in one]
    assert len(parts) >= 5
    for part in parts:
        assert part in source, part


def test_each_option_of_the_older_programs_is_answered_with_what_to_use():
    from click.testing import CliRunner

    from transferkit.cli import cli
    from transferkit.errors import UserError

    page = (ROOT / "docs" / "guides" / "from_retrain_py.md").read_text("utf-8")
    left = " ".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| `--"))
    options = re.findall(r"--\w+", left)
    assert len(options) > 30
    for option in options:
        fault = CliRunner().invoke(cli, ["retrain", option, "1"]).exception
        assert isinstance(fault, UserError), option
        assert "no such option; use " in str(fault), option


@pytest.mark.parametrize(
    ("section", "kind"),
    [("head", "heads"), ("loss", "losses"), ("schedule", "schedules"), ("augmentation", "augmentation")],
)
def test_each_argument_of_each_part_is_in_the_reference(reference, section, kind):
    from transferkit.registry import registry

    text = reference.recipe_keys_page()
    names = registry(kind).names()
    assert names
    for name in names:
        title = f"### `augmentation.{name}`" if section == kind else f'### `{section}.kind = "{name}"`'
        part = text.partition(f"{title}\n")[2].partition("\n##")[0]
        prefix = f"{section}.{name}" if section == kind else section
        for key in registry(kind).get(name).model_fields:
            assert f"| `{prefix}.{key}` |" in part, (name, key)


def test_what_a_table_of_freezing_may_hold_is_in_the_reference(reference):
    text = reference.recipe_keys_page()
    for key in (
        "freeze.until",
        "freeze.last",
        "freeze.match",
        "freeze.lr_multiplier",
        "sweep.values.KEY.log",
    ):
        assert f"| `{key}` |" in text


def test_each_public_name_is_in_the_reference(reference):
    import transferkit

    text = reference.python_page()
    for name in transferkit.__all__:
        if name not in ("__version__", "estimator"):
            assert re.search(rf"^      heading: {name}$", text, re.MULTILINE), name


def test_each_card_and_each_shipped_recipe_is_in_the_reference(reference):
    for folder, text in (("backbones", reference.backbones_page()), ("recipes", reference.recipes_page())):
        names = [path.stem for path in (ROOT / folder).glob("*.toml")]
        assert names
        assert all(f"`{name}`" in text or f"## {name}\n" in text for name in names)


def test_the_site_is_built_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs", reason="the documentation's tools are not installed")
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--quiet",
        "--site-dir",
        str(tmp_path),
    ]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "evaluation.calibrate" in (tmp_path / "reference" / "recipe_keys.html").read_text("utf-8")
    # It is read without a network, the search included.
    for page in tmp_path.rglob("*.html"):
        loaded = re.findall(
            r'<(?:script|link rel="stylesheet"|img)[^>]*(?:src|href)="([^"]+)', page.read_text("utf-8")
        )
        assert loaded, page
        assert not [one for one in loaded if one.startswith(("http", "//"))], page
    assert "iframe-worker.js" in (tmp_path / "index.html").read_text("utf-8")
    assert (tmp_path / "search" / "search_index.js").is_file()
    python = (tmp_path / "reference" / "python.html").read_text("utf-8")
    assert "<code>transferkit.retrain</code>" in python
    assert not re.findall(r":(?:func|class|meth|attr|data):<code", python)


@pytest.fixture(scope="module")
def material(tmp_path_factory, noise_photos) -> Path:
    """What the pages begin with: photos, tables that name them, an archive."""
    place = tmp_path_factory.mktemp("docs")
    colours = {"daisies": 60.0, "roses": 120.0, "tulips": 190.0}
    shutil.copytree(noise_photos(colours, count=16, spread=25, size=64, seed=3), place / "photos")
    new = noise_photos({"violets": 150.0}, count=8, spread=25, size=64, seed=4)
    shutil.copytree(new, place / "new_photos")
    files = sorted((place / "photos").rglob("*.png"))
    shutil.copy(files[0], place / "new_photo.jpg")
    others = noise_photos({"stripes": 220.0}, count=6, spread=5, size=64, seed=5)
    shutil.copytree(others, place / "photos_of_other_things")
    rows = [f"photos/{file.parent.name}/{file.name},{file.parent.name}\n" for file in files]
    (place / "photos.csv").write_text("path,label\n" + "".join(rows))
    marks = [
        f"photos/{f.parent.name}/{f.name},{f.parent.name}{'|odd' if n % 2 else ''}\n"
        for n, f in enumerate(files)
    ]
    (place / "marks.csv").write_text("path,labels\n" + "".join(marks))
    ids = []
    for number, file in enumerate(files):
        shutil.copy(file, place / "photos" / f"{number}.jpg")
        ids.append(f"{number},{file.parent.name}\n")
    (place / "ids.csv").write_text("id,breed\n" + "".join(ids))
    program = "import tensorflow as tf\n\nestimator = tf.estimator.Estimator(lambda features, mode: None)\n"
    (place / "old_program.py").write_text(program)
    shutil.make_archive(str(place / "photos"), "zip", place / "photos")
    return place


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=named)
def test_each_block_runs_in_the_order_of_its_page(page, material, tmp_path):
    place = tmp_path / "work"
    shutil.copytree(material, place)
    if page.name != "tables.md":
        for file in (place / "photos").glob("*.jpg"):
            file.unlink()
    folder = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        "PATH": folder + os.pathsep + os.environ["PATH"],
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    steps = []
    for kind, title, text in blocks(page):
        if title:
            (place / title).write_text(text)
        if kind == "sh":
            steps += [["command", *shlex.split(line)] for line in commands(text)]
        elif kind == "python" and not title:
            steps.append(["program", text])
    (tmp_path / "steps.json").write_text(json.dumps(steps))
    runner, kept = Path(__file__).with_name("run_page.py"), material.with_name("run_on_photos")
    run = [sys.executable, str(runner), str(tmp_path / "steps.json"), str(kept)]
    with open(tmp_path / "said.txt", "w", encoding="utf-8") as said:
        done = subprocess.run(
            run, cwd=place, env=environment, stdout=said, stderr=subprocess.STDOUT, check=False
        )
    shown = (tmp_path / "said.txt").read_text("utf-8")
    assert done.returncode == 0, shown[-5000:]
    assert len(re.findall(r"^\$ ", shown, re.MULTILINE)) >= len(steps)
