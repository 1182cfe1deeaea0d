"""Where the files of a manifest lie: paths as people write them, folders that a manifest does not name."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from transferkit.data.file_names import from_shown
from transferkit.errors import UserError, fault

__all__ = ["Places", "find_files"]

_ENDINGS = (".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG", ".webp", ".bmp", ".gif", ".tif", ".tiff")
_SAMPLE = 200
# Folders that are looked through for a manifest's files.
_MOST_FOLDERS = 500
# Share of a sample that a rule must find for it to be the rule of the whole manifest.
_MOST = 0.9


@dataclass(frozen=True)
class Places:
    """Where each path leads.

    Attributes:
        files: one a path, whether it is there or not.
        missing: numbers of the paths where no file is.
        notes: what was inferred.
        hint: where the missing files may be, or how the paths may be meant.
    """

    files: list[Path]
    missing: list[int]
    notes: list[str]
    hint: str = ""


@dataclass(frozen=True)
class _Rule:
    """How a path becomes a file."""

    root: Path
    suffix: str = ""
    dropped: int = 0
    spell: Callable[[str], str] = str

    def file(self, path: str) -> Path:
        path = self.spell(path)
        if self.dropped:
            path = "/".join(_parts(path)[self.dropped :])
        return self.root / (path + self.suffix)

    def found(self, paths: Sequence[str]) -> int:
        return sum(os.path.isfile(self.file(path)) for path in paths)


def find_files(
    paths: Sequence[str], folder: Path, name: str, root: str | None = None, suffix: str | None = None
) -> Places:
    """Finds the files of a manifest.

    A path is looked for as it is written, below ``root`` or the manifest's folder; with ``/`` for each
    backslash where no file has the backslash in its name. Below a ``root`` that the user gives, folders that
    paths begin with and that are not there are left out, the same number of all. If no file at all is found,
    one folder below the manifest and one ending that lead to nearly all of them are taken, with a note.

    Args:
        paths: as the manifest writes them.
        folder: the manifest's.
        name: the manifest's name, for messages.
        root: folder that the paths start from, ``data.root``.
        suffix: what is added to each, ``data.path_suffix``.

    Raises:
        UserError: several folders or endings would serve; or ``root`` is no folder.
    """
    if root is not None and not Path(root).is_dir():
        raise UserError(fault("data.root", root, "a folder", "paths of the manifest start from it"))
    base = Path(root) if root is not None else folder
    rule = _Rule(base, suffix or "")
    files, missing, turned = _apply(rule, paths)
    notes = [f"{name}: {turned} path(s) are read with / for \\"] if turned else []
    if not missing:
        return Places(files, missing, notes)
    count = min(_SAMPLE, len(missing))
    sample = [paths[missing[i * len(missing) // count]] for i in range(count)]
    if root is not None:
        best = _below_root(rule, sample)
        if best is not None:
            files, missing, _ = _apply(best, paths, files, missing)
            notes.append(f"{name}: the first {best.dropped} folder(s) of the paths are left out below {root}")
        return Places(files, missing, notes, "" if not missing else _hint(paths, missing, files))
    found = list(_rules(rule, sample, suffix is None))
    plain = [one for one in found if not one.dropped and one.spell is str]
    if len(missing) == len(paths) and plain:
        if len(plain) > 1:
            said = " or ".join(dict.fromkeys(_said(one, rule) for one in plain[:4]))
            hint = f"say where they are: {said}"
            raise UserError(
                fault(f"{name}: path", paths[0], "a file", f"{len(plain)} places have such files; {hint}")
            )
        files, missing, turned = _apply(plain[0], paths)
        example = os.path.relpath(plain[0].file(paths[0]), folder)
        notes.append(f"{name}: {paths[0]!r} is the file {example}, and so on; data.root names another folder")
        return Places(files, missing, notes, "" if not missing else _hint(paths, missing, files))
    hint = _how(found, rule, paths[missing[0]]) if found else _hint(paths, missing, files)
    return Places(files, missing, notes, hint)


def _apply(
    rule: _Rule, paths: Sequence[str], files: list[Path] | None = None, only: list[int] | None = None
) -> tuple[list[Path], list[int], int]:
    """The files, which are missing, and how many were found with their backslashes turned."""
    files = [Path()] * len(paths) if files is None else list(files)
    missing, turned = [], 0
    for i in range(len(paths)) if only is None else only:
        files[i] = rule.file(paths[i])
        if os.path.isfile(files[i]):
            continue
        # As our own tables write a name that is no UTF-8.
        odd = rule.file(from_shown(paths[i])) if "\\x" in paths[i] else files[i]
        if os.path.isfile(odd):
            files[i] = odd
            continue
        if "\\" in paths[i]:
            other = rule.file(paths[i].replace("\\", "/"))
            if os.path.isfile(other):
                files[i] = other
                turned += 1
                continue
        missing.append(i)
    return files, missing, turned


def _below_root(rule: _Rule, sample: Sequence[str]) -> _Rule | None:
    """The fewest leading folders to leave out so that the files are below the root."""
    deepest = max(len(_parts(path)) for path in sample)
    rules = [_Rule(rule.root, rule.suffix, dropped) for dropped in range(1, min(deepest, 20))]
    return next((one for one in rules if one.found(sample) >= _MOST * len(sample)), None)


def _rules(rule: _Rule, sample: Sequence[str], endings: bool) -> Iterator[_Rule]:
    """Rules that find nearly all of a sample of paths, those that change least first."""
    enough = _MOST * len(sample)
    spellings: tuple[Callable[[str], str], ...] = (str, unquote, _composed, _decomposed, str.lower, str.upper)
    for spell in spellings[1:]:
        one = _Rule(rule.root, rule.suffix, 0, spell)
        if one.found(sample) >= enough:
            yield one
            return
    without = all(not os.path.splitext(path)[1] for path in sample)
    suffixes = [rule.suffix, *(_ENDINGS if endings and without else ())]
    folders = list(_folders(rule.root))
    first = _parts(sample[0])
    for dropped in range(min(len(first), 12)):
        found = False
        for folder in [rule.root, *folders]:
            for suffix in suffixes:
                one = _Rule(folder, suffix, dropped)
                # Most do not even have the first one.
                if any(os.path.isfile(one.file(path)) for path in sample[:3]) and one.found(sample) >= enough:
                    found = True
                    yield one
        if found:
            return
    if not without:
        for suffix in _ENDINGS:
            one = _Rule(rule.root, "", 0, _ending(suffix))
            if one.found(sample) >= enough:
                yield one


def _folders(root: Path) -> Iterator[Path]:
    """Folders below a folder, two deep."""
    count = 0
    level = [root]
    for _ in range(2):
        below = []
        for folder in level:
            try:
                with os.scandir(folder) as entries:
                    below += [
                        Path(entry.path)
                        for entry in sorted(entries, key=lambda entry: entry.name)
                        if entry.is_dir() and not entry.name.startswith(".")
                    ]
            except OSError:
                continue
            if len(below) > _MOST_FOLDERS:
                break
        for folder in below:
            count += 1
            if count > _MOST_FOLDERS:
                return
            yield folder
        level = below


def _parts(path: str) -> list[str]:
    return [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]


def _composed(path: str) -> str:
    return unicodedata.normalize("NFC", path)


def _decomposed(path: str) -> str:
    return unicodedata.normalize("NFD", path)


def _ending(suffix: str) -> Callable[[str], str]:
    return lambda path: os.path.splitext(path)[0] + suffix


def _said(rule: _Rule, usual: _Rule) -> str:
    words = [f'data.root="{rule.root}"'] if rule.root != usual.root else []
    words += [f'data.path_suffix="{rule.suffix}"'] if rule.suffix != usual.suffix else []
    return " and ".join(words) or f'data.root="{rule.root}"'


def _how(rules: Sequence[_Rule], usual: _Rule, path: str) -> str:
    """A hint from the rules that find the missing files."""
    there = rules[0].file(path)
    if rules[0].spell is not str:
        return f"{there} is there: the manifest spells it otherwise"
    said = " or ".join(dict.fromkeys(_said(one, usual) for one in rules[:4]))
    return f"{there} is there: {said}"


def _hint(paths: Sequence[str], missing: Sequence[int], files: Sequence[Path]) -> str:
    if os.path.isdir(files[missing[0]]):
        return "it is a folder: the path of an image is wanted"
    if all(not os.path.splitext(paths[i])[1] for i in missing):
        return "the paths have no endings: data.path_suffix adds one, data.root names their folder"
    if len(missing) < len(paths):
        return "the others are there: correct these rows, or remove them"
    return "data.root names the folder that the paths start from"
