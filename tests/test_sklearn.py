"""The classifier in scikit-learn's own tools."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from PIL import Image
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator

from transferkit.errors import UserError
from transferkit.sklearn import TransferClassifier


class Table(dict):
    """As much of a data frame as is asked for."""

    @property
    def columns(self):
        return list(self)


@pytest.fixture(scope="module")
def photos():
    """Noise of three levels of brightness, and which it is."""
    rng = np.random.default_rng(0)
    labels = np.repeat(["dark", "grey", "light"], 8)
    levels = {"dark": 40, "grey": 120, "light": 210}
    images = np.stack([rng.normal(levels[one], 20, (24, 24, 3)) for one in labels])
    return np.clip(images, 0, 255).astype(np.uint8), labels


@pytest.fixture(scope="module")
def fitted(photos):
    return TransferClassifier("embedded").fit(*photos)


def test_the_checks_that_apply_pass():
    check_estimator(TransferClassifier("embedded"))


class OfRows(TransferClassifier):
    """Takes a table of numbers for images of one row, as most of scikit-learn's checks give them."""

    def _images(self, table):
        if isinstance(table, list) or hasattr(table, "__array__"):
            table = np.asarray(table)
        if not isinstance(table, np.ndarray) or table.ndim != 2:
            return table
        pixels = np.clip(128 + 20 * table.astype(float), 0, 255).astype(np.uint8)
        return np.repeat(pixels[:, None, :, None], 3, axis=3).repeat(8, axis=1)

    def fit(self, X, y):
        return super().fit(self._images(X), y)

    def _logits(self, images):
        return super()._logits(self._images(images))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.string = True, False
        return tags


@pytest.mark.slow
def test_the_checks_of_classifiers_of_tables_pass_once_its_numbers_are_pixels():
    made = check_estimator(OfRows("embedded", input_size=32), on_fail=None, on_skip=None)
    assert len(made) > 40
    assert [(one["check_name"], one["exception"]) for one in made if one["status"] == "failed"] == []


def test_it_learns_and_answers_in_the_order_of_its_classes(fitted, photos):
    images, labels = photos
    assert fitted.classes_.tolist() == ["dark", "grey", "light"]
    assert fitted.score(images, labels) > 0.9
    given = fitted.predict_proba(images)
    np.testing.assert_allclose(given.sum(axis=1), 1)
    assert (fitted.classes_[given.argmax(1)] == fitted.predict(images)).all()
    assert fitted.decision_function(images).shape == (24, 3)


def test_files_and_pillow_s_images_are_answered_alike(fitted, photos, tmp_path):
    images = photos[0][::5]
    expected = fitted.predict_proba(images)
    files = []
    for number, image in enumerate(images):
        files.append(str(tmp_path / f"{number}.png"))
        Image.fromarray(image).save(files[-1])
    np.testing.assert_allclose(fitted.predict_proba(files), expected, atol=1e-5)
    np.testing.assert_allclose(fitted.predict_proba([Image.open(one) for one in files]), expected, atol=1e-5)


def test_cross_validation_search_and_pipeline(photos):
    images, labels = photos
    assert cross_val_score(TransferClassifier("embedded"), images, labels, cv=2).mean() > 0.8
    pipeline = Pipeline([("brighter", FunctionTransformer()), ("classify", TransferClassifier("embedded"))])
    search = GridSearchCV(pipeline, {"classify__head": ["ridge", "prototype"]}, cv=2).fit(images, labels)
    assert search.best_params_["classify__head"] in ("ridge", "prototype")
    assert search.score(images, labels) > 0.8


def test_clones_and_pickles(fitted, photos):
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        copy.predict(photos[0])
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(photos[0]), fitted.predict_proba(photos[0]))


def test_two_classes_of_whole_numbers(photos):
    images, labels = photos
    two = TransferClassifier("embedded", head={"kind": "ridge", "normalise": True})
    two.fit(images, (labels == "light").astype(int))
    assert two.predict(images).tolist() == (two.decision_function(images) > 0).astype(int).tolist()


@pytest.mark.parametrize(
    ("settings", "given", "said"),
    [
        ({"head": "linear"}, "photos", "closed form"),
        ({"head": "rigde"}, "photos", "ridge"),
        ({"backbone": "embeded"}, "photos", "embedded"),
        ({}, "one class", "at least 2 classes"),
        ({}, "no file", "a file that can be read"),
        ({}, "short", "a label for each"),
    ],
)
def test_what_cannot_be_taken_is_named(photos, settings, given, said):
    images, labels = photos
    x, y = {
        "photos": (images, labels),
        "one class": (images, ["a"] * 24),
        "no file": (["none.jpg", "nor_this.jpg"], ["a", "b"]),
        "short": (images, labels[:3]),
    }[given]
    with pytest.raises(UserError, match=said):
        TransferClassifier(**{"backbone": "embedded", **settings}).fit(x, y)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["a", None], r"y\[1\]"),
        ([0.0, float("nan")], "nan"),
        ([0.2, 0.7], "0.2"),
        ([1, "a"], "one kind"),
    ],
)
def test_what_is_no_label_makes_no_class(photos, labels, said):
    """NumPy would make the texts "1" and "None" of them."""
    with pytest.raises(UserError, match=said):
        TransferClassifier("embedded").fit(photos[0][:2], labels)


def test_a_number_is_no_file_that_is_open_under_it(photos):
    with pytest.raises(UserError, match="image 0"):
        TransferClassifier("embedded").fit([0, 1], ["a", "b"])


def test_one_image_is_not_taken_for_a_batch_of_its_rows(fitted, photos):
    with pytest.raises(UserError, match="newaxis"):
        fitted.predict(photos[0][0])
    assert fitted.predict(photos[0][:1]).shape == (1,)


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (sparse.eye(2), "sparse"),
        (np.array([["a.jpg", "b.jpg"], ["c.jpg", "d.jpg"]]), "of image files"),
        (Table(path=["a.jpg", "b.jpg"], size=[1, 2]), "columns path, size"),
        ([b"the bytes of a photo", b"of another"], "received 'bytes'"),
    ],
)
def test_what_are_no_images_is_an_error_of_values(x, said):
    with pytest.raises(ValueError, match=said):
        TransferClassifier("embedded").fit(x, ["a", "b"])


def test_a_table_of_one_column_is_its_files(fitted, photos, tmp_path):
    """Bagging and transformers of columns make one of a list."""
    files = []
    for number, image in enumerate(photos[0][::6]):
        files.append(str(tmp_path / f"{number}.png"))
        Image.fromarray(image).save(files[-1])
    expected = fitted.predict_proba(files)
    np.testing.assert_array_equal(fitted.predict_proba(np.array(files)[:, None]), expected)
    np.testing.assert_array_equal(fitted.predict_proba(Table(path=files)), expected)
