"""The data check with a backbone's features, for the command line and for Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from transferkit.data.check import CheckResult, Limits, check_dataset
from transferkit.data.hashing import hash_files
from transferkit.data.source import DataSet
from transferkit.data.sources import ManifestOptions, read_source
from transferkit.files.cache_location import writable_cache_folder
from transferkit.tensorflow_startup import start_tensorflow
from transferkit.training.progress import Progress
from transferkit.training.progress_stage import ProgressStage

if TYPE_CHECKING:
    from transferkit.backbones.backbone import Cut

__all__ = ["check_data"]


def check_data(
    path: str | Path,
    *,
    backbone: str | None = None,
    weights: str = "imagenet",
    limits: Limits | None = None,
    manifest: ManifestOptions | None = None,
    classes: Sequence[str] | str | None = None,
    page: str | Path | None = None,
    progress: Progress | None = None,
) -> CheckResult:
    """Checks a data set.

    Args:
        path: as :func:`transferkit.data.sources.read_source` takes it.
        backbone: reference of the backbone whose features tell likely wrong labels and retouched copies;
            None leaves that out.
        weights: of the backbone.
        limits: what one file may ask for.
        manifest: what a manifest does not say itself.
        classes: as ``data.classes``.
        page: where to write the page with thumbnails; None writes none.
        progress: shows the stages; None shows nothing.

    Raises:
        UserError: no such data, or no such backbone.
    """
    follow = limits is not None and limits.follow_links
    dataset = read_source(
        path,
        unpack_to=writable_cache_folder() / "sources",
        follow_links=follow,
        manifest=manifest,
        classes=classes,
    )
    start_tensorflow()
    with _Stages(progress or Progress(quiet=True)) as report:
        features = None if backbone is None else _features_by(backbone, weights, dataset, report)
        result = check_dataset(dataset, features=features, limits=limits, progress=report)
    if page is not None:
        from transferkit.report.data_page import write_data_page

        write_data_page(result, {item.name: item.path for item in dataset}, page)
    return result


class _Stages:
    """Opens a stage of progress whenever the check comes to the next one."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._name: str | None = None
        self._open: AbstractContextManager[ProgressStage] | None = None
        self._stage: ProgressStage | None = None

    def __call__(self, name: str, done: int, total: int) -> None:
        if name != self._name or self._stage is None:
            self._close(None, None, None)
            self._name, self._open = name, self._progress.stage(name, total=total)
            self._stage = self._open.__enter__()
        self._stage.update(done)

    def __enter__(self) -> _Stages:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close(kind, error, trace)

    def _close(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._open is not None:
            self._open.__exit__(kind, error, trace)
            self._open = None


def _features_by(
    reference: str, weights: str, dataset: DataSet, report: Callable[[str, int, int], None]
) -> Callable[[np.ndarray], np.ndarray]:
    """A function from the indices of items to their features; opens the backbone at once, to fail early."""
    from transferkit.backbones.load_backbone import load_backbone

    backbone = load_backbone(reference, weights)
    cut: Cut = backbone.cut(None)

    def features(rows: np.ndarray) -> np.ndarray:
        from transferkit.activations.compute import compute
        from transferkit.data.pixels.decoding import Decoding

        paths = [dataset.items[i].path for i in rows]
        hashed = [(sha256 or "", path) for sha256, path in zip(hash_files(paths), paths, strict=True)]
        found = compute(
            cut,
            hashed,
            Decoding(backbone.input_size),
            progress=lambda done, total: report("features", done, total),
        )
        given = np.full((len(rows), backbone.feature_width), np.nan, np.float32)
        there = np.flatnonzero(found.rows >= 0)
        given[there] = found.take(there)
        return given

    return features
