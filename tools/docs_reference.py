"""Makes the pages of the reference that the code says: a hook of MkDocs.

Commands come from the command line's help, recipe keys from the recipe's JSON Schema, backbones from their
cards, recipes from their files, and the Python pages from docstrings. Nothing here imports TensorFlow.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import click

__all__ = ["PAGES", "on_files", "on_page_content"]


# References of docstrings, in Sphinx's way: `~` stands before a name of which the last part is shown.
_ROLE = re.compile(r":(?:func|class|meth|attr|mod|data|exc|obj):(<code[^>]*>)(?:~(?:\w+\.)*)?([^<]*</code>)")

_Verb = tuple[str, click.Command, click.Context]


def _commands() -> Iterator[_Verb]:
    from transferkit.cli import cli

    def walk(
        command: click.Command, context: click.Context
    ) -> Iterator[tuple[str, click.Command, click.Context]]:
        for name in command.list_commands(context) if isinstance(command, click.Group) else ():
            child = command.get_command(context, name)
            if child is None or child.hidden:
                continue
            inner = click.Context(child, info_name=name, parent=context, max_content_width=88)
            yield inner.command_path, child, inner
            yield from walk(child, inner)

    yield from walk(cli, click.Context(cli, info_name="transferkit", max_content_width=88))


def commands_page() -> str:
    """Each verb's help, as the terminal shows it."""
    parts = ["# Commands\n\nEach page of help, as `transferkit VERB --help` shows it.\n"]
    for path, command, context in _commands():
        level = "##" if path.count(" ") == 1 else "###"
        parts.append(f"{level} {path}\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


def recipe_keys_page() -> str:
    """Each key of a recipe: type, default, range and effect."""
    from transferkit.recipe import load
    from transferkit.recipe.schema import json_schema

    schema = json_schema()
    usual = load(None)
    sections: list[str] = []
    top: list[str] = []
    for name, node in schema["properties"].items():
        target = _resolve(schema, node)
        if name == "augmentation":
            sections.append(_augmentation(schema, target))
        elif "properties" in target:
            sections.append(_section(schema, name, target))
        elif "anyOf" in target and any("properties" in _resolve(schema, one) for one in target["anyOf"]):
            sections.append(_alternatives(schema, name, target, getattr(usual, name)))
        else:
            top.append(_row(schema, name, node))
    head = (
        "# Recipe keys\n\nWhat a recipe file may say; the same keys go after `--set`. What stands at the "
        "top of a file is the default of every phase.\n\n## At the top\n\n" + _TABLE
    )
    forms = [
        _forms(schema, "freeze", schema["properties"]["freeze"]),
        _forms(schema, "sweep.values.KEY", schema["$defs"]["SweepSection"]["properties"]["values"]),
    ]
    return head + "\n".join(top) + "\n\n" + "\n".join([*sections, *forms])


_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
_TABLE = "| key | type | default | effect |\n|---|---|---|---|\n"


def _resolve(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    options = [one for one in node.get("anyOf", ()) if one.get("type") not in ("null", "string", "number")]
    options = [one for one in options if "const" not in one]
    if "properties" not in node and len(options) == 1:
        return _resolve(schema, options[0])
    return node


def _section(schema: dict[str, Any], name: str, node: dict[str, Any]) -> str:
    rows = [_row(schema, f"{name}.{key}", one) for key, one in node["properties"].items()]
    return f"## `{name}`\n\n{_plain(node.get('description', ''))}\n\n{_TABLE}" + "\n".join(rows) + "\n"


def _alternatives(schema: dict[str, Any], name: str, node: dict[str, Any], usual: Any) -> str:
    """A table whose first key says which others it may have: a section for each of its values."""
    parts: list[str] = []
    names: list[str] = []
    for one in (_resolve(schema, option) for option in node["anyOf"]):
        named = {key: inner["const"] for key, inner in one.get("properties", {}).items() if "const" in inner}
        if not named:
            continue
        ((key, value),) = list(named.items())[:1]
        names.append(value)
        rows = [
            _row(schema, f"{name}.{inner}", field)
            for inner, field in one["properties"].items()
            if inner != key
        ]
        text = _plain(one.get("description", ""))
        table = _TABLE + "\n".join(rows) if rows else ""
        parts.append(f'### `{name}.{key} = "{value}"`\n\n{text}\n\n{table}\n')
    default = _toml(getattr(usual, key))
    kinds = ", ".join(f'`"{one}"`' for one in names)
    row = f"| `{name}.{key}` | {kinds}, or `package.module:Name` | `{default}` | which one; see below |\n"
    return "\n".join([f"## `{name}`\n\n{_plain(type(usual).__doc__ or '')}\n\n{_TABLE}{row}", *parts])


def _augmentation(schema: dict[str, Any], node: dict[str, Any]) -> str:
    """One section for each change, with its arguments; a value alone is that of the first one."""
    parts = [f"## `augmentation`\n\n{_plain(node['description'])}\n"]
    for name, either in node["properties"].items():
        table = _resolve(schema, either["anyOf"][0])
        rows = [_row(schema, f"augmentation.{name}.{key}", one) for key, one in table["properties"].items()]
        first = next(iter(table["properties"]))
        short = f"`{name} = true` takes the defaults, any other value is `{first}`."
        text = _plain(table.get("description", ""))
        parts.append(f"### `augmentation.{name}`\n\n{text} {short}\n\n{_TABLE}" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def _forms(schema: dict[str, Any], name: str, node: dict[str, Any]) -> str:
    """The tables that a key may hold, or a list of them."""
    parts = [f"## Tables of `{name}`\n"]
    options = [node, *node.get("oneOf", ()), *node.get("anyOf", ())]
    inner = node.get("additionalProperties")
    if isinstance(inner, dict):
        options += inner.get("oneOf", [])
    for one in options:
        table = _resolve(schema, one.get("items", one))
        if "properties" in table:
            rows = [_row(schema, f"{name}.{key}", field) for key, field in table["properties"].items()]
            text = _plain(table.get("description", ""))
            parts.append(f"{text}\n\n{_TABLE}" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def _row(schema: dict[str, Any], key: str, node: dict[str, Any]) -> str:
    default = node.get("default", "")
    shown = "" if default in ("", None) else f"`{_toml(default)}`"
    description = _plain(node.get("description", "") or _resolve(schema, node).get("description", ""))
    return f"| `{key}` | {_type(schema, node)} | {shown} | {description} |"


def _type(schema: dict[str, Any], node: dict[str, Any]) -> str:
    if "$ref" in node:
        return "table"
    if "enum" in node:
        return ", ".join(f"`{_toml(one)}`" for one in node["enum"])
    if "const" in node:
        return f"`{_toml(node['const'])}`"
    for several in ("anyOf", "oneOf"):
        if several in node:
            kinds = [_type(schema, one) for one in node[several] if one.get("type") != "null"]
            return " or ".join(dict.fromkeys(kinds))
    kind = node.get("type", "any")
    if isinstance(kind, list):
        return " or ".join(_type(schema, {**node, "type": one}) for one in kind if one != "null")
    kind = {"array": "list", "object": "table", "number": "number", "integer": "integer"}.get(kind, kind)
    bounds = [
        f"{sign} {node[name]}"
        for name, sign in (
            ("minimum", "≥"),
            ("exclusiveMinimum", ">"),
            ("maximum", "≤"),
            ("exclusiveMaximum", "<"),
        )
        if name in node
    ]
    return f"{kind} {', '.join(bounds)}".strip()


def _toml(value: Any) -> str:
    from transferkit.recipe.write import to_toml

    return (
        to_toml({"x": value}).partition("=")[2].strip() if not isinstance(value, dict) or not value else "{…}"
    )


def _plain(text: str) -> str:
    """Docstrings as one paragraph of a Markdown table's cell, up to the first example."""
    text = inspect.cleandoc(text).split(">>>")[0].replace("``", "`")
    text = re.sub(r":\w+:`~?([^`]*)`", r"`\1`", text)
    return " ".join(text.split()).replace("|", "\\|")


def backbones_page() -> str:
    """All cards."""
    from transferkit.find_card import is_shipped, list_cards

    rows = []
    for card in filter(is_shipped, list_cards()):
        top1 = f"{card.imagenet_top1:.3f}" if card.imagenet_top1 else ""
        rows.append(
            f"| `{card.name}` | {_plain(card.summary)} | {_sides(card.size)} | {card.feature_width} | "
            f"{_millions(card.parameters)} | {card.gflops or ''} | {top1} |"
        )
    titles = ("name", "what it is", "size", "features", "parameters", "GFLOPs", "ImageNet top-1")
    head = f"| {' | '.join(titles)} |\n{'|---' * len(titles)}|\n"
    return "# Backbones\n\nOne card each, in `backbones/`.\n\n" + head + "\n".join(rows) + "\n"


def _sides(size: Any) -> str:
    return " x ".join(str(side) for side in size) if size else ""


def _millions(count: int | None) -> str:
    return f"{count / 1e6:.1f} M" if count else ""


def recipes_page() -> str:
    """The shipped recipes, whole."""
    from transferkit.recipe.find import recipe_files

    parts = ["# Shipped recipes\n\n`transferkit recipes copy NAME mine.toml` makes one your own.\n"]
    for name, path in recipe_files().items():
        parts.append(f"## {name}\n\n```toml\n{path.read_text(encoding='utf-8')}```\n")
    return "\n".join(parts)


def python_page() -> str:
    """The public names of the package."""
    import transferkit

    parts = ["# Python\n\nWhat `import transferkit` offers; names load when they are first used.\n"]
    for name in transferkit.__all__:
        if name not in ("__version__", "estimator"):
            parts.append(f"::: {_home(transferkit, name)}\n    options:\n      heading: {name}\n")
    return "\n".join(parts)


def _home(package: Any, name: str) -> str:
    """Where a public name is written."""
    place = package._LAZY.get(name)
    if place is not None:
        return place.replace(":", ".")
    found = getattr(package, name)
    return f"{found.__module__}.{found.__qualname__}"


PAGES: dict[str, Callable[[], str]] = {
    "reference/commands.md": commands_page,
    "reference/recipe_keys.md": recipe_keys_page,
    "reference/recipes.md": recipes_page,
    "reference/backbones.md": backbones_page,
    "reference/python.md": python_page,
}


def on_files(files: Any, config: Any) -> Any:
    """Adds the pages to those that are files."""
    from mkdocs.structure.files import File

    for path, make in PAGES.items():
        files.append(File.generated(config, path, content=make()))
    return files


def on_page_content(html: str, page: Any, config: Any, files: Any) -> str:
    """Shows what docstrings refer to as code, without the role before it."""
    return _ROLE.sub(r"\1\2", html)
