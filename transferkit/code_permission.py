"""Whose code may run: the user's, that of the project they work in, and what they allow by ``--allow-code``.

The current project is the git work tree around the current folder, or the current folder where there is none.
A work tree inside it (a clone, a submodule) is a project of its own. The home folder and what lies above it
are never a project, since downloads are kept there; nor is a folder for everybody's files, such as ``/tmp``.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from transferkit.errors import printable

__all__ = ["allowed", "allowing", "announce", "in_project", "project"]

_ALLOWED: ContextVar[bool] = ContextVar("transferkit_allow_code", default=False)


@contextmanager
def allowing(code: bool) -> Iterator[None]:
    """Inside, code that a file asks for may run, Lambda layers in a model file among it, where ``code``."""
    before = _ALLOWED.set(code or _ALLOWED.get())
    try:
        yield
    finally:
        _ALLOWED.reset(before)


def allowed() -> bool:
    """Whether the user has said ``--allow-code``."""
    return _ALLOWED.get()


def project() -> Path | None:
    """The root of the current project; None in the home folder and other places that are none."""
    here = Path.cwd().resolve()
    tree = _work_tree(here)
    for root in (tree, here):
        if root is not None and not _too_wide(root):
            return root
    return None


def in_project(path: str | os.PathLike[str]) -> bool:
    """Whether a file, links followed, belongs to the current project."""
    root = project()
    if root is None:
        return False
    try:
        file = Path(path).resolve()
    except (OSError, RuntimeError):
        return False
    if not file.is_relative_to(root):
        return False
    inner = _work_tree(file.parent)
    return inner is None or not inner.is_relative_to(root) or inner == root


def announce(line: str) -> None:
    """Says on stderr whose code is about to run; ``--quiet`` does not hide it."""
    print(printable(line), file=sys.stderr, flush=True)


def _work_tree(folder: Path) -> Path | None:
    for one in (folder, *folder.parents):
        if (one / ".git").exists():
            return one
    return None


def _too_wide(root: Path) -> bool:
    if root.stat().st_mode & stat.S_ISVTX:
        return True
    try:
        home = Path.home().resolve()
    except (RuntimeError, OSError):
        return root == Path(root.anchor)
    return home.is_relative_to(root)
