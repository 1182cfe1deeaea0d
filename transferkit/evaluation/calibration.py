"""Probabilities that can be taken at their word: temperature scaling and abstention."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transferkit.errors import UserError, fault
from transferkit.evaluation.reliability import expected_calibration_error, reliability_curve

__all__ = ["Abstention", "Temperature", "abstention_threshold", "apply_temperature", "fit_temperature"]

_COLDEST, _HOTTEST = 0.05, 20.0


@dataclass(frozen=True)
class Temperature:
    """One number by which all logits are divided (Guo et al. 2017, section 4.2).

    The most probable class stays the same, and so does which label is the likelier one.

    Attributes:
        temperature: above 1 the model was too sure of itself, below 1 not sure enough.
        log_loss_before, log_loss_after: nats an image (a label, where it may have several), on the images
            that it was fitted on.
        calibration_error_before, calibration_error_after: expected calibration error there, 0 to 1.
        samples: how many images it was fitted on.
    """

    temperature: float
    log_loss_before: float
    log_loss_after: float
    calibration_error_before: float
    calibration_error_after: float
    samples: int


@dataclass(frozen=True)
class Abstention:
    """Below ``threshold`` the model should say nothing.

    Attributes:
        threshold: the least confidence (probability of the predicted class) of an answer, 0 to 1.
        precision: share of the answers that were right on the images it was chosen on.
        coverage: share of the images that were answered there.
        samples: how many images those were.
    """

    threshold: float
    precision: float
    coverage: float
    samples: int


def fit_temperature(logits_or_probabilities: np.ndarray, labels: np.ndarray) -> Temperature:
    """Finds the temperature of least log loss. Fit it on validation images, never on the tested ones.

    Args:
        logits_or_probabilities: ``[N, C]``. Rows that are probabilities (all of 0..1, sums of 1) are taken as
            such: their logarithms are logits up to a constant a row, which changes nothing.
        labels: int ``[N]``; or 0/1 ``[N, C]`` where an image may have several, whose logits are then taken as
            such, each label's by itself.

    Raises:
        ValueError: shapes that do not fit, or no samples.
    """
    values, truth = np.asarray(logits_or_probabilities, dtype=np.float64), np.asarray(labels)
    if values.ndim != 2 or truth.shape not in {(len(values),), values.shape} or not len(values):
        raise ValueError(
            f"expected [N, C] and [N] or twice [N, C], received {values.shape} and {truth.shape}"
        )
    several = truth.ndim == 2
    logits = values if several else _as_logits(values)
    # The log probability of what is true: a label's presence or absence, or the one class.
    signs = np.where(truth.astype(bool), 1.0, -1.0) if several else None
    rows = np.arange(len(truth))

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        if signs is not None:
            return float(np.logaddexp(0.0, -signs * scaled).mean())
        return float(-_log_softmax(scaled)[rows, truth].mean())

    def error(temperature: float) -> float:
        scaled = logits / temperature
        if signs is not None:
            sure = 0.5 + 0.5 * np.tanh(np.abs(scaled) / 2)
            return expected_calibration_error(
                reliability_curve(sure.ravel(), ((scaled > 0) == (signs > 0)).ravel())
            )
        return _calibration_error(np.exp(_log_softmax(scaled)), truth)

    from scipy.optimize import minimize_scalar

    # The loss is convex in 1/T, so it has one valley along log T too, and a bounded search finds it. Images
    # that are all right (or all wrong) have it at the bound: more cannot be learned from them.
    found = minimize_scalar(
        loss, bounds=(np.log(_COLDEST), np.log(_HOTTEST)), method="bounded", options={"xatol": 1e-6}
    )
    best = float(np.exp(found.x))
    if loss(0.0) <= found.fun:
        best = 1.0
    return Temperature(
        temperature=best,
        log_loss_before=loss(0.0),
        log_loss_after=loss(np.log(best)),
        calibration_error_before=error(1.0),
        calibration_error_after=error(best),
        samples=len(truth),
    )


def apply_temperature(logits_or_probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities float32 ``[N, C]`` at a temperature; 1 gives back the probabilities themselves.

    Raises:
        ValueError: the temperature is not above 0.
    """
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}, expected a number above 0")
    values = np.asarray(logits_or_probabilities, dtype=np.float64)
    result: np.ndarray = np.exp(_log_softmax(_as_logits(values) / temperature)).astype(np.float32)
    return result


def abstention_threshold(
    probabilities: np.ndarray, labels: np.ndarray, precision: float, least: int = 10
) -> Abstention:
    """Finds the confidence above which answers are right as often as wanted, answering as often as possible.

    Args:
        probabilities: ``[N, C]``.
        labels: int ``[N]``.
        precision: the wanted share of right answers, above 0 up to 1.
        least: how many answers there must be: a threshold that two lucky images pass proves nothing.

    Raises:
        UserError: no threshold reaches it; says what is the best available.
    """
    if not 0 < precision <= 1:
        raise UserError(fault("abstention precision", precision, "a number above 0 up to 1"))
    given = np.asarray(probabilities)
    sure, right = given.max(axis=1), given.argmax(axis=1) == np.asarray(labels)
    order = np.argsort(-sure, kind="stable")
    sure, right = sure[order], right[order]
    answered = np.arange(1, len(sure) + 1)
    share = np.cumsum(right) / answered
    # Equally confident images pass together, so only the last of them is a place to cut.
    cut = np.append(sure[1:] != sure[:-1], True) & (answered >= min(least, len(sure)))
    reached = np.flatnonzero(cut & (share >= precision))
    if not len(reached):
        best = float(share[cut].max())
        hint = f"no threshold reaches it; the best is {best:.4f}"
        raise UserError(fault("abstention precision", precision, hint=hint))
    last = int(reached[-1])
    return Abstention(float(sure[last]), float(share[last]), (last + 1) / len(sure), len(sure))


def _as_logits(values: np.ndarray) -> np.ndarray:
    is_probability = values.min() >= 0 and values.max() <= 1 + 1e-6
    if is_probability and np.abs(values.sum(axis=1) - 1).max() < 1e-3:
        # A float32 softmax rounds small probabilities to 0: the least one it can state stands in.
        result: np.ndarray = np.log(np.maximum(values, 1e-38))
        return result
    return values


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=1, keepdims=True)
    result: np.ndarray = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result


def _calibration_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    right = probabilities.argmax(axis=1) == labels
    return expected_calibration_error(reliability_curve(probabilities.max(axis=1), right))
