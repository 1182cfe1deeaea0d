"""The file of weights that a user names by its path. Imports no TensorFlow, unless it is a folder."""

from __future__ import annotations

from pathlib import Path

from transferkit.backbones.weights.checkpoint import find_checkpoint
from transferkit.errors import UserError, fault

__all__ = ["PRETRAINED", "given_path", "is_hdf5", "is_torch"]

# What a user may write for "those that the card names".
PRETRAINED = ("imagenet", "pretrained")


def given_path(weights: str) -> Path:
    """The file that a user names, or the path of the checkpoint (without ``.index``).

    Args:
        weights: a path.

    Raises:
        UserError: there is none, or its kind is not known.
    """
    path = Path(weights).expanduser()
    if is_hdf5(path) or is_torch(path):
        return path
    checkpoint = find_checkpoint(path)
    if checkpoint is not None:
        return checkpoint
    if path.is_dir():
        hint = "it holds none, or several and no file named checkpoint that tells the latest"
        raise UserError(fault("backbone.weights", weights, "a folder with a TensorFlow checkpoint", hint))
    if path.is_file():
        raise UserError(
            fault("backbone.weights", weights, "a .weights.h5 or .h5 file, or a TensorFlow checkpoint")
        )
    reason = "no such file or folder" if "/" in weights or "." in weights else None
    raise UserError(fault("backbone.weights", weights, "'imagenet', 'random' or a path to weights", reason))


def is_hdf5(path: Path) -> bool:
    """Whether a file is one of Keras's weights."""
    return path.suffix == ".h5" and path.is_file()


def is_torch(path: Path) -> bool:
    """Whether a file is one of PyTorch's weights."""
    return path.suffix in (".pth", ".pt") and path.is_file()
