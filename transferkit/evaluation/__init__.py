"""What a model is worth: figures, gates, calibration, comparison. NumPy and scikit-learn, no TensorFlow.

>>> import numpy as np
>>> from transferkit.evaluation import evaluate, gates
>>> found = evaluate([0, 1, 1], np.float32([[0.9, 0.1], [0.4, 0.6], [0.7, 0.3]]), ["cat", "dog"])
>>> round(found.metrics["accuracy"], 3)
0.667
>>> gates.check(found, gates.parse("accuracy=0.6,precision.dog=1"))
"""

from transferkit.evaluation import gates
from transferkit.evaluation.calibration import (
    Abstention,
    Temperature,
    abstention_threshold,
    apply_temperature,
    fit_temperature,
)
from transferkit.evaluation.curves import Curve
from transferkit.evaluation.evaluate import evaluate
from transferkit.evaluation.evaluation import ClassFigures, Evaluation
from transferkit.evaluation.paired_comparison import Comparison, compare
from transferkit.evaluation.predictions import Predictions, read_predictions, write_predictions
from transferkit.evaluation.reliability import ReliabilityBin
from transferkit.evaluation.thresholds import choose_thresholds

__all__ = [
    "Abstention",
    "ClassFigures",
    "Comparison",
    "Curve",
    "Evaluation",
    "Predictions",
    "ReliabilityBin",
    "Temperature",
    "abstention_threshold",
    "apply_temperature",
    "choose_thresholds",
    "compare",
    "evaluate",
    "fit_temperature",
    "gates",
    "read_predictions",
    "write_predictions",
]
