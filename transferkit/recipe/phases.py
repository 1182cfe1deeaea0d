"""How a phase trains. What stands at the top of the file is the default of every phase."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from transferkit.durations import seconds_of
from transferkit.recipe._model import Named, Section
from transferkit.recipe_limits import MOST_PATTERN

__all__ = [
    "DEFAULT_EPOCHS",
    "EarlyStopping",
    "Ema",
    "Fraction",
    "Last",
    "LossSection",
    "OptimizerSection",
    "Phase",
    "Rule",
    "ScheduleSection",
    "TrainingSection",
    "Until",
]

# Enough for a linear head on a few hundred photos at Adam 1e-3; early stopping ends it sooner.
DEFAULT_EPOCHS = 30


class OptimizerSection(Named):
    """A Keras optimizer. Short form: its name. Other keys: arguments of its constructor."""

    tag: ClassVar[str] = "name"
    registry: ClassVar[str] = "optimizers"

    name: str = Field("adam", min_length=1)

    @property
    def learning_rate(self) -> float:
        """The rate that schedules start from."""
        return float(self.options.get("learning_rate", 1e-3))


class ScheduleSection(Named):
    """The learning rate over the steps of a phase. Short form: its kind. Other keys: its arguments."""

    registry: ClassVar[str] = "schedules"

    kind: str = Field("constant", min_length=1)


class LossSection(Named):
    """What training makes small. Short form: its kind. Other keys: its arguments."""

    registry: ClassVar[str] = "losses"

    kind: str = Field("auto", min_length=1)


class Until(Section):
    """Frozen from the input up to this layer or stage, that one included."""

    until: str = Field(min_length=1, description="last stage or layer that is frozen")


class Last(Section):
    """All frozen but the last so many layers that have weights."""

    last: int = Field(ge=1, description="number of layers with weights that train, counted from the head")


class Fraction(Section):
    """Frozen: this share of the layers that have weights, from the input up."""

    fraction: float = Field(
        ge=0, le=1, description="share of the layers with weights that is frozen, from the input up"
    )


# Sets, and escaped characters that could be taken for the beginning of one.
_SET = re.compile(r"\\[^1-9Z]|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_NEEDS_TRYING = re.compile(r"\(\?(?:[=!>(]|<[=!]|P=)|\\[1-9Z]|[*+?}]\+")


class Rule(Section):
    """What happens to the layers whose whole name matches. The first rule that matches wins."""

    match: str = Field(
        min_length=1,
        max_length=MOST_PATTERN,
        description="regular expression for the whole name of a layer, in the syntax of RE2, which takes "
        "linear time: no look-around, no back-references",
    )
    trainable: bool = Field(description="whether these layers train; false freezes them")
    lr_multiplier: float = Field(1.0, ge=0, description="factor on the learning rate of these layers")

    @field_validator("match")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except (re.error, RecursionError, OverflowError) as error:
            raise ValueError(f"expected a regular expression; {error}") from None
        # Outside of a set in brackets, where these are characters like any other.
        beyond = _NEEDS_TRYING.search(_SET.sub("x", value))
        if beyond:
            raise ValueError(
                f"received {value!r}, expected a regular expression without look-around, back-references and "
                f"possessive repetition, which may take forever; it has {beyond[0]!r}"
            )
        return value


def _form(value: Any) -> str | None:
    """Which of the ways to say it this is, so that a fault is worded for that way alone."""
    if isinstance(value, str):
        return "text" if value in ("all", "none") else None
    if isinstance(value, (list, tuple)):
        return "rules"
    if isinstance(value, Section):
        return type(value).__name__.lower()
    if isinstance(value, dict):
        return next((key for key in ("until", "last", "fraction") if key in value), None)
    return None


Freeze = Annotated[
    Annotated[Literal["all", "none"], Tag("text")]
    | Annotated[Until, Tag("until")]
    | Annotated[Last, Tag("last")]
    | Annotated[Fraction, Tag("fraction")]
    | Annotated[tuple[Rule, ...], Field(min_length=1), Tag("rules")],
    Discriminator(
        _form,
        custom_error_type="freeze_form",
        custom_error_message='"all", "none", {until = NAME}, {last = N}, {fraction = F}, or a list of rules',
    ),
]


class Clipping(Section):
    """Bounds of the gradients. Short form: the global norm."""

    global_norm: float | None = Field(None, gt=0, description="largest norm of all gradients together")
    norm: float | None = Field(None, gt=0, description="largest norm of each variable's gradient")
    value: float | None = Field(None, gt=0, description="largest absolute value of each gradient element")

    @model_validator(mode="after")
    def _one(self) -> Clipping:
        if sum(one is not None for one in (self.global_norm, self.norm, self.value)) != 1:
            raise ValueError("expected exactly one of global_norm, norm, value")
        return self


class Ema(Section):
    """A running average of the weights, which is what the phase ends with. Short form: the momentum."""

    momentum: float = Field(0.99, gt=0, lt=1, description="the average's memory is 1 / (1 - momentum) steps")


class EarlyStopping(Section):
    """Ends a phase when a metric of the validation images gets no better."""

    metric: str = Field("loss", min_length=1, description="metric of the validation images that must improve")
    patience: int = Field(5, ge=1, description="evaluations without an improvement before training stops")
    min_delta: float = Field(0.0, ge=0, description="smallest change that counts as an improvement")


class TrainingSection(Section):
    """What a phase may say, and what the top of the file may say for all phases."""

    epochs: Annotated[int, Field(gt=0)] | None = Field(
        None,
        description=f"passes over the training images; {DEFAULT_EPOCHS} without epochs and steps",
    )
    steps: Annotated[int, Field(gt=0)] | None = Field(None, description="optimizer steps, instead of epochs")
    freeze: Freeze = Field(
        "all", description='"all", "none", {until = NAME}, {last = N}, {fraction = F}, or a list of rules'
    )
    batch_norm: Literal["frozen", "train"] = Field(
        "frozen", description="mode of batch normalisation in the backbone's layers that are not frozen"
    )
    layer_decay: float = Field(
        1.0,
        gt=0,
        le=1,
        description="learning rate of each stage as a share of the rate of the stage above it",
    )
    optimizer: OptimizerSection = Field(default_factory=lambda: OptimizerSection())
    optimizer_state: Literal["reset", "carry"] = Field(
        "reset",
        description="carry: the optimizer's moments continue from the last phase; reset: they start at zero",
    )
    schedule: ScheduleSection = Field(default_factory=lambda: ScheduleSection())
    batch_size: int = Field(
        32, ge=1, le=65536, description="images in a training step, on all devices together"
    )
    loss: LossSection = Field(default_factory=lambda: LossSection())
    gradient_clipping: Clipping | None = None
    accumulation: int = Field(1, ge=1, description="batches whose gradients make one update")
    ema: Ema | None = None
    mixed_precision: bool = Field(
        False,
        description="training steps above the cut compute in bfloat16, on float32 weights: for GPUs from "
        "Ampere on, TPUs and CPUs with AMX; elsewhere it is slower",
    )
    early_stopping: EarlyStopping | None = None
    evaluate_every: int = Field(
        1, ge=1, description="epochs between two evaluations on the validation images"
    )
    keep: Literal["best", "last"] = Field(
        "best",
        description="state that a phase ends with: the best or the last; the state before its first epoch "
        "can be the best",
    )
    keep_metric: str | None = Field(
        None,
        min_length=1,
        description="metric that decides which state is best; by default early stopping's metric, else the "
        "loss",
    )
    time_budget: float | None = Field(
        None, gt=0, description='seconds that a phase may take, or text like "10m"'
    )

    @field_validator("time_budget", mode="before")
    @classmethod
    def _seconds(cls, value: Any) -> Any:
        return seconds_of(value)

    @model_validator(mode="after")
    def _one_length(self) -> TrainingSection:
        if self.epochs is not None and self.steps is not None:
            raise ValueError(
                f"received epochs = {self.epochs} and steps = {self.steps}, expected one of them"
            )
        return self


class Phase(TrainingSection):
    """One phase: alone, what its table says; out of ``resolved_phases``, with the defaults from the top."""

    name: str = Field(
        "train", pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="name of the phase, and of its checkpoints"
    )

    @property
    def metric(self) -> str:
        """The metric by which the best checkpoint is chosen."""
        if self.keep_metric:
            return self.keep_metric
        return self.early_stopping.metric if self.early_stopping else "loss"

    @property
    def metrics(self) -> tuple[str, ...]:
        """All metrics that steer the phase: what is best, when it stops, when its rate steps down."""
        found = [self.metric]
        if self.early_stopping is not None:
            found.append(self.early_stopping.metric)
        if isinstance(self.schedule.options.get("metric"), str):
            found.append(self.schedule.options["metric"])
        return tuple(dict.fromkeys(found))
