"""Groups of verbs: whole sentences in their lists, and an answer to the slip of a hand."""

from __future__ import annotations

import click

from transferkit.errors import UserError, did_you_mean, fault

__all__ = ["Verbs", "unexpected"]

# What other tools call a verb.
_SYNONYMS = {
    "train": "retrain",
    "fit": "retrain",
    "finetune": "retrain",
    "eval": "evaluate",
    "test": "evaluate",
    "infer": "predict",
    "classify": "predict",
    "models": "backbones",
    "list": "backbones",
    "init": "recipes",
    "info": "inspect",
    "check": "data",
}


class Verbs(click.Group):
    """A group whose list of verbs says each verb's first sentence to its end, on several lines if need be.

    Attributes:
        usual: the verb that is meant where somebody leaves it out.
    """

    usual: str | None = None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [
            (name, one.get_short_help_str(limit=1000))
            for name, one in found
            if one is not None and not one.hidden
        ]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            place = ctx.command_path.partition(" ")[2] or "command"
            raise UserError(fault(place, name, "a command", self._hint(ctx, name)))
        return super().resolve_command(ctx, args)

    def _hint(self, ctx: click.Context, name: str) -> str:
        if name in ("list", "ls") and self.invoke_without_command:
            return f"`{ctx.command_path}` alone lists them"
        known = self.list_commands(ctx)
        meant = _SYNONYMS.get(name)
        if meant in known:
            return f"did you mean {meant!r}?"
        if hint := did_you_mean(name, known):
            return hint
        if usual := self.usual or (known[0] if len(known) == 1 else None):
            return f"{ctx.command_path} {usual} {name}"
        return f"`{ctx.command_path} --help` lists what there is"


def unexpected(error: click.UsageError) -> UserError | None:
    """What is said to photos that were named without ``--data``; None for any other wrong use."""
    options = [name for one in error.ctx.command.params for name in one.opts] if error.ctx else []
    given = error.message.partition("Got unexpected extra argument")[2]
    if error.ctx is None or not given or "--data" not in options:
        return None
    words = given.partition("(")[2].rpartition(")")[0]
    place = error.ctx.command_path.partition(" ")[2]
    return UserError(fault(place, words, "options alone", f"for photos: --data {words}"))
