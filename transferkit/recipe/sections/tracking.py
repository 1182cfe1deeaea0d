"""Where the curves go."""

from __future__ import annotations

from pydantic import Field

from transferkit.recipe._model import Section

__all__ = ["TrackingSection"]


class TrackingSection(Section):
    """Where the curves go. TensorBoard's event files are always written."""

    separate_keys = True

    mlflow: bool = Field(False, description="log the run to MLflow; needs transferkit[mlflow]")
    wandb: bool = Field(
        False,
        description="log the run to Weights & Biases; needs transferkit[wandb]; offline unless WANDB_MODE "
        "says otherwise",
    )
    project: str = Field("transferkit", min_length=1, description="project or experiment of the trackers")
    every: int = Field(
        10, ge=1, description="steps between two points of TensorBoard's curves of a phase's training"
    )
