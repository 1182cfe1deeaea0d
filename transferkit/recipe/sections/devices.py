"""What a run computes on."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from transferkit.recipe._model import Section
from transferkit.recipe.device_names import read_strategy

__all__ = ["DevicesSection"]


class DevicesSection(Section):
    """What a run computes on. Short form: the strategy."""

    separate_keys = True

    strategy: str = Field(
        "auto",
        min_length=1,
        description='"auto", "cpu", "gpu" (one), "gpu:0,2" (these), "mirrored" (all GPUs, or all logical '
        'CPUs where there is none), "multi_worker" (the cluster of TF_CONFIG) or "tpu"',
    )
    memory_growth: bool = Field(
        True, description="take a GPU's memory as it is needed; false takes all of it at once"
    )
    xla: Literal["auto"] | bool = Field(
        "auto",
        description='compile training and evaluation steps with XLA; "auto": on one GPU, and without it '
        "where that fails",
    )
    precision: Literal["float32", "bfloat16", "float16"] = Field(
        "float32",
        description="number format of the frozen pass; others than float32 are used only where the results "
        "agree with float32",
    )

    @field_validator("strategy")
    @classmethod
    def _is_known(cls, value: str) -> str:
        read_strategy(value)
        return value
