"""On which line of a TOML file each key stands.

``tomllib`` gives values without places, and a fault that names its line is found at once. The scanner reads
text that ``tomllib`` has accepted already, so it needs no checks of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["Path", "toml_positions"]

Path = tuple[str | int, ...]

_KEY = re.compile(r"""\s*("(?:\\.|[^"\\])*"|'[^']*'|[A-Za-z0-9_-]+)\s*""")
_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_STRING = re.compile(r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'', re.DOTALL)
_BARE = re.compile(r"[^,\]}#\r\n]*")


def toml_positions(text: str) -> dict[Path, int]:
    """The line, counted from 1, of every key and every item of an array.

    Args:
        text: valid TOML.

    >>> toml_positions('seed = 1\\n[head]\\nkind = "mlp"\\nsizes = [64,\\n 32]')[("head", "sizes", 1)]
    5
    """
    return dict(_Scanner(text).scan())


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.lines_to = 0
        self.tables: dict[Path, int] = {}

    def scan(self) -> Iterator[tuple[Path, int]]:
        prefix: Path = ()
        while True:
            self._space()
            if self.at >= len(self.text):
                return
            line = self._line()
            if self.text.startswith("[[", self.at):
                self.at += 2
                name = self._inside(self._keys())
                self.at += 2
                count = self.tables.get(name, -1) + 1
                self.tables[name] = count
                yield name, line
                prefix = (*name, count)
            elif self.text[self.at] == "[":
                self.at += 1
                prefix = self._inside(self._keys())
                self.at += 1
            else:
                keys = self._keys()
                self.at += 1  # the equals sign
                for depth in range(1, len(keys) + 1):
                    yield (*prefix, *keys[:depth]), line
                yield from self._value((*prefix, *keys))
                continue
            yield prefix, line

    def _inside(self, keys: Path) -> Path:
        """The path of a table's header: below an array of tables it means the array's latest one."""
        path: Path = ()
        for number, key in enumerate(keys, start=1):
            path = (*path, key)
            if number < len(keys) and path in self.tables:
                path = (*path, self.tables[path])
        return path

    def _value(self, path: Path) -> Iterator[tuple[Path, int]]:
        """Walks one value; the stack is ours, so that deep nesting is no fault of the reader."""
        stack: list[tuple[Path, int]] = []  # the open arrays (next index) and inline tables (-1)
        while True:
            self._space()
            character = self.text[self.at : self.at + 1]
            if character == "[":
                self.at += 1
                stack.append((path, 0))
            elif character == "{":
                self.at += 1
                stack.append((path, -1))
            elif character in ('"', "'"):
                found = _STRING.match(self.text, self.at)
                self.at = found.end() if found else len(self.text)
            else:
                self.at = _BARE.match(self.text, self.at).end()  # type: ignore[union-attr]
            while stack:
                self._space()
                if self.text[self.at : self.at + 1] == ",":
                    self.at += 1
                    self._space()
                if self.at >= len(self.text) or self.text[self.at] in "]}":
                    self.at += 1
                    stack.pop()
                    continue
                parent, index = stack[-1]
                if index >= 0:
                    stack[-1] = (parent, index + 1)
                    path = (*parent, index)
                    yield path, self._line()
                else:
                    line = self._line()
                    keys = self._keys()
                    self.at += 1  # the equals sign
                    for depth in range(1, len(keys) + 1):
                        yield (*parent, *keys[:depth]), line
                    path = (*parent, *keys)
                break
            else:
                return

    def _keys(self) -> Path:
        keys: list[str] = []
        while found := _KEY.match(self.text, self.at):
            self.at = found.end()
            keys.append(_plain(found[1]))
            if self.text[self.at : self.at + 1] != ".":
                break
            self.at += 1
        return tuple(keys)

    def _space(self) -> None:
        self.at = _SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]

    def _line(self) -> int:
        self.line += self.text.count("\n", self.lines_to, self.at)
        self.lines_to = self.at
        return self.line


def _plain(key: str) -> str:
    if key[0] == "'":
        return key[1:-1]
    if key[0] == '"':
        return re.sub(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)", _unescape, key[1:-1])
    return key


def _unescape(found: re.Match[str]) -> str:
    code = found[1]
    if code[0] in "uU" and len(code) > 1:
        return chr(int(code[1:], 16))
    return {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b"}.get(code, code)
