"""Lists without a header: ``a.jpg 3`` of Caffe, ``TRAIN,gs://b/a.jpg,cat`` of AutoML, ``.lst`` of MXNet."""

from __future__ import annotations

import re
from collections.abc import Sequence

from transferkit.data.sources.split_words import split_word

__all__ = ["are_pictures", "columns_of_list"]

_PICTURE = re.compile(r"\.(jpe?g|jfif|png|gif|bmp|webp|tiff?)$", re.I)
_PICTURE_INSIDE = re.compile(r"\.(jpe?g|jfif|png|gif|bmp|webp|tiff?)(\s|$)", re.I)
# A path may hold spaces; a label in such a list does not.
_SPACED = re.compile(r"(.*\S)\s+(\S+)")
_NO_SPLIT = {"", "unassigned"}


def columns_of_list(rows: Sequence[Sequence[str]]) -> tuple[list[str], list[list[str]]] | None:
    """Names for the columns of a table that has none, and its cells; None where that is not certain.

    Exactly one column has the endings of pictures in all rows, from the first on, and one column beside it
    can be the label; a third may be the words of splits or the rows' numbers.

    Args:
        rows: the cells of all lines, the first one included.

    >>> columns_of_list([["a 1.jpg 3"], ["b.png 0"]])
    (['path', 'label'], [['a 1.jpg', '3'], ['b.png', '0']])
    >>> columns_of_list([["path", "label"], ["a.jpg", "cat"]]) is None
    True
    """
    if not any(_PICTURE_INSIDE.search(cell) for cell in rows[0]):
        return None
    cells = [[cell.strip() for cell in row] for row in rows]
    if all(len(row) == 1 for row in cells):
        divided = [_SPACED.fullmatch(row[0]) for row in cells]
        cells = [list(one.groups()) for one in divided if one]
        if len(cells) < len(divided):
            return None
    width = len(cells[0])
    if width not in (2, 3) or any(len(row) != width for row in cells):
        return None
    columns = list(zip(*cells, strict=True))
    paths = [i for i in range(width) if are_pictures(columns[i])]
    if len(paths) != 1:
        return None
    names = {paths[0]: "path"}
    others = [i for i in range(width) if i not in names]
    if len(others) == 2:
        extra = next((i for i in others if _are_splits(columns[i])), None)
        if extra is not None:
            names[extra] = "split"
        else:
            extra = next((i for i in others if _are_row_numbers(columns[i])), None)
            if extra is None:
                return None
            names[extra] = ""
        others.remove(extra)
    names[others[0]] = "label"
    for i, name in names.items():
        if name == "split":
            for row in cells:
                row[i] = "" if row[i].casefold() in _NO_SPLIT else row[i]
    return [names[i] for i in range(width)], cells


def are_pictures(cells: Sequence[object]) -> bool:
    """Whether all cells are text that ends as the name of a picture."""
    return bool(cells) and all(isinstance(one, str) and _PICTURE.search(one.strip()) for one in cells)


def _are_splits(cells: Sequence[str]) -> bool:
    return all(split_word(one) or one.casefold() in _NO_SPLIT for one in cells) and any(
        map(split_word, cells)
    )


def _are_row_numbers(cells: Sequence[str]) -> bool:
    """Whether no two rows have the same whole number: more of them than there can be classes."""
    return len(set(cells)) == len(cells) and all(re.fullmatch(r"[0-9]+(\.0+)?", one) for one in cells)
