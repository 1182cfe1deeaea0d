"""Temperature scaling and abstention."""

from __future__ import annotations

import numpy as np
import pytest

from transferkit.errors import UserError
from transferkit.evaluation import abstention_threshold, apply_temperature, fit_temperature


@pytest.fixture
def honest():
    """Labels drawn from the very probabilities of the logits: the right temperature is 1."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20_000, 4)) * 2
    probabilities = apply_temperature(logits, 1.0)
    labels = (probabilities.cumsum(axis=1) > rng.random((len(logits), 1))).argmax(axis=1)
    return labels, logits


@pytest.mark.parametrize("factor", [0.25, 1.0, 3.0])
def test_the_true_temperature_is_found(honest, factor):
    labels, logits = honest
    found = fit_temperature(logits * factor, labels)
    assert found.temperature == pytest.approx(factor, rel=0.03)
    assert found.log_loss_after <= found.log_loss_before
    assert found.calibration_error_after < 0.02
    if factor != 1:
        assert found.calibration_error_before > 0.1


def test_probabilities_serve_as_well_as_logits(honest):
    labels, logits = honest
    from_logits = fit_temperature(logits * 3, labels).temperature
    from_probabilities = fit_temperature(apply_temperature(logits * 3, 1.0), labels).temperature
    assert from_probabilities == pytest.approx(from_logits, rel=1e-3)


def test_scaling_changes_no_decision_and_undoes_itself(honest):
    _, logits = honest
    cold = apply_temperature(logits, 2.5)
    np.testing.assert_array_equal(cold.argmax(axis=1), logits.argmax(axis=1))
    np.testing.assert_allclose(cold.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(apply_temperature(cold, 0.4), apply_temperature(logits, 1.0), atol=1e-5)


def test_zero_probabilities_and_all_right_stay_finite():
    found = fit_temperature(np.eye(3, dtype=np.float32), np.arange(3))
    assert 0.05 <= found.temperature <= 20
    assert np.isfinite(found.log_loss_after)


def test_bad_temperature():
    with pytest.raises(ValueError, match="above 0"):
        apply_temperature(np.eye(2), 0.0)


def test_abstention_reaches_the_precision_with_the_most_answers():
    sure = np.linspace(0.99, 0.5, 50)
    probabilities = np.stack([sure, 1 - sure], axis=1)
    labels = np.zeros(50, int)
    labels[30:] = 1  # right up to the 30th, wrong after
    found = abstention_threshold(probabilities, labels, precision=0.9)
    kept = probabilities.max(axis=1) >= found.threshold
    assert found.precision == pytest.approx((labels[kept] == 0).mean())
    assert found.precision >= 0.9
    assert found.coverage == pytest.approx(33 / 50)
    fewer = probabilities.max(axis=1) >= sure[kept.sum()]
    assert (labels[fewer] == 0).mean() < 0.9


def test_equal_confidences_pass_together():
    probabilities = np.tile([[0.9, 0.1]], (40, 1))
    labels = np.array([0] * 20 + [1] * 20)
    with pytest.raises(UserError, match=r"the best is 0\.5000"):
        abstention_threshold(probabilities, labels, precision=0.9)


def test_two_lucky_images_prove_nothing():
    sure = np.linspace(0.99, 0.6, 30)
    labels = np.array([0, 0] + [1] * 28)
    with pytest.raises(UserError, match="no threshold"):
        abstention_threshold(np.stack([sure, 1 - sure], axis=1), labels, precision=0.99)


@pytest.mark.parametrize("factor", [0.4, 1.0, 3.0])
def test_the_true_temperature_is_found_with_several_labels(factor):
    rng = np.random.default_rng(5)
    logits = rng.normal(size=(4000, 3)) * 2
    labels = rng.random((4000, 3)) < 1 / (1 + np.exp(-logits))
    found = fit_temperature(logits * factor, labels)
    assert found.temperature == pytest.approx(factor, rel=0.07)
    assert found.log_loss_after <= found.log_loss_before
    assert found.calibration_error_after < 0.02
    with pytest.raises(ValueError, match="expected"):
        fit_temperature(logits, labels[:, :2])
