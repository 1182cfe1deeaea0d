"""Runs the commands and programs of one page in order, in one process that loads TensorFlow once.

Asked as ``python run_page.py STEPS.json RUN``: a list of ``["command", word, …]`` and ``["program", text]``.
It ends with the status of the first step that fails. Several pages begin with the same run: the first one
makes it, and RUN keeps it for the others.
"""

from __future__ import annotations

import json
import os
import runpy
import shlex
import shutil
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

# The run that several pages begin with, whatever they name it.
SAME = ["transferkit", "retrain", "--data", "photos/", "--run"]


def command(words: list[str], kept: Path) -> None:
    """One line of a shell, as its own process would run it."""
    if words[0] == "transferkit":
        from transferkit.cli import main

        same = words[:-1] == SAME and not Path(words[-1]).exists()
        if same and kept.is_dir():
            shutil.copytree(kept, words[-1])
            return
        status = status_of(partial(main, words[1:]))
        if status:
            raise SystemExit(status)
        if same:
            shutil.copytree(words[-1], kept)
    elif words[:2] == ["python", "-m"]:
        sys.argv = words[2:]
        runpy.run_module(words[2], run_name="__main__", alter_sys=True)
    else:
        raise SystemExit(f"a page of the documentation runs {words[0]}, which no test can")


def program(text: str) -> None:
    """One block of Python, with names of its own."""
    exec(compile(text, "<page>", "exec"), {"__name__": "__main__"})


def status_of(step: Callable[[], None]) -> int:
    try:
        step()
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


def run(steps: list[list[str]], kept: Path) -> int:
    sys.path.insert(0, os.getcwd())
    for kind, *words in steps:
        print("$", shlex.join(words), flush=True)
        began = time.perf_counter()
        status = status_of(partial(command, words, kept) if kind == "command" else partial(program, words[0]))
        print(f"# {time.perf_counter() - began:.1f} s", flush=True)
        if status:
            return status
    return 0


if __name__ == "__main__":
    ended = run(json.loads(Path(sys.argv[1]).read_text("utf-8")), Path(sys.argv[2]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(ended)
