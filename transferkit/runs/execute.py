"""The work of a run, once its recipe and its images are known to be sound."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from transferkit.evaluation import Evaluation
from transferkit.evaluation.gates import Gate
from transferkit.export.saved_model import write_saved_model
from transferkit.recipe import Recipe
from transferkit.runs.folder import RunFolder
from transferkit.runs.outcome import evaluate_network
from transferkit.runs.prepare import Images
from transferkit.runs.progress import Progress
from transferkit.runs.record import write_inputs, write_outcome
from transferkit.runs.train import train
from transferkit.runs.weights import write_weights

__all__ = ["execute"]

def execute(
    recipe: Recipe,
    images: Images,
    place: RunFolder,
    gates: Sequence[Gate],
    resume: bool,
    progress: Progress,
    began: float,
) -> Evaluation:
    """Trains all phases, evaluates, exports and puts the finished run in its place.

    Args:
        recipe: the resolved recipe.
        images: what to train and evaluate on.
        place: where the run goes.
        gates: what the evaluation will be held against; the report shows them.
        resume: take up the partial folder that is there.
        progress: shows the stages.
        began: ``time.perf_counter()`` at the start of the run.
    """

    def open_folder(decoded: Images) -> Path:
        opened = place.open(resume)
        write_inputs(opened, recipe, decoded)
        return opened

    fitted = train(recipe, images, open_folder, progress)
    trained, network, at_cut, folder = fitted.trained, fitted.network, fitted.at_cut, fitted.folder
    size = trained.parts.backbone.input_size
    images = trained.images
    held_out = images.of_split(images.held_out)
    labels = images.labels[held_out]
    with progress.stage("evaluate", total=len(held_out)) as stage:
        names = [images.rows[index].name for index in held_out]
        evaluation = evaluate_network(
            network, recipe, lambda: at_cut.in_order(held_out, labels), labels, names, images.classes
        )
        evaluation.write_predictions(folder / "predictions.csv")
        stage.update(len(held_out), accuracy=evaluation.metrics["accuracy"])
    with progress.stage("export", unit="file"):
        write_weights(folder / "weights.npz", network.variables)
        write_saved_model(
            folder / "export" / "1",
            network.probabilities,
            network.variables,
            images.classes,
            size,
            recipe.data.resize,
        )
    write_outcome(folder, place, trained, evaluation, gates, progress, began)
    place.finish()
    return evaluation
