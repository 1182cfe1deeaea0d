"""TensorFlow Datasets by name, ``tfds:NAME``: an extra, imported only when it is asked for."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from transferkit.data.source import DataSet
from transferkit.data.source_options import ReadOptions
from transferkit.data.sources.unpacked import Writer, unpacked_dataset
from transferkit.errors import UserError, fault
from transferkit.packages import installed

__all__ = ["ORDER", "SCHEME", "check", "read", "read_tfds", "takes"]

ORDER = 10
SCHEME = "tfds:"

_SPLITS = {"train": "train", "validation": "val", "val": "val", "test": "test"}


def check(reference: str) -> None:
    """Refuses a name where the extra is not installed.

    Args:
        reference: ``tfds:NAME``.

    Raises:
        UserError: says how to install it.
    """
    if not installed("tensorflow_datasets"):
        hint = "pip install 'transferkit[tfds]'"
        raise UserError(fault("data", reference, "tensorflow-datasets to be installed", hint))


def read_tfds(name: str, unpack_to: Path) -> DataSet:
    """Reads a data set with the features ``image`` and ``label``; prepares it where that was not done.

    Args:
        name: as TensorFlow Datasets knows it: ``beans``, ``tf_flowers:3.0.1``.
        unpack_to: folder of unpacked sources.

    Raises:
        UserError: the extra is not installed, the name is unknown, the data is missing, or its images have
            no label each.
    """
    check(SCHEME + name)
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name)
        features = builder.info.features
        if "image" not in features:
            raise KeyError("image")
        names = features["label"].names
        builder.download_and_prepare()
    except KeyError as error:
        expected = "a data set with the features image and label"
        raise UserError(fault("data", f"tfds:{name}", expected)) from error
    except Exception as error:  # the library raises its own kinds for names, network and checksums
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:300]
        raise UserError(fault("data", f"tfds:{name}", hint=reason)) from error
    identity = f"{builder.info.full_name} {sorted(builder.info.splits)}"
    fingerprint = "tfds2-" + hashlib.sha256(identity.encode()).hexdigest()[:32]

    def write(writer: Writer) -> None:
        # The encoded bytes go through as they are: decoding is the same for every source.
        keep: Any = {"image": tfds.decode.SkipDecoding()}
        writer.order = names  # label k of the library is output k
        known = {split: _SPLITS[split] for split in builder.info.splits if split in _SPLITS}
        for split in known or builder.info.splits:
            for example in tfds.as_numpy(builder.as_dataset(split=split, decoders=keep)):
                writer.add(bytes(example["image"]), names[int(example["label"])], known.get(split))

    return unpacked_dataset(fingerprint, unpack_to, write, Path(f"tfds:{name}"))


def takes(reference: str, options: ReadOptions) -> bool:
    """Whether it is a name of TensorFlow Datasets."""
    return reference.startswith(SCHEME)


def read(reference: str, options: ReadOptions) -> DataSet:
    """The images of the data set, unpacked."""
    return read_tfds(reference.removeprefix(SCHEME), options.unpack_to)
