"""The text of a manifest: which encoding its bytes are in, where they leave no doubt of it."""

from __future__ import annotations

import codecs
import re

from transferkit.errors import UserError, fault

__all__ = ["decode_text"]

# The longer marks first: UTF-32's begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Code pages of Latin letters: on ä, é, ö, ü, ß and others all of them agree.
_LATIN = ("cp1252", "cp1250", "cp1254", "iso8859-15")
_ZERO = "a zero byte stands here: the file is damaged or is no text file"
# What a hint offers, by how many people write it.
_OFFERED = ("cp1252", "gb18030", "cp1251", "cp1250", "cp932", "big5", "cp949", "mac_roman")


def decode_text(raw: bytes, name: str, encoding: str | None = None) -> tuple[str, str | None]:
    """The text of a file, and a note where its encoding was inferred.

    A byte order mark or valid UTF-8 settles it; so does text in which all Latin code pages agree. What could
    be read in several ways is refused with some of the readings.

    Args:
        raw: the file's bytes.
        name: the file's name, for messages.
        encoding: Python's name of the encoding, where the user says it.

    Raises:
        UserError: the encoding is not known or not said, or the file is no text.
    """
    text, note = _decoded(raw, name, encoding)
    if "\0" in text:
        line = _line(text[: text.index("\0")])
        raise UserError(fault(f"{name}:{line}", hint=_ZERO))
    return text, note


def _decoded(raw: bytes, name: str, encoding: str | None) -> tuple[str, str | None]:
    for mark, codec in _MARKS:
        if raw.startswith(mark):
            return _strictly(raw, name, codec), None
    if encoding is not None:
        return _strictly(raw, name, encoding), None
    if wide := _utf16(raw):
        return _strictly(raw, name, wide), f"{name}: read as {wide}, without a byte order mark"
    where = 0
    try:
        return raw.decode("utf-8"), None
    except UnicodeDecodeError as error:
        where = error.start
    if b"\0" in raw:
        line = raw.count(b"\n", 0, raw.index(b"\0")) + 1
        raise UserError(fault(f"{name}:{line}", hint=_ZERO))
    readings = {codec: reading for codec in _LATIN if (reading := _try(raw, codec)) is not None}
    if len(readings) == len(_LATIN) and len(set(readings.values())) == 1:
        text = readings["cp1252"]
        if _latin_words(text):
            words = ", ".join(dict.fromkeys(re.findall(r"\w*[^\W\x00-\x7f]\w*", text)).keys())
            return text, f"{name}: is no UTF-8; read as cp1252 ({_short(words)}); data.encoding names another"
    raise UserError(_in_doubt(raw, name, where))


def _strictly(raw: bytes, name: str, encoding: str) -> str:
    codec = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
    try:
        return raw.decode(codec)
    except UnicodeError as error:
        start = getattr(error, "start", 0)
        line = raw.count(b"\n", 0, start) + 1
        received = repr(raw[start : start + 8])
        hint = "data.encoding names another"
        raise UserError(fault(f"{name}:{line}", None, None, f"{received} is no {encoding}; {hint}")) from None


def _utf16(raw: bytes) -> str | None:
    """Latin text in UTF-16 has a zero in nearly every second place, and none in the others."""
    if len(raw) < 4 or len(raw) % 2 or b"\0" not in raw:
        return None
    even, odd = raw[0::2].count(0), raw[1::2].count(0)
    half = len(raw) // 2
    if odd > 0.4 * half and not even:
        return "utf-16-le"
    return "utf-16-be" if even > 0.4 * half and not odd else None


def _try(raw: bytes, codec: str) -> str | None:
    try:
        return raw.decode(codec)
    except UnicodeError:
        return None


def _latin_words(text: str) -> bool:
    """Each letter beyond ASCII stands beside an ASCII letter: elsewhere it may be half of another sign."""
    for found in re.finditer(r"[^\x00-\x7f]+", text):
        beside = text[max(0, found.start() - 1) : found.start()] + text[found.end() : found.end() + 1]
        letters = any(one.isascii() and one.isalpha() for one in beside)
        if len(found[0]) > 2 or not found[0].isalpha() or not letters:
            return False
    return True


def _in_doubt(raw: bytes, name: str, where: int) -> str:
    start, end = raw.rfind(b"\n", 0, where) + 1, raw.find(b"\n", where)
    line = raw[start : end if end >= 0 else len(raw)].strip()
    readings: dict[str, str] = {}
    for codec in _OFFERED:
        reading = _try(line, codec)
        if reading is not None and reading.isprintable() and _try(raw, codec) is not None:
            readings.setdefault(_short(reading), codec)
    shown = "; ".join(f'"{codec}" reads {reading!r}' for reading, codec in list(readings.items())[:4])
    hint = "save it as UTF-8, or name its encoding with data.encoding"
    return fault(
        f"{name}:{raw.count(bytes([10]), 0, where) + 1}",
        None,
        None,
        f"the file is no UTF-8; {hint}" + (f": {shown}" if shown else ""),
    )


def _short(text: str, most: int = 60) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _line(text: str) -> int:
    return text.count("\n") + 1
