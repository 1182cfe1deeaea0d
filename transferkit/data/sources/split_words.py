"""The words that people name splits with: in names of folders and files, in columns of manifests.

``eval``, ``evaluation`` and ``holdout`` name the test split, or the validation split where a test stands
beside them; ``dev`` names the validation split.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

__all__ = [
    "WORDS",
    "are_numbered",
    "is_neutral",
    "split_in_name",
    "split_names",
    "split_word",
    "splits_of_files",
]

# Each in small letters, without signs between its parts.
WORDS = {
    "train": "train", "training": "train", "trn": "train", "trainset": "train", "trainingset": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val", "devel": "val", "valset": "val",
    "validset": "val", "validationset": "val", "devset": "val",
    "test": "test", "testing": "test", "tst": "test", "testset": "test", "testingset": "test",
    "holdout": "test", "eval": "test", "evaluation": "test", "evalset": "test",
}  # fmt: skip
# Those of them that may stand for either.
_EITHER = {"holdout", "eval", "evaluation", "evalset"}
# Words beside a split's that say nothing: train_images, test-set, "Training Data".
_NEUTRAL = {
    "set", "sets", "data", "dataset", "images", "image", "imgs", "img", "photos", "pictures", "pics", "split",
    "folder", "dir", "files", "samples", "input", "inputs",
}  # fmt: skip
_TOKEN = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_]+")


def split_word(name: str) -> str | None:
    """The split that a name is the word for, in any case: ``train``, ``val``, ``test`` or None.

    >>> split_word("Validation"), split_word("hold-out"), split_word("trainer")
    ('val', 'test', None)
    """
    return WORDS.get(_plain(name))


def split_in_name(name: str) -> str | None:
    """The split that one word within a name tells, or None where none or several do.

    >>> split_in_name("flowers_train_00000-of-00005.tfrecord"), split_in_name("train_test.tfrecord")
    ('train', None)
    """
    word = _word_in(name)
    return None if word is None else WORDS[word]


def splits_of_files(names: Iterable[str]) -> dict[str, str]:
    """The split of each of some files that stand beside each other, where the name tells one.

    >>> splits_of_files(["train-0.tfrecord", "test-0.tfrecord", "eval.tfrecord", "more.tfrecord"])
    {'train-0.tfrecord': 'train', 'test-0.tfrecord': 'test', 'eval.tfrecord': 'val'}
    """
    words = {name: word for name in names if (word := _word_in(name))}
    meant = _settled({word: WORDS[word] for word in words.values()})
    return {name: meant[word] for name, word in words.items()}


def split_names(names: Iterable[str], classes: Collection[str] = ()) -> dict[str, str]:
    """Which of some names that stand beside each other name splits, with the split of each.

    Names with more than a split's word in them (``seg_train``, ``train_images``, ``val2017``) count only
    together: what is left of each must be the same, and ``train`` and another split among them.

    Args:
        names: of the folders in one folder.
        classes: names that are known to be classes'.

    >>> split_names(["seg_train", "seg_test", "seg_pred"])
    {'seg_train': 'train', 'seg_test': 'test'}
    >>> split_names(["test_tube", "train_station"])
    {}
    """
    names = [name for name in names if name not in classes]
    found = {name: word for name in names if (word := split_word(name))}
    groups: dict[tuple[str, ...], dict[str, str]] = {}
    for name in names:
        tokens = _tokens(name)
        split = split_in_name(name)
        if split is not None:
            rest = tuple(token for token in tokens if not (token in WORDS or _says_nothing(token)))
            groups.setdefault(rest, {})[name] = split
    for group in groups.values():
        splits = set(group.values())
        if "train" in splits and len(splits) > 1:
            found.update(group)
    return _settled({name: found[name] for name in names if name in found})


def are_numbered(names: Collection[str]) -> bool:
    """Whether names differ in their numbers alone: ``fold1``, ``fold2``; ``2023``, ``2024``.

    >>> are_numbered(["fold1", "fold2"]), are_numbered(["n02085620", "n02085782"])
    (True, False)
    """
    tokens = [_tokens(name) for name in names]
    words = {tuple(token for token in one if not token.isdigit()) for one in tokens}
    identifiers = any(len(token) > 4 for one in tokens for token in one if token.isdigit())
    return len(words) == 1 and all(any(map(str.isdigit, one)) for one in tokens) and not identifiers


def is_neutral(name: str) -> bool:
    """Whether a folder's name says only that there are pictures in it: ``images``, ``data_set``.

    >>> is_neutral("Images"), is_neutral("rose images")
    (True, False)
    """
    tokens = [token for token in _tokens(name) if not token.isdigit()]
    return bool(tokens) and all(token in _NEUTRAL for token in tokens)


def _says_nothing(token: str) -> bool:
    return token in _NEUTRAL or token.isdigit()


def _word_in(name: str) -> str | None:
    """The one word for a split within a name."""
    words = [token for token in _tokens(name) if token in WORDS]
    return words[0] if len({WORDS[word] for word in words}) == 1 else None


def _settled(found: dict[str, str]) -> dict[str, str]:
    """Moves a word that stands for either split to the one that nothing else names."""
    tests = [name for name, split in found.items() if split == "test"]
    either = [name for name in tests if _EITHER & {_plain(name), *_tokens(name)}]
    # In a table's cells one word may stand in several ways: Eval and eval, test and Test.
    words = {_plain(name) for name in either}
    if len(words) == 1 and len(either) < len(tests) and "val" not in found.values():
        return {name: "val" if name in either else split for name, split in found.items()}
    return found


def _tokens(name: str) -> list[str]:
    return [token.casefold() for token in _TOKEN.findall(name)]


def _plain(name: str) -> str:
    return re.sub(r"[\s_.-]", "", name).casefold()
