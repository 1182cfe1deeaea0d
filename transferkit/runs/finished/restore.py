"""A finished run's network, made again from the run alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from transferkit.backbones.functional import FunctionalBackbone
from transferkit.errors import UserError, fault
from transferkit.export.plain_keras import plain_model
from transferkit.runs.calibration.settle_novelty import take_novelty
from transferkit.runs.calibration.settle_thresholds import take_thresholds
from transferkit.runs.finished.finished_run import FinishedRun
from transferkit.runs.folder.chosen_head import read_chosen
from transferkit.runs.folder.run_manifest import check_answers
from transferkit.training.averaged_parts import open_averaged
from transferkit.training.parts import Parts, open_parts
from transferkit.training.weight_files import read_weights
from transferkit.transfer.network import Network

__all__ = ["restore", "restore_model"]


def restore(run: FinishedRun) -> tuple[Parts, Network]:
    """The parts and the network of a run, with the weights that it ended with.

    The run brings all weights, so the backbone is built without its original ones.

    Raises:
        UserError: weights, data or code are unavailable, or the weights are no numbers.
    """
    check_answers(run.path)
    open_these = open_parts if run.recipe.average is None else open_averaged
    parts = open_these(run.recipe, run.classes, overwritten=True, chosen=read_chosen(run.path))
    phase = run.recipe.resolved_phases[-1]
    network = parts.network(phase, parts.plan(phase), counts=[1] * len(run.classes))
    file = run.path / "weights.npz"
    read_weights(file, network.variables)
    if not all(np.isfinite(np.asarray(variable)).all() for variable in network.variables):
        raise UserError(
            fault(str(file), None, "numbers", "some weights are NaN or infinite: training diverged")
        )
    take_thresholds(network, run.thresholds)
    take_novelty(network, run.path)
    if run.calibrated.temperature is not None and run.recipe.export.temperature:
        network.temperature = run.calibrated.temperature.temperature
    return parts, network


def restore_model(run: FinishedRun) -> Any:
    """A run's network as a plain Keras model; see :attr:`transferkit.runs.finished.run.Run.model`.

    Raises:
        UserError: the backbone is no model of Keras's layers.
    """
    parts, network = restore(run)
    if not isinstance(parts.backbone, FunctionalBackbone):
        expected = "a backbone whose layers Keras knows"
        hint = "its SavedModel can be loaded with tf.saved_model.load"
        raise UserError(fault("run.model", run.recipe.backbone.name, expected, hint))
    return plain_model(parts.backbone, network)
