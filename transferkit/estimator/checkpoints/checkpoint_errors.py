"""What is wrong with a checkpoint, as a fault in words and as the error that TensorFlow raises there.

Programs that wait for a model's checkpoints catch ``tf.errors.NotFoundError``; those that go on after a
damaged one catch ``tf.errors.OpError``.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from transferkit.errors import UserError

__all__ = ["CheckpointError", "DamagedCheckpointError", "MissingCheckpointError", "MissingVariablesError"]


class CheckpointError(UserError, ValueError):
    """A checkpoint that cannot be written, cannot be read, or belongs to another model."""


class _OperationError(CheckpointError):
    """One that an operation of TensorFlow raises too."""

    def __init__(self, *faults: str) -> None:
        CheckpointError.__init__(self, *faults)
        text = "\n".join(faults)
        # After ValueError comes TensorFlow's error, which wants the operation and its node as well.
        super(ValueError, self).__init__(None, None, text)
        self.args = (text,)

    def __reduce__(self) -> Any:
        """How it is copied to another process: by its faults."""
        return type(self), self.faults


class MissingCheckpointError(_OperationError, tf.errors.NotFoundError):  # type: ignore[misc]
    """There is no checkpoint of this name."""


class MissingVariablesError(_OperationError, tf.errors.NotFoundError):  # type: ignore[misc]
    """A checkpoint without some of a model's variables."""


class DamagedCheckpointError(_OperationError, tf.errors.DataLossError):  # type: ignore[misc]
    """A checkpoint whose files are cut short or changed."""
