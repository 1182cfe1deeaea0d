"""The command line's frame: it answers without TensorFlow, and a user's fault is one line and exit code 2."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from transferkit import cli


def run(*arguments: str, code: str | None = None) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", code] if code else [sys.executable, "-m", "transferkit", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["retrain", "--help"],
        ["evaluate", "--help"],
        ["export", "--help"],
        ["predict", "--help"],
        ["backbones"],
        ["backbones", "show", "mobilenet_v2"],
        ["recipes", "list"],
    ],
)
def test_answers_without_importing_tensorflow_or_keras(arguments):
    code = (
        "import sys\nfrom transferkit.cli import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "heavy = {'tensorflow', 'keras', 'openvino', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = run(code=code)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_importing_the_package_imports_no_tensorflow():
    done = run(code="import sys, transferkit; assert not {'tensorflow', 'keras', 'numpy'} & set(sys.modules)")
    assert done.returncode == 0, done.stderr


def walk(group: click.Group, context: click.Context, path: tuple[str, ...] = ()):
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from walk(command, context, (*path, name))


VERBS = list(walk(cli.cli, click.Context(cli.cli)))


def test_the_verbs_are_found():
    names = {path[0] for path, _ in VERBS}
    assert {"retrain", "evaluate", "export", "predict", "backbones", "demo", "recipes"} <= names
    assert not any(name.startswith(("_", "-")) for name in names)


@pytest.mark.parametrize(
    ("path", "command"), VERBS, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_each_verb_says_what_it_does_with_examples(path, command):
    text = command.get_help(click.Context(command, info_name=path[-1]))
    assert command.help
    if not isinstance(command, click.Group) or command.invoke_without_command:
        assert "transferkit " + " ".join(path) in text, "no example"
    for parameter in command.params:
        assert isinstance(parameter, click.Argument) or parameter.help or parameter.name in ("form",), (
            parameter
        )


def test_a_users_fault_is_a_line_on_stderr_and_exit_code_2(tmp_path):
    done = run("retrain", "--data", str(tmp_path / "nowhere"), "--run", str(tmp_path / "run"))
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("transferkit: data: ")
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_several_faults_are_several_lines(tmp_path):
    done = run(
        "retrain",
        "--data",
        str(tmp_path),
        "--set",
        "epocs=3",
        "--set",
        "batch_size=0",
        "--set",
        "head.kind=linaer",
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 3
    assert "did you mean 'epochs'" in done.stderr
    assert "did you mean 'linear'" in done.stderr


@pytest.mark.parametrize("arguments", [[], ["data"], ["recipes"], ["cache"]])
def test_lists_of_verbs_say_whole_sentences(arguments, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    shown = CliRunner().invoke(cli.cli, [*arguments, "--help"]).output
    listed = shown.partition("Commands:\n")[2].splitlines()
    assert listed
    assert all(len(line) <= 80 and not line.endswith("...") for line in listed)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian"], "command: received 'trian', expected a command; did you mean 'retrain'?"),
        (["train", "--data", "x"], "command: received 'train', expected a command; did you mean 'retrain'?"),
        (["infer"], "did you mean 'predict'?"),
        (["zzz"], "`transferkit --help` lists what there is"),
        (
            ["backbones", "list"],
            "backbones: received 'list', expected a command; `transferkit backbones` alone lists them",
        ),
        (["data", "chek", "photos"], "data: received 'chek', expected a command; did you mean 'check'?"),
        (["data", "photos"], "transferkit data check photos"),
        (
            ["retrain", "photos/"],
            "retrain: received 'photos/', expected options alone; for photos: --data p",
        ),
        (["plan", "photos/"], "for photos: --data photos/"),
    ],
)
def test_a_slip_of_the_hand_is_answered_with_what_was_meant(arguments, said, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("transferkit: ")
    assert said in line


def test_a_fault_of_a_key_is_said_once(capsys):
    with pytest.raises(SystemExit):
        cli.main(["retrain", "--data", ".", "--backbone", "efficientnet"])
    assert sum("'efficientnet'" in line for line in capsys.readouterr().err.splitlines()) == 1
