"""The features of all images of a run, kept beside its weights: what can be fitted again without a photo.

They are what the head decides on, before they are standardised, and not sums of them: with sums only least
squares could be fitted again, with the features every head can, and neighbours and the map need them anyway.
A photo costs 4 bytes a number: 5 kB at a width of 1280. The run's manifest has their hash.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from transferkit.data.splits.ledger import Ledger
from transferkit.errors import UserError, fault
from transferkit.files.whole_file import whole_file
from transferkit.runs.folder.run_manifest import check_answers
from transferkit.runs.folder.run_on_disk import RunOnDisk
from transferkit.type_names import NamedValues

if TYPE_CHECKING:
    from transferkit.training.loop import Fitted

__all__ = ["FILE", "KeptFacts", "KeptFeatures", "read_kept", "write_kept"]

FILE = "features.npz"
_MOST_BYTES = 1024**3


@dataclass(frozen=True)
class KeptFacts:
    """Whether a run keeps features, for ``metrics.json``.

    Attributes:
        kept: it does.
        reason: why it does not, in words that follow "the run keeps no features"; empty where it does.
        bytes: of the file.
    """

    kept: bool
    reason: str = ""
    bytes: int = 0

    def to_dict(self) -> NamedValues:
        """Ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class KeptFeatures:
    """Features in the order of the run's ``split.csv``.

    Attributes:
        values: float32 ``[N, D]``.
        views: float32 ``[K, M, D]`` of augmented views of the ``M`` training images, which the head was
            fitted on in their place; None where there were none.
        groups: for each image what must not be divided from it, as of
            :attr:`transferkit.training.images.Images.groups`.
        exact: the frozen part was computed and kept as float32.
    """

    values: np.ndarray
    views: np.ndarray | None
    groups: tuple[str, ...]
    exact: bool

    def joined(self, new: KeptFeatures) -> KeptFeatures:
        """These with those of new images behind them."""
        views = self.views
        if views is not None and new.views is not None:
            views = np.concatenate([views, new.views], axis=1)
        values, groups = np.concatenate([self.values, new.values]), (*self.groups, *new.groups)
        return KeptFeatures(values, views, groups, self.exact and new.exact)


def write_kept(folder: Path, fitted: Fitted) -> KeptFacts:
    """Keeps the features of a run's images in its folder, where the recipe and their size allow it.

    Args:
        folder: of the run, still partial.
        fitted: what training left.
    """
    from transferkit.training.parts import features_of

    (folder / FILE).unlink(missing_ok=True)  # of a process that was killed
    images, cut_features, network = fitted.trained.images, fitted.cut_features, fitted.network
    every, labels = np.arange(len(images)), images.labels
    if not fitted.trained.recipe.activations.keep:
        return KeptFacts(False, "activations.keep is off")
    if cut_features.mine is not None:
        return KeptFacts(False, "several workers made it, each of which had a share of them")
    if len(cut_features.kept_of(every)) < len(images):
        return KeptFacts(False, "its training images passed the whole network, which was trained with them")
    train = images.of_split("train")
    closed = network.head.closed_form
    count = cut_features.views.rows.shape[1] if closed and cut_features.views is not None else 0
    width = int(network.standardise.mean.shape[0])
    needed = 4 * width * (len(images) + count * len(train))
    if needed > _MOST_BYTES:
        return KeptFacts(False, f"they are {needed / 1e9:.1f} GB, the limit is {_MOST_BYTES / 1e9:.1f} GB")
    arrays = {
        "values": features_of(network, cut_features.in_order(every, labels)),
        "sha256": np.array([row.sha256.encode() for row in images.rows]),
        "groups": np.array([name.encode() for name in images.groups or _alone(images.ledger)]),
        "exact": np.array(cut_features.activations.stats.dtype == "float32"),
    }
    if count:
        views = cut_features.every_view(train, labels[train])
        arrays["views"] = np.stack([features_of(network, batches) for batches in views])
    with whole_file(folder / FILE) as beside, open(beside, "wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    return KeptFacts(True, bytes=(folder / FILE).stat().st_size)


def read_kept(run: RunOnDisk, ledger: Ledger) -> KeptFeatures:
    """What :func:`write_kept` kept.

    Args:
        run: the run.
        ledger: its ``split.csv``.

    Raises:
        UserError: it keeps none, or they are not as they were written.
    """
    facts = run.summary.get("kept_features")
    file = run.path / FILE
    if facts is None or not facts["kept"]:
        reason = facts["reason"] if facts is not None else "an older version of transferkit made it"
        hint = f"{reason}; retrain it from its photos"
        raise UserError(fault(str(run.path), hint=f"the run keeps no features: {hint}"))
    check_answers(run.path, FILE, "split.csv")
    try:
        with np.load(file, allow_pickle=False) as read:
            arrays = {name: read[name] for name in read.files}
        values, hashes = arrays["values"], [one.decode() for one in arrays["sha256"].tolist()]
        groups = tuple(one.decode() for one in arrays["groups"].tolist())
        exact = bool(arrays["exact"])
    except Exception as error:  # a damaged archive shows itself in many ways
        raise UserError(fault(str(file), hint=f"it cannot be read: {error}")) from None
    if hashes != [row.sha256 for row in ledger.rows] or not len(values) == len(groups) == len(hashes):
        raise UserError(fault(str(file), hint="it is of other images than the run's split.csv"))
    if not np.isfinite(values).all():
        raise UserError(fault(str(file), hint="some of its values are no numbers"))
    return KeptFeatures(values, arrays.get("views"), groups, exact)


def _alone(ledger: Ledger) -> list[str]:
    return [row.sha256 for row in ledger.rows]
