"""What TF_CONFIG says of a cluster, held against what a run can do; before anything is read or written."""

from __future__ import annotations

import os

from transferkit.errors import UserError, fault

__all__ = ["check_cluster"]


def check_cluster() -> None:
    """Refuses a TF_CONFIG that makes no sense, or that makes this process something else than a run is.

    Raises:
        UserError: says what is wrong with it.
    """
    if not os.environ.get("TF_CONFIG"):
        return
    # Only here: it takes TensorFlow, which most runs load after their data are known to be sound.
    from transferkit.tensorflow_startup import start_tensorflow

    start_tensorflow()
    from transferkit.estimator import RunConfig

    hint = "correct it, or unset it: a run needs none"
    try:
        config = RunConfig()
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        told = str(error)
        raise UserError(f"{told}; {hint}" if told.startswith("TF_CONFIG") else _malformed(told)) from None
    if config.model_dir is not None:
        expected = "none: a run has its own folder"
        raise UserError(fault("TF_CONFIG.model_dir", str(config.model_dir), expected, hint))
    if not config.is_chief:
        received = f"{config.task_type} {config.task_id}"
        expected = "the chief: one process trains a run"
        raise UserError(fault("TF_CONFIG.task", received, expected, hint))


def _malformed(told: str) -> str:
    text = os.environ["TF_CONFIG"]
    shown = text if len(text) <= 80 else f"{text[:80]}…"
    return fault("TF_CONFIG", shown, "a cluster of host lists and a task", f"it cannot be read: {told}")
