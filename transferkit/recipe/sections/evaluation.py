"""What is measured after training, and what it must reach."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from transferkit.recipe._model import Section

__all__ = ["EvaluationSection"]


class EvaluationSection(Section):
    """What is measured after training, and what it must reach."""

    separate_keys = True

    fail_under: dict[str, float] = Field(
        default_factory=dict, description="metric = least value; short form: the least accuracy"
    )
    calibrate: bool | Literal["temperature"] = Field(
        False, description='"temperature" fits a temperature on the validation images; true means the same'
    )
    precision: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="wanted precision: below some confidence the model abstains; with several labels, the "
        "precision that each label's threshold gives",
    )
    false_alarms: Annotated[float, Field(gt=0, lt=1)] | Literal["auto", "off"] = Field(
        "auto",
        description="share of photos of known classes that may be called unknown by mistake: the model then "
        "says "
        'which photos are unlike all that it was trained on, in every format that can; "auto": 0.05 where '
        "there are enough validation photos, in the SavedModel and ONNX",
    )
    other_data: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (),
        description="places with photos of other things, such as what the camera also sees: the run says how "
        "well they are told from photos of the classes; nothing is trained or chosen on them",
    )
    top_k: int = Field(
        5, ge=1, description="also report whether the true class is among this many likeliest ones"
    )
    confidence: float = Field(0.95, gt=0, lt=1, description="coverage of the confidence intervals")
    resamples: int = Field(
        1000,
        ge=0,
        description="bootstrap resamples behind the intervals (not the accuracy's); 0: no intervals",
    )
    predictions: str = Field(
        "auto",
        pattern=r"^(auto|all|top:[1-9][0-9]{0,5})$",
        description='classes that predictions.csv lists for each image: "all", or the likeliest, "top:20"; '
        '"auto": all of up to 200, else "top:20"',
    )
    grad_cam: int = Field(
        8,
        ge=0,
        le=24,
        description="number of worst mistakes for which the report shows Grad-CAM heat maps; 0: none",
    )

    @model_validator(mode="after")
    def _with_a_score(self) -> EvaluationSection:
        if self.other_data and self.false_alarms == "off":
            raise ValueError('other_data: expected false_alarms other than "off": it is what is measured')
        return self

    @property
    def wanted_false_alarms(self) -> float | None:
        """The share that :attr:`false_alarms` stands for; None where it is off."""
        if self.false_alarms == "auto":
            return 0.05
        return None if self.false_alarms == "off" else self.false_alarms
