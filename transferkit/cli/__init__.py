"""The command line: one file a verb, which reads arguments and prints; the work is done below.

Nothing here imports TensorFlow when it is imported, so that ``--help`` answers at once.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import os
import sys
import warnings
from typing import Any, NoReturn

import click

from transferkit import interruption
from transferkit._version import __version__
from transferkit.cli._groups import Verbs, unexpected
from transferkit.cli._keys import other_name
from transferkit.cli._terminal import printable_streams
from transferkit.discovery import modules
from transferkit.errors import UserError

__all__ = ["cli", "command", "main"]

# The order in which a newcomer meets them; verbs that are not named here follow by name.
_ORDER = ("retrain", "evaluate", "export", "predict", "plan", "backbones", "recipes")

_VERBS = modules("cli", ("command",), rooms=("inspection",))

# What a machine refuses for reasons that are no fault of the program's, nor of what it was given.
_REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE, errno.EFBIG)


class _Interrupted(Exception):
    """Ctrl-C; click would make another ending of KeyboardInterrupt."""


class _Verbs(Verbs):
    """Finds a verb in the file of its name, or among those that installed packages offer."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise _Interrupted from None
        except click.NoSuchOption as error:
            raise other_name(error) or error from None
        except click.UsageError as error:
            raise unexpected(error) or error from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        found = [name.replace("_", "-") for name in _VERBS.names()]
        return sorted(found, key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        # Our own are found without asking which packages are installed.
        for name in (cmd_name.replace("-", "_"), cmd_name):
            try:
                result: click.Command | None = _VERBS.get(name).command
                return result
            except KeyError:
                continue
        return None


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="transferkit")
def cli() -> None:
    """Retrain pretrained image backbones on your own photos.

    \b
    transferkit retrain --data photos/ --run runs/first
    transferkit predict runs/first new_photo.jpg
    """


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line; a user's fault ends it with its lines on stderr and its exit code.

    So does an interruption, with the status that shells give for it, and what the machine refuses, such as
    space on a full disk, with the status 1.
    """
    interruption.forget()
    with printable_streams():
        try:
            # Without `color` click takes escape sequences away, and a name is another then.
            cli.main(args=arguments, prog_name="transferkit", color=True)
        except _Interrupted:
            _end(interruption.last_lines(), interruption.STATUS)
        except Exception as error:
            if interruption.asked():
                _end(interruption.last_lines(), interruption.STATUS)
            line = _of_machine(error)
            if line is not None:
                _end([line], 1)
            if not isinstance(error, UserError):
                raise
            _end([f"transferkit: {line}" for line in error.faults], error.exit_code)


def command() -> None:
    """The installed command: :func:`main` in a process of its own."""
    # Looking for plugins of pydantic reads the metadata of every installed package: 40 ms of each start.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # What TensorFlow says of itself is for those who ask for it.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Pillow's remarks on odd files go nowhere that helps; what cannot be read is named by the verbs. This is
    # the command's own process: as a library transferkit leaves the filters of warnings alone.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    with interruption.watching():
        try:
            main()
        except KeyboardInterrupt:
            status: int | str | None = interruption.STATUS
        except SystemExit as ended:
            status = ended.code
        else:
            status = 0
        if isinstance(status, str):
            raise SystemExit(status)
        status = _flush(status or 0)
        if "tensorflow" not in sys.modules and status != interruption.STATUS:
            raise SystemExit(status)
        # Taking an interpreter apart that holds TensorFlow takes over a second and serves nobody; and threads
        # that still work would be waited for.
        atexit._run_exitfuncs()
        _flush(status)
        os._exit(status)


def _end(lines: list[str], status: int) -> NoReturn:
    with contextlib.suppress(OSError, ValueError):
        for line in lines:
            click.echo(line, err=True, color=True)
    sys.exit(status)


def _of_machine(error: Exception) -> str | None:
    """The line for what the machine refuses, or None for a fault of another kind."""
    # TensorFlow and HDF5 have errors of their own, with the system's words in them.
    known = {os.strerror(number): number for number in _REFUSALS}
    number = error.errno if isinstance(error, OSError) and error.errno in _REFUSALS else None
    number = number or next((one for words, one in known.items() if words in str(error)), None)
    if number is None:
        return None
    file = getattr(error, "filename", None)
    hint = interruption.how_to_go_on()
    place = f"{os.fsdecode(file)}: " if file else "" if hint else "the output cannot be written: "
    return f"transferkit: {place}{os.strerror(number)}" + (f"; {hint}" if hint else "")


def _flush(status: int) -> int:
    """Writes out what is left to write; the status, or 1 where it cannot be written."""
    for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError) as error:
            # What is still in the buffer would be tried again at the end of the interpreter.
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), number)
            if number == 1 and not isinstance(error, BrokenPipeError):
                line = _of_machine(error) if isinstance(error, OSError) else None
                with contextlib.suppress(OSError, ValueError):
                    click.echo(line or f"transferkit: the output cannot be written: {error}", err=True)
            status = status or 1
    return status
