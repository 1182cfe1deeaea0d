"""None of these: how well a score tells photos of other kinds from new photos of the classes.

Area under the ROC (0.5 is chance) on features of a backbone: the Mahalanobis distance that exports carry,
with several numbers of axes; ViM (arXiv 2203.10807) with a fitted linear head; one less the largest
probability of that head. Known are new photos of the classes; unknown are other data sets, and each class
left out in turn. Seconds are of the fit, MB of what an export carries.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

Score = Callable[[np.ndarray], np.ndarray]


def mahalanobis(axes: int) -> Callable[[np.ndarray, np.ndarray], tuple[Score, int]]:
    """The score of exports, with so many axes."""
    from transferkit.evaluation import novelty

    def fit(features: np.ndarray, labels: np.ndarray) -> tuple[Score, int]:
        before, novelty._AXES = novelty._AXES, axes
        try:
            model = novelty.fit_novelty(features, labels)
        finally:
            novelty._AXES = before
        return model.score, sum(one.nbytes for one in model.flat().values())

    return fit


def linear_head(features: np.ndarray, labels: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Logits of a logistic regression, as the head ``logistic`` fits it."""
    from transferkit.heads import make_head

    head = make_head({"kind": "logistic"}, features.shape[1], [str(k) for k in range(int(labels.max()) + 1)])
    kernel, bias = head.spec.fit(features, labels, len(head.classes), 0)
    return lambda rows: rows @ kernel + bias


def vim(features: np.ndarray, labels: np.ndarray) -> tuple[Score, int]:
    """Virtual-logit matching: what lies outside of the principal space, as one more logit."""
    logits = linear_head(features, labels)
    middle = features.mean(axis=0)
    kept = min(256, features.shape[1] // 2, len(features) // 2)
    _, _, turned = np.linalg.svd(features - middle, full_matrices=False)
    axes = turned[:kept].T

    def left(rows: np.ndarray) -> np.ndarray:
        rows = rows - middle
        return np.linalg.norm(rows - (rows @ axes) @ axes.T, axis=1)

    own = logits(features)
    scale = own.max(axis=1).sum() / left(features).sum()

    def score(rows: np.ndarray) -> np.ndarray:
        given = logits(rows)
        top = given.max(axis=1)
        return scale * left(rows) - (np.log(np.exp(given - top[:, None]).sum(axis=1)) + top)

    return score, 4 * axes.size


def largest_probability(features: np.ndarray, labels: np.ndarray) -> tuple[Score, int]:
    """One less the largest probability: what costs nothing."""
    logits = linear_head(features, labels)

    def score(rows: np.ndarray) -> np.ndarray:
        given = np.exp(logits(rows) - logits(rows).max(axis=1, keepdims=True))
        return 1 - given.max(axis=1) / given.sum(axis=1)

    return score, 0


SIDES = {
    "mahalanobis, 256 axes": mahalanobis(256),
    "mahalanobis, 64 axes": mahalanobis(64),
    "mahalanobis, 32 axes": mahalanobis(32),
    "ViM": vim,
    "largest probability": largest_probability,
}


def compare(
    train: tuple[np.ndarray, np.ndarray], new: tuple[np.ndarray, np.ndarray], others: dict[str, np.ndarray]
) -> list[dict[str, float | str]]:
    """A row for each score.

    Args:
        train: features and class numbers that scores are fitted to.
        new: of new photos of the classes.
        others: name to features of photos of other kinds.
    """
    from transferkit.evaluation.novelty import area

    rows = []
    for name, fit in SIDES.items():
        began = time.perf_counter()
        score, size = fit(*train)
        row: dict[str, float | str] = {
            "score": name,
            "seconds": time.perf_counter() - began,
            "MB": size / 1e6,
        }
        known = score(new[0])
        row |= {other: area(known, score(features)) for other, features in others.items()}
        left = []
        for number in range(int(train[1].max()) + 1):
            stay = train[1] != number
            again, _ = fit(train[0][stay], np.unique(train[1][stay], return_inverse=True)[1])
            there = new[1] == number
            left.append(area(again(new[0][~there]), again(new[0][there])))
        row["class left out"] = float(np.mean(left))
        rows.append(row)
    return rows


def _features(backbone: str, photos: Path | list[str]) -> tuple[np.ndarray, np.ndarray]:
    import transferkit

    found = transferkit.embed(backbone, photos)
    return found.features, np.array([one.label or "" for one in found.photos])


def _digits(folder: Path) -> Path:
    import transferkit

    transferkit.write_digits(folder)
    return folder


def main() -> None:
    import tempfile

    import tensorflow as tf
    from _report import Report, arguments

    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--backbones", nargs="*", default=["efficientnet_lite0", "mobilenet_v2", "embedded"])
    parser.add_argument("--most", type=int, default=400, help="photos of each other kind")
    options = parser.parse_args()
    others = ["trashnet", "CIFAR-10", "digits", "class left out"]
    report = Report("novelty", ["backbone", "score", *others, "seconds", "MB"])
    with tempfile.TemporaryDirectory() as place:
        cifar = Path(place) / "cifar"
        cifar.mkdir()
        records = tf.data.TFRecordDataset(str(options.data / "cifar10" / "test.tfrecord")).take(options.most)
        wanted = {"image/encoded": tf.io.FixedLenFeature([], tf.string)}
        for number, record in enumerate(records):
            encoded = tf.io.parse_single_example(record, wanted)["image/encoded"].numpy()
            (cifar / f"{number}.jpg").write_bytes(encoded)
        kinds = {
            "trashnet": options.data / "trashnet",
            "CIFAR-10": cifar,
            "digits": _digits(Path(place) / "digits"),
        }
        for backbone in options.backbones:
            values, labels = _features(backbone, options.data / "flowers_small" / "train")
            middle, scale = values.mean(axis=0), values.std()
            new, new_labels = _features(backbone, options.data / "flowers_small" / "val")
            apart = {}
            for name, folder in kinds.items():
                files = sorted(map(str, [*folder.rglob("*.jpg"), *folder.rglob("*.png")]))
                apart[name] = _features(backbone, files[:: max(1, len(files) // options.most)])[0]
            standard = {name: (features - middle) / scale for name, features in apart.items()}
            names, numbers = np.unique(labels, return_inverse=True)
            train = (values - middle) / scale, numbers
            rows = compare(train, ((new - middle) / scale, np.searchsorted(names, new_labels)), standard)
            for row in rows:
                report.add(backbone=backbone, **row)
    report.write(options.json)


if __name__ == "__main__":
    main()
