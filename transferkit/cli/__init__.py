"""The command line: one file a verb, which reads arguments and prints; the work is done below.

Nothing here imports TensorFlow when it is imported, so that ``--help`` answers at once.
"""

from __future__ import annotations

import atexit
import importlib
import os
import pkgutil
import sys

import click

from transferkit._version import __version__
from transferkit.cli._terminal import printable_streams
from transferkit.errors import UserError

__all__ = ["cli", "command", "main"]

# The order in which a newcomer meets them; verbs that are not named here follow by name.
_ORDER = ("retrain", "evaluate", "export", "predict", "plan", "backbones", "recipes")


class _Verbs(click.Group):
    """Finds a verb in the file of its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        found = [module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__)]
        public = [name for name in found if not name.startswith("-")]
        return sorted(public, key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        return importlib.import_module(f"{__name__}.{cmd_name.replace('-', '_')}").command


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="transferkit")
def cli() -> None:
    """Retrain pretrained image backbones on your own photos.

    \b
    transferkit retrain --data photos/ --run runs/first
    transferkit predict runs/first new_photo.jpg
    """


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line; a user's fault ends it with its lines on stderr and its exit code."""
    with printable_streams():
        try:
            # Without `color` click takes escape sequences away, and a name is another then.
            cli.main(args=arguments, prog_name="transferkit", color=True)
        except UserError as error:
            for line in error.faults:
                click.echo(f"transferkit: {line}", err=True, color=True)
            sys.exit(error.exit_code)


def command() -> None:
    """The installed command: :func:`main` in a process of its own."""
    # Looking for plugins of pydantic reads the metadata of every installed package: 40 ms of each start.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        main()
    except SystemExit as ended:
        if isinstance(ended.code, str) or "tensorflow" not in sys.modules:
            raise
        # Taking an interpreter apart that holds TensorFlow takes over a second and serves nobody.
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended.code or 0)
