"""What a phase does with what an earlier process left of it: its history, its checkpoints."""

from __future__ import annotations

from pathlib import Path

from transferkit.estimator.checkpoints.checkpoint_files import newest_whole, step_of
from transferkit.estimator.estimator import Estimator
from transferkit.estimator.run_config import RunConfig
from transferkit.estimator.summaries import tell_summaries
from transferkit.training.history import History
from transferkit.training.phases.phase_data import PhaseData, PhaseSetup
from transferkit.training.progress import Progress
from transferkit.transfer.model_fn import make_model_fn
from transferkit.transfer.network import Network
from transferkit.type_names import Variable

__all__ = ["align", "fresh_judge", "take_over"]


def align(history: History, checkpoints: Path, name: str, progress: Progress) -> None:
    """Takes a history back to the newest checkpoint that can be read, from where training goes on.

    Where that is an earlier one, because the newest is damaged or missing, its epochs are trained again, with
    the same outcome.

    Args:
        history: of the phase.
        checkpoints: their folder.
        name: of the phase, for messages.
        progress: says how many epochs are trained again.
    """
    newest = newest_whole(str(checkpoints), set())
    dropped = history.go_back(0 if newest is None else max(0, step_of(newest)))
    if dropped:
        progress.say(f"phase {name}: its newest checkpoint is damaged or missing: {dropped} epochs again")


def fresh_judge(network: Network, setup: PhaseSetup, compiled: bool) -> Estimator:
    """An Estimator for the network as it is: it finds no checkpoint to read.

    Args:
        network: with the weights to evaluate.
        setup: of the phase.
        compiled: whether XLA compiles its steps.
    """
    config = RunConfig(**{**setup.devices.run_config(), "jit_compile": compiled})
    judge = Estimator(make_model_fn(network), model_dir=str(setup.folder / "evaluation"), config=config)
    tell_summaries(judge, None)
    return judge


def take_over(estimator: Estimator, data: PhaseData, network: Network, variables: list[Variable]) -> None:
    """Reads the newest checkpoint where no training does it: the network's state, then these variables.

    After this another Estimator must evaluate, which finds the weights as they are: this one would read its
    checkpoint again, over any averages that stand in the weights' place.

    Args:
        estimator: whose checkpoints they are.
        data: of the phase.
        network: whose state is read.
        variables: that an evaluation has no use for.
    """
    estimator.evaluate(data.validation)
    # What an evaluation has no use for, such as the state of dropout's random numbers; a layer that draws
    # nothing in training has none in the checkpoint.
    saved = set(estimator.get_variable_names())
    drawn = [one for one in network.state_variables if getattr(one, "path", None) in saved]
    for variable in [*drawn, *variables]:
        variable.assign(estimator.get_variable_value(variable.path))
