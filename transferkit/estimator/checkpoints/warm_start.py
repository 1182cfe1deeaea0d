"""First values from another model's checkpoint."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from transferkit.errors import did_you_mean, fault
from transferkit.estimator.checkpoints import checkpoint_files
from transferkit.estimator.checkpoints.vocabularies import remapped
from transferkit.estimator.variables import slices

__all__ = ["WarmStartSettings", "prefix_of", "warm_start"]

_log = logging.getLogger("transferkit")


class _Settings(NamedTuple):
    ckpt_to_initialize_from: str
    vars_to_warm_start: Any
    var_name_to_vocab_info: dict[str, Any]
    var_name_to_prev_var_name: dict[str, str]


class WarmStartSettings(_Settings):
    """Which variables begin with the values of which checkpoint.

    Args:
        ckpt_to_initialize_from: a checkpoint, a folder with checkpoints, or a SavedModel's folder.
        vars_to_warm_start: a regular expression (searched from a name's beginning) or a list of them, which
            choose among the trainable variables where it is one string, and among all variables where it
            is a list; a list of variables; or None for those trainable ones alone that have a vocabulary.
        var_name_to_vocab_info: name in the model -> :class:`VocabInfo`, of weights whose rows are found by
            a vocabulary's entries.
        var_name_to_prev_var_name: name in the model -> name in the checkpoint, where they differ.

    Raises:
        ValueError: without a checkpoint.
    """

    __slots__ = ()

    def __new__(
        cls,
        ckpt_to_initialize_from: str | os.PathLike[str],
        vars_to_warm_start: Any = ".*",
        var_name_to_vocab_info: Mapping[str, Any] | None = None,
        var_name_to_prev_var_name: Mapping[str, str] | None = None,
    ) -> WarmStartSettings:
        if not ckpt_to_initialize_from:
            raise ValueError(
                fault(
                    "WarmStartSettings",
                    None,
                    None,
                    "`ckpt_to_initialize_from` MUST be set in WarmStartSettings",
                )
            )
        path = os.fspath(ckpt_to_initialize_from)
        return super().__new__(
            cls,
            path,
            vars_to_warm_start,
            dict(var_name_to_vocab_info or {}),
            dict(var_name_to_prev_var_name or {}),
        )


def settings_of(given: Any) -> WarmStartSettings | None:
    """``warm_start_from`` as settings.

    Raises:
        ValueError: where it is neither a path nor settings.
    """
    if given is None or isinstance(given, WarmStartSettings):
        return given
    if isinstance(given, (str, os.PathLike)):
        return WarmStartSettings(os.fspath(given))
    raise ValueError(fault("Estimator.warm_start_from", given, "a path or WarmStartSettings"))


def warm_start(
    settings: WarmStartSettings,
    saved: Mapping[str, Any],
    trainable: list[str],
    draw: Callable[[str, Callable[[], Any]], Any],
) -> list[str]:
    """Assigns the checkpoint's values.

    Args:
        settings: which.
        saved: the model's variables by name.
        trainable: names of those that training changes.
        draw: ``draw(name, make)`` is the array that the tensor of ``make()`` holds, for what a vocabulary
            does not give.

    Returns:
        The names of the variables that got a value.

    Raises:
        ValueError: for a variable that is not in the checkpoint or has another shape there, a vocabulary
            that does not fit, or names that are not among those chosen.
    """
    prefix = prefix_of(settings.ckpt_to_initialize_from)
    reader = checkpoint_files.read(prefix)
    shapes = reader.get_variable_to_shape_map()
    names = _chosen(settings.vars_to_warm_start, saved, trainable)
    whole = {name: slices.full_name(name, saved[name]) for name in names}
    vocabularies, previous = settings.var_name_to_vocab_info, settings.var_name_to_prev_var_name
    _all_used(settings, {*names, *whole.values()})
    if settings.vars_to_warm_start is None:
        names = [name for name in names if whole[name] in vocabularies]
    keys = checkpoint_files.object_keys(prefix) if not previous else {}

    def source(name: str) -> str:
        """Where the values come from: by the part's own name, or by the whole's."""
        found = previous.get(name, previous.get(whole[name], whole[name]))
        return found if found in shapes else keys.get(found, found)

    faults = []
    for name in names:
        expected = slices.expected_shape(saved[name])
        if source(name) not in shapes:
            faults.append(f"{source(name)} (not in the checkpoint)")
        elif whole[name] not in vocabularies and list(shapes[source(name)]) != expected:
            faults.append(f"{name} ({shapes[source(name)]} there, {expected} here)")
    if faults:
        raise ValueError(
            fault(f"warm start from {prefix}", None, None, "cannot be done for: " + ", ".join(faults))
        )
    values = {name: reader.get_tensor(source(name)) for name in names}
    for name in names:
        if whole[name] in vocabularies:
            expected = slices.expected_shape(saved[name])
            values[name] = remapped(whole[name], vocabularies[whole[name]], values[name], expected, draw)
    for name, value in values.items():
        saved[name].assign(slices.part_of(saved[name], value))
    return names


def _all_used(settings: WarmStartSettings, chosen: set[str]) -> None:
    """Raises ValueError where a name is none of the variables that begin with the checkpoint's values."""
    for place in ("var_name_to_vocab_info", "var_name_to_prev_var_name"):
        unknown = sorted(set(getattr(settings, place)) - chosen)
        if unknown:
            hint = did_you_mean(unknown[0], sorted(chosen))
            expected = "names among the variables chosen: " + ", ".join(sorted(chosen))
            raise ValueError(fault(f"WarmStartSettings.{place}", unknown, expected, hint))


def prefix_of(path: str) -> str:
    """The checkpoint that ``path`` means.

    Args:
        path: a checkpoint, a folder with checkpoints (the newest counts), or a SavedModel's folder.

    Raises:
        ValueError: for a folder without a checkpoint.
    """
    inside = os.path.join(path, "variables", "variables")
    if os.path.exists(inside + ".index"):
        return inside
    if os.path.isdir(path):
        found = checkpoint_files.latest(path)
        if found is None:
            raise ValueError(fault("warm start", path, "a folder with a checkpoint or a SavedModel"))
        return found
    return path


def _chosen(given: Any, saved: Mapping[str, Any], trainable: list[str]) -> list[str]:
    if given is None or isinstance(given, str):
        return [name for name in trainable if _matches(given or "", name)]
    names = []
    for one in given:
        if isinstance(one, str):
            found = [name for name in saved if _matches(one, name)]
        else:
            found = [
                name
                for name, variable in saved.items()
                if variable is one or variable is getattr(one, "value", 0)
            ]
        if not found and not isinstance(one, str):
            raise ValueError(fault("WarmStartSettings.vars_to_warm_start", one, "a variable of the model"))
        if not found:
            # A list of patterns may be that of a larger model.
            _log.warning("warm start: no variable of the model matches %r", one)
        names.extend(found)
    return names


def _matches(pattern: str, name: str) -> bool:
    """Whether a variable is meant; graphs called it ``name:0``, which some patterns end with."""
    return any(re.match(pattern, one) for one in (name, f"{name}:0"))
