"""Names for values that have no class of their own, wherever they come from and go to.

What is in them is checked where they are read: of a recipe by its sections, of a file by its reader.
"""

from __future__ import annotations

from typing import Any, TypeAlias

__all__ = ["NamedValues", "Override"]

# Values by name, as a TOML table, a JSON object or a layer's configuration holds them.
NamedValues: TypeAlias = dict[str, Any]
# What is put over a recipe: "key=value" as a command line has it, or a dotted key and its value.
Override: TypeAlias = str | tuple[str, Any]
