"""The sections of a recipe other than training, in the order in which a run meets them."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, field_validator, model_validator

from transferkit.bounds import MOST_TRIALS
from transferkit.durations import seconds_of
from transferkit.errors import did_you_mean
from transferkit.found import modules
from transferkit.recipe._model import Named, Section
from transferkit.recipe.colour import read_background
from transferkit.recipe.device_names import read_strategy

__all__ = [
    "Activations",
    "Augmentation",
    "Backbone",
    "Best",
    "Data",
    "Devices",
    "Evaluation",
    "Export",
    "Head",
    "Sweep",
    "Tracking",
]

Share = Annotated[float, Field(ge=0, lt=1)]
Side = Annotated[int, Field(gt=0, le=8192)]
Level = Annotated[int, Field(ge=0, le=255)]


class Data(Section):
    """Which images, how they are split, and how they come to the backbone's size."""

    path: str | None = Field(None, description="folder, manifest or archive of labelled images")
    validation: Share = Field(
        0.15, description="share of the images kept for validation where the data brings no validation split"
    )
    # A test split is taken by default: the best checkpoint is chosen on the validation images, so what it
    # reaches there is no estimate of what it will reach on new ones.
    test: Share = Field(0.15, description="share kept for the test where the data brings no splits at all")
    split_seed: int = Field(0, ge=0, description="another seed deals the images out anew")
    ledger: str | None = Field(
        None,
        min_length=1,
        description="split.csv of an earlier run, or its folder: its splits stand for the images in it",
    )
    edits: str | None = Field(
        None,
        min_length=1,
        description="file of decisions on single photos (transferkit data review): relabel, drop; the photos "
        "stay as they are",
    )
    resize: Literal["stretch", "crop", "pad"] = Field(
        "stretch",
        description="how an image comes to the input size: whole but distorted, cut, or with borders",
    )
    background: str | tuple[Level, Level, Level] = Field(
        "white",
        description='what transparent pixels lie over: a colour\'s name, "#rrggbb" or [r, g, b]; '
        '"drop" ignores transparency',
    )
    exif: Literal["apply", "ignore"] = Field(
        "apply", description="whether photos are turned upright by their EXIF orientation"
    )
    depth: Literal["auto", "format"] | Annotated[int, Field(ge=8, le=16)] = Field(
        "auto",
        description="range of samples of more than 8 bits: by each image's values (8, 10, 12, 14 or 16 "
        "bits), by the file format, or so many bits",
    )
    encoding: str | None = Field(
        None, min_length=1, description='of a manifest that is not UTF-8, such as "cp1252" or "gb18030"'
    )
    columns: dict[Literal["path", "label", "labels", "split", "group"], str] = Field(
        default_factory=dict,
        description='names of a manifest\'s columns, where they are others: { path = "id", label = "breed" }',
    )
    root: str | None = Field(
        None, min_length=1, description="folder that a manifest's paths start from; by default its own"
    )
    path_suffix: str | None = Field(
        None, min_length=1, description='what is added to a manifest\'s paths, such as ".jpg"'
    )
    max_missing: Share = Field(
        0.05, description="share of the listed files that may be missing; they are set aside and listed"
    )
    max_beyond_limits: Share = Field(
        0.05, description="share of files that may be beyond the limits below, in the same way"
    )
    max_unreadable: Share = Field(0.05, description="share of files that may be no image, in the same way")
    min_per_class: int = Field(1, ge=1, description="images that each class must have at least")
    max_bytes: int = Field(100_000_000, gt=0, description="larger files are set aside unopened")
    max_pixels: int = Field(
        100_000_000,
        gt=0,
        description="width times height by the header; larger images are set aside undecoded",
    )
    max_side: int = Field(60_000, gt=0, description="pixels of the longer side, in the same way")
    follow_links: bool = Field(
        False,
        description="take symbolic links, of files and of folders, that lead out of the data folder; those "
        "that stay within it are always taken",
    )
    classes: tuple[str, ...] | str | None = Field(
        None,
        description="the classes in their order: a list, or a file with a name a line; by default they are "
        "sorted by name, integers as numbers",
    )

    @field_validator("encoding")
    @classmethod
    def _is_encoding(cls, name: str | None) -> str | None:
        if name is not None:
            try:
                "".encode(name)  # codecs of bytes, such as hex, do not take it
            except LookupError:
                raise ValueError(f"received {name!r}, expected an encoding that Python knows") from None
        return name

    @field_validator("background")
    @classmethod
    def _is_colour(cls, value: str | tuple[int, int, int]) -> str | tuple[int, int, int]:
        read_background(value)
        return value

    @model_validator(mode="after")
    def _leaves_images(self) -> Data:
        if self.validation + self.test >= 1:
            raise ValueError(
                f"received validation = {self.validation} and test = {self.test}, "
                "expected a sum below 1; something must be left to train on"
            )
        return self


class Backbone(Section):
    """The pretrained network. Short form: its name."""

    name: str = Field(
        "efficientnet_lite0",
        min_length=1,
        description="card name, card:PATH, hub:HANDLE, saved_model:PATH, keras_file:PATH, keras_hub:PRESET, "
        "hf://ORG/REPO or kaggle://OWNER/MODEL/FRAMEWORK/VARIATION",
    )
    weights: str = Field("imagenet", min_length=1, description='"imagenet", "random", or a path')
    input_size: tuple[Side, Side] | None = Field(
        None, description="height and width in pixels; short form: one number; the card's size by default"
    )
    options: dict[str, Any] = Field(default_factory=dict, description="arguments of its constructor")
    join: tuple[str, ...] = Field(
        (),
        max_length=4,
        description="further backbones, at the same input size, whose features stand beside this one's; "
        "all are frozen",
    )
    mirror: bool = Field(
        False,
        description="features are the mean of those of an image and of its mirror image, in training and in "
        "every answer; frozen",
    )

    @field_validator("options")
    @classmethod
    def _leaves_the_size(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in ("size", "image_size", "input_size", "input_shape"):
            if name in value:
                raise ValueError(
                    f"received {name} = {value[name]!r}, expected the size of images elsewhere; "
                    "say backbone.input_size = 320, or [height, width]"
                )
        return value

    @field_validator("options")
    @classmethod
    def _allows_no_code(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in ("trust", "allow_code"):
            if name in value:
                raise ValueError(
                    f"received {name} = {value[name]!r}, expected no permission to run code in a recipe; "
                    "leave it out and say --allow-code on the command line"
                )
        return value

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width in pixels, or None for the card's own."""
        return self.input_size


class Head(Named):
    """What answers on the backbone's features. Short form: its kind. Other keys: that head's arguments."""

    registry: ClassVar[str] = "heads"

    kind: str = Field("linear", min_length=1)


class Augmentation(Named):
    """Random changes of the training images, off by default: one key for each, ``true`` or its arguments."""

    tag: ClassVar[str] = ""
    registry: ClassVar[str] = "augmentation"


class Activations(Section):
    """How the frozen part of the backbone is run, and where its results are kept."""

    engine: Literal["auto", "tensorflow", "openvino"] = "auto"
    dtype: Literal["auto", "float32", "float16"] = Field("auto", description="precision of what is kept")
    max_bytes: int | None = Field(
        None, gt=0, description="bound of the cache; by default a share of the disk"
    )
    views: int = Field(
        1, ge=1, le=1000, description="augmented views kept of each training image, where augmentation is on"
    )
    cache_dir: str | None = Field(
        None,
        description="folder of the cache, or a URL at which machines share the features; by default the "
        "user's cache folder",
    )
    # `from` is a word of Python, so that it cannot be written as the others are.
    __annotations__["from"] = "tuple[str, ...] | None"
    locals()["from"] = Field(
        None,
        description="folders or URLs that `transferkit features compute` wrote, from which features are "
        "taken; short form: one of them",
    )
    keep: bool = Field(
        True,
        description="keep the features of all images with the run (4 bytes a number, up to 1 GiB): what "
        "extend, forget, similar and the report's map work from when the photos are gone",
    )

    @field_validator("from", mode="before")
    @classmethod
    def _takes_one(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value


class Devices(Section):
    """What a run computes on. Short form: the strategy."""

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
        description="of the frozen pass; another than float32 is used where its result agrees with float32's",
    )

    @field_validator("strategy")
    @classmethod
    def _is_known(cls, value: str) -> str:
        read_strategy(value)
        return value


class Evaluation(Section):
    """What is measured after training, and what it must reach."""

    fail_under: dict[str, float] = Field(
        default_factory=dict, description="metric = least value; short form: the least accuracy"
    )
    calibrate: bool | Literal["temperature"] = Field(
        False, description='"temperature" fits one on the validation images; true means the same'
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
        description="share of photos of the classes that may be called none of them: the model then says "
        'which photos are unlike all that it was trained on, in every format that can; "auto": 0.05 where '
        "there are enough validation photos, in the SavedModel and ONNX",
    )
    top_k: int = Field(5, ge=1)
    confidence: float = Field(0.95, gt=0, lt=1, description="coverage of the intervals")
    resamples: int = Field(1000, ge=0, description="bootstrap resamples behind the intervals; 0: none")
    predictions: str = Field(
        "auto",
        pattern=r"^(auto|all|top:[1-9][0-9]{0,5})$",
        description='classes that predictions.csv lists for each image: "all", or the likeliest, "top:20"; '
        '"auto": all of up to 200, else "top:20"',
    )
    grad_cam: int = Field(
        8, ge=0, le=24, description="worst mistakes whose reasons the report shows (Grad-CAM); 0: none"
    )

    @property
    def wanted_false_alarms(self) -> float | None:
        """The share that :attr:`false_alarms` stands for; None where it is off."""
        if self.false_alarms == "auto":
            return 0.05
        return None if self.false_alarms == "off" else self.false_alarms


def _known_format(name: str) -> str:
    known = modules("export.formats").names()
    if name not in known:
        hint = did_you_mean(name, known)
        raise ValueError(
            f"received {name!r}, expected one of {', '.join(known)}" + (f"; {hint}" if hint else "")
        )
    return name


def _formats(schema: dict[str, Any]) -> None:
    schema["enum"] = modules("export.formats").names()


# Whatever lies among the formats, or is offered by an installed package.
Format = Annotated[str, AfterValidator(_known_format), Field(json_schema_extra=_formats)]


class Export(Section):
    """What the run hands over."""

    formats: tuple[Format, ...] = Field(("saved_model",), description="the SavedModel is always made")
    parity: bool | Annotated[int, Field(ge=1, le=100_000)] = Field(
        True, description="run every export on held-out images (so many) and compare it with the model"
    )
    agreement: float = Field(
        0.98, gt=0, le=1, description="least share of them that a quantised format answers as the model does"
    )
    temperature: bool = Field(
        True, description="carry the fitted temperature, where evaluation.calibrate is on"
    )

    @model_validator(mode="after")
    def _once(self) -> Export:
        if len(set(self.formats)) < len(self.formats):
            raise ValueError("formats: expected each format once")
        return self


class Tracking(Section):
    """Where the curves go. TensorBoard's event files are always written."""

    mlflow: bool = Field(False, description="needs transferkit[mlflow]")
    wandb: bool = Field(
        False, description="needs transferkit[wandb]; offline unless WANDB_MODE says otherwise"
    )
    project: str = Field("transferkit", min_length=1)
    every: int = Field(
        10, ge=1, description="steps between two points of TensorBoard's curves of a phase's training"
    )


class Best(Section):
    """What is chosen on folds of the training images before the run, each step only where it pays."""

    budget: float = Field(
        1200.0, gt=0, description='seconds that choosing may take, or text like "20m"; the run comes on top'
    )
    backbones: tuple[str, ...] = Field(
        (), description="those to choose from; by default all whose weights are on this machine"
    )
    steps: tuple[Literal["backbones", "mirror", "views", "join", "finetune"], ...] = Field(
        ("backbones", "mirror", "views", "join", "finetune"),
        description="what is tried after the head: other backbones, features averaged with those of the "
        "mirror image, augmented copies of the training images, a second backbone's features beside, and "
        "fine-tuning the last stages",
    )

    @field_validator("budget", mode="before")
    @classmethod
    def _seconds(cls, value: Any) -> Any:
        return seconds_of(value)


def _choices(value: Any) -> str:
    return "range" if isinstance(value, (dict, Range)) else "list"


class Sweep(Section):
    """Many trials over one data pass: values for any keys, on a grid, at random, or as Optuna chooses."""

    method: Literal["grid", "random", "optuna"] = "grid"
    trials: int = Field(20, ge=1, le=MOST_TRIALS, description="how many to draw (random, optuna)")
    metric: str = Field(
        "accuracy", min_length=1, description="of the validation images: what orders the trials"
    )
    backbones: tuple[str, ...] = Field(
        (), description='short for values = { "backbone.name" = [...] }: those whose weights are at hand'
    )
    values: dict[str, Choices] = Field(
        default_factory=dict, description='"optimizer.learning_rate" = [1e-4, 1e-3], or {low, high, log}'
    )

    @property
    def all_values(self) -> dict[str, Any]:
        """The values of each key, those of the backbone first."""
        backbones = {"backbone.name": list(self.backbones)} if self.backbones else {}
        return {**backbones, **self.values}


class Range(Section):
    """An interval that a sweep draws from."""

    low: float
    high: float
    log: bool = False
    whole: bool = Field(False, description="draw whole numbers")

    @model_validator(mode="after")
    def _is_one(self) -> Range:
        if not self.low < self.high:
            raise ValueError(f"received low = {self.low} and high = {self.high}, expected low below high")
        if self.log and self.low <= 0:
            raise ValueError(f"received low = {self.low} with log = true, expected low above 0")
        return self


Choices = Annotated[
    Annotated[Annotated[list[Any], Field(min_length=1)], Tag("list")] | Annotated[Range, Tag("range")],
    Discriminator(_choices),
]
Sweep.model_rebuild()
