"""A run whose backbone and features are chosen on its training images before it begins."""

from __future__ import annotations

import gc
from dataclasses import replace

from transferkit.evaluation import Evaluation
from transferkit.files.whole_file import write_whole
from transferkit.recipe import Recipe
from transferkit.recipe.sweep import trial_recipe
from transferkit.runs.best.choose_steps import choose_steps
from transferkit.runs.best.decided import forget_decided
from transferkit.runs.best.staircase import Staircase
from transferkit.runs.execute import execute
from transferkit.runs.results.write_results import write_inputs
from transferkit.runs.run_context import RunContext
from transferkit.training.images import Images

__all__ = ["run_best"]


def run_best(recipe: Recipe, images: Images, context: RunContext) -> Evaluation:
    """Chooses, or takes up what an interrupted run chose, and makes the run of it.

    Args:
        recipe: the resolved recipe with its section ``[best]``.
        images: prepared from it.
        context: of the run.

    Raises:
        UserError: the recipe's backbone cannot be used.
    """
    folder = context.place.open(context.resume)
    found = Staircase.read(folder)
    if found is None:
        beginning = folder / "choice"
        beginning.mkdir(exist_ok=True)
        write_inputs(beginning, recipe, images, context.place)
        write_whole(folder / "choice.toml", recipe.to_toml())
        found = choose_steps(recipe, images.take(images.of_split("train")), context.progress, beginning)
        found.write(folder)
        forget_decided(beginning)
        if (trouble := context.place.keep()) is not None:
            context.progress.say(trouble)
    # What was judged is gone before the run loads its own.
    gc.collect()
    return execute(trial_recipe(recipe, list(found.values.items())), images, replace(context, resume=True))
