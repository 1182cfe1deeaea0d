"""The blocks of a GIF, walked without decoding: how many frames there are, and where the first one ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

__all__ = ["Frame", "first_frame", "gif_frames"]

_SCREEN = 13  # signature and logical screen descriptor


@dataclass(frozen=True)
class Frame:
    """Size of one frame as it states it, whether a colour of it is transparent, and where its data ends."""

    width: int
    height: int
    transparent: bool
    end: int


def gif_frames(read: Callable[[int, int], bytes]) -> Iterator[Frame]:
    """The frames in order, as far as the file goes; one that is cut short is the last.

    Args:
        read: gives up to so many bytes from a place on; fewer at the end of the file.
    """
    at = _SCREEN + _table(read(10, 1))
    transparent = False
    while True:
        head = read(at, 10)
        if head[:1] == b"!" and len(head) > 3:
            if head[1] == 0xF9:
                transparent = bool(head[3] & 1)
            at = _after(read, at + 2)
        elif head[:1] == b"," and len(head) == 10:
            width, height = (int.from_bytes(head[place : place + 2], "little") for place in (5, 7))
            at = _after(read, at + 11 + _table(head[9:10]))
            yield Frame(width, height, transparent, at)
            transparent = False
        else:
            return


def first_frame(encoded: bytes) -> bytes:
    """The same picture without the frames behind the first, which a decoder would unpack too."""
    frames = gif_frames(lambda at, length: encoded[at : at + length])
    frame = next(frames, None)
    # Nothing is cut where there is only one: what follows it is a byte.
    if frame is None or frame.end >= len(encoded) - 1:
        return encoded
    return encoded[: frame.end] + b";"


def _after(read: Callable[[int, int], bytes], at: int) -> int:
    """Where a chain of sub-blocks ends: each stands behind its length, the last has none."""
    while length := read(at, 1):
        at += 1 + length[0]
        if not length[0]:
            break
    return at


def _table(flags: bytes) -> int:
    """Bytes of the colour table that the flags announce."""
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0
