"""A terminal for a worker, so that the bars that it shows move."""

from __future__ import annotations

import contextlib

__all__ = ["open_terminal"]


def open_terminal(columns: int, lines: int) -> tuple[int, int] | None:
    """Both ends of a terminal, the one to read from first; None where the system has none left.

    Args:
        columns: of the terminal where all of it is shown in the end.
        lines: of the same.
    """
    import pty
    import termios

    try:
        reading, writing = pty.openpty()
    except OSError:
        return None
    attributes = termios.tcgetattr(writing)
    attributes[1] &= ~termios.OPOST  # line ends are made by the terminal that shows them
    termios.tcsetattr(writing, termios.TCSANOW, attributes)
    with contextlib.suppress(OSError, termios.error):
        termios.tcsetwinsize(writing, (lines, columns))
    return reading, writing
