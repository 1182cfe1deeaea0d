"""None of these: what a run knows of photos that are like nothing it was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from transferkit.data.file_names import shown
from transferkit.data.unusable_files import refused_notes
from transferkit.errors import UserError, fault
from transferkit.evaluation.novelty import NoveltyModel, area, fit_novelty, left_out_area, threshold_of
from transferkit.files.whole_file import whole_file
from transferkit.runs.calibration.other_photos import OtherPhotos, find_other_photos
from transferkit.type_names import NamedValues

if TYPE_CHECKING:
    from transferkit.recipe import Recipe
    from transferkit.training.cut_features import CutFeatures
    from transferkit.training.images import Images
    from transferkit.training.loop import Fitted
    from transferkit.training.progress import Progress
    from transferkit.transfer.network import Network

__all__ = ["FILE", "NoveltyFacts", "settle_novelty", "take_novelty"]

FILE = "novelty.npz"
_FITTED = 10_000  # training photos that it is fitted to
_CLASSES = 5  # that are left out in turn
_LEFT_OUT = 2_000  # training photos that the others are known by then


@dataclass(frozen=True)
class NoveltyFacts:
    """What is known of the score; empty where none was wanted.

    Attributes:
        wanted: share of photos of the classes that may be called unknown.
        chosen_on: validation photos that the threshold was chosen on.
        measured: share of the test photos that are called unknown; None without a test split.
        left_out: class to the area under the ROC, where the class is left out and its held-out photos are
            told from those of the others.
        other: place of ``evaluation.other_data`` to what was measured there.
        shortfall: why there is no threshold, else None.
    """

    wanted: float | None = None
    chosen_on: int = 0
    measured: float | None = None
    left_out: dict[str, float] = field(default_factory=dict)
    other: dict[str, OtherPhotos] = field(default_factory=dict)
    shortfall: str | None = None

    @property
    def found(self) -> bool:
        """Whether there is a threshold."""
        return self.wanted is not None and self.shortfall is None

    def to_dict(self) -> NamedValues:
        """Ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, read: NamedValues | None) -> NoveltyFacts:
        """What :meth:`to_dict` gave, or nothing."""
        if not read:
            return cls()
        other = {place: OtherPhotos(**found) for place, found in read.get("other", {}).items()}
        return cls(**{**read, "other": other})

    def describe(self) -> str | None:
        """One sentence, or None where nothing was wanted."""
        if self.wanted is None:
            return None
        if self.shortfall is not None:
            return f"unknown photos: not detected, {self.shortfall}"
        words = f"unknown photos: the threshold rejects {self.wanted:.1%} of photos of the classes by mistake"
        if self.measured is not None:
            words += f" ({self.measured:.1%} of the test photos)"
        if self.left_out:
            areas = ", ".join(f"{name} {value:.2f}" for name, value in self.left_out.items())
            words += f"; ROC area with one class left out of the fit: {areas}"
        for place, found in self.other.items():
            words += f"; against {shown(place)}: {found.describe()}"
        return words


def settle_novelty(fitted: Fitted, progress: Progress) -> NoveltyFacts:
    """Fits the score to the training photos, takes a threshold from the validation photos, and measures it.

    Args:
        fitted: the trained network, which is given the score, with its recipe, its images and its folder,
            where the score is kept.
        progress: shows the photos of other things.
    """
    recipe, images = fitted.trained.recipe, fitted.trained.images
    network, cut_features = fitted.network, fitted.cut_features
    wanted = recipe.evaluation.wanted_false_alarms
    validation, test = images.of_split("val"), images.of_split("test")
    if wanted is None:
        return NoveltyFacts()
    if threshold_of(np.arange(len(validation)), wanted) is None:
        # Whoever names photos of other things has asked, and is told why there is no answer.
        if recipe.evaluation.false_alarms == "auto" and not recipe.evaluation.other_data:
            return NoveltyFacts()
        least = int(np.ceil(1 / wanted)) - 1
        shortfall = f"{wanted:.1%} needs at least {least} validation photos"
        return NoveltyFacts(wanted, len(validation), shortfall=shortfall)
    known, labels = _fitted_on(fitted, progress)
    seen, new = (_features(network, cut_features, images, one) for one in (validation, test))
    model = fit_novelty(known, labels)
    threshold = threshold_of(model.score(seen), wanted)
    facts = NoveltyFacts(wanted, len(validation))
    if threshold is None or not threshold > 0:
        return replace(facts, shortfall="the validation photos are all at the mean of their class")
    model = replace(model, threshold=threshold)
    with whole_file(fitted.folder / FILE) as beside, open(beside, "wb") as file:
        np.savez(file, **model.arrays())  # type: ignore[arg-type]
    _give(network, model)
    if len(test):
        facts = replace(facts, measured=float((model.score(new) > 1).mean()))
    held_out, of_held_out = (test, new) if len(test) else (validation, seen)
    if not images.multi_label:
        held_labels = images.labels[held_out]
        facts = replace(facts, left_out=_left_out(images.classes, known, labels, of_held_out, held_labels))
    return replace(facts, other=_others(fitted, model, model.score(of_held_out), progress))


def take_novelty(network: Network, folder: Path) -> None:
    """Gives a reopened network the score that its run kept, if any.

    Raises:
        UserError: the file cannot be read.
    """
    file = folder / FILE
    if not file.exists():
        return
    try:
        with np.load(file, allow_pickle=False) as arrays:
            model = NoveltyModel.from_arrays(arrays)
    except Exception as error:  # a damaged archive shows itself in many ways
        raise UserError(fault(str(file), hint=f"it cannot be read: {error}")) from None
    _give(network, model)


def _give(network: Network, model: NoveltyModel) -> None:
    from transferkit.transfer.novelty_score import Novelty

    network.novelty = Novelty(model.arrays())


def _features(network: Network, cut_features: CutFeatures, images: Images, chosen: np.ndarray) -> np.ndarray:
    from transferkit.training.parts import features_of

    if not len(chosen):
        return np.zeros((0, int(network.standardise.mean.shape[0])), np.float32)
    features = features_of(network, cut_features.in_order(chosen, images.labels[chosen]))
    return np.asarray(network.standardise(features))


def _fitted_on(fitted: Fitted, progress: Progress) -> tuple[np.ndarray, np.ndarray]:
    """Features ``[N, D]`` and labels of the training photos that the score is fitted to, at most
    :data:`_FITTED`.

    Where training passes the whole network, as with images that are mixed, nothing is kept of them at the
    cut: they pass it now.
    """
    recipe, images = fitted.trained.recipe, fitted.trained.images
    every = images.of_split("train")
    kept = fitted.cut_features.kept_of(every)
    train = kept if len(kept) else every
    if len(train) > _FITTED:
        train = np.sort(np.random.default_rng(recipe.seed).choice(train, _FITTED, replace=False))
    if not len(kept):
        images, features = _passed(fitted, images.take(train), recipe, progress)
        return features, images.labels
    return _features(fitted.network, fitted.cut_features, images, train), images.labels[train]


def _passed(fitted: Fitted, images: Images, recipe: Recipe, progress: Progress) -> tuple[Images, np.ndarray]:
    """Images that pass the frozen part now: those that can be read, and their features ``[N, D]``."""
    from transferkit.training.cut_features import extract_features

    size = fitted.trained.parts.backbone.input_size
    images, cut_features = extract_features(fitted.network.cut, size, images, recipe, progress)
    return images, _features(fitted.network, cut_features, images, np.arange(len(images)))


def _others(
    fitted: Fitted, model: NoveltyModel, held_out: np.ndarray, progress: Progress
) -> dict[str, OtherPhotos]:
    """What the scores ``held_out`` of photos of the classes are beside those of photos of other things."""
    recipe, own = fitted.trained.recipe, fitted.trained.images
    # Nothing depends on these photos, so that any number of them may be unreadable.
    lenient = recipe.data.model_copy(
        update={"max_unreadable": 1.0, "max_missing": 1.0, "max_beyond_limits": 1.0}
    )
    recipe = recipe.model_copy(update={"data": lenient})
    hashes = {row.sha256 for row in own.rows}
    found = {}
    for place in recipe.evaluation.other_data:
        try:
            images = find_other_photos(place, hashes, progress.say)
        except UserError as error:  # it went away while the run was trained, which stands without it
            progress.say(f"evaluation.other_data: {shown(place)}: not measured: {error.faults[0]}")
            continue
        if len(images):
            images, features = _passed(fitted, images, recipe, progress)
            for note in refused_notes(images.unreadable):
                progress.say(f"evaluation.other_data: {shown(place)}: {note}")
        if not len(images):
            progress.say(f"evaluation.other_data: {shown(place)}: no photo that can be read")
            continue
        scores = model.score(features)
        found[place] = OtherPhotos(len(images), area(held_out, scores), float((scores > 1).mean()))
    return found


def _left_out(
    classes: Sequence[str], fitted: np.ndarray, known: np.ndarray, features: np.ndarray, labels: np.ndarray
) -> dict[str, float]:
    """The classes with the most held-out photos, each left out once.

    Args:
        classes: names.
        fitted: features of training photos.
        known: their labels.
        features: of held-out photos.
        labels: theirs.
    """
    some = np.random.default_rng(0).permutation(len(fitted))[:_LEFT_OUT]
    fitted, known = fitted[some], known[some]
    counts = np.bincount(labels, minlength=len(classes))
    found: dict[str, float] = {}
    if len(classes) < 3:
        return found  # one class that is left tells little of telling others from it
    for number in sorted(np.argsort(-counts, kind="stable")[:_CLASSES].tolist()):
        area = left_out_area(fitted, known, features, labels, number)
        if area is not None:
            found[classes[number]] = area
    return found
