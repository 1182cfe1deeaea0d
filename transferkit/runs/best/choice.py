"""A choice under way: what is kept, what there is time for, and what each step changes."""

from __future__ import annotations

import gc
import time
from pathlib import Path

from transferkit.errors import UserError
from transferkit.recipe import Recipe
from transferkit.recipe.sweep import trial_recipe
from transferkit.runs.best.answers import Answers, compare
from transferkit.runs.best.decided import key_of, read_decided, write_decided
from transferkit.runs.best.judge import Judged, judge
from transferkit.runs.best.staircase import Staircase, Step
from transferkit.training.images import Images
from transferkit.training.progress import Progress
from transferkit.type_names import NamedValues

__all__ = ["NO_TIME", "Choice"]

# The share of the budget that a step may be begun in.
_SHARE = 0.85
NO_TIME = "there was no time for it; raise best.budget"


class Choice:
    """A choice under way.

    Args:
        recipe: with its section ``[best]``.
        images: the training images, and no others.
        progress: shows each step.
        folder: where each decision is written down, and where those of an interrupted process are; None to
            keep none.

    Attributes:
        recipe, images, progress: as given.
        best: the recipe's section.
    """

    def __init__(
        self, recipe: Recipe, images: Images, progress: Progress, folder: Path | None = None
    ) -> None:
        assert recipe.best is not None  # noqa: S101 -- for the type checker: the caller looked
        self.recipe, self.images, self.progress = recipe, images, progress
        self.best = recipe.best
        self._folder = folder
        self._key = [] if folder is None else key_of(recipe, images)
        self._decided = read_decided(folder, self._key)
        self._began = time.monotonic() - self._decided.spent
        if self._decided.steps:
            progress.say(f"best: {len(self._decided.steps)} steps were decided before; it goes on after them")

    @property
    def deadline(self) -> float:
        """On :func:`time.monotonic`."""
        return self._began + self.best.budget

    @property
    def kept(self) -> Judged:
        """The head that is kept."""
        assert self._decided.kept is not None  # noqa: S101 -- begin() came first
        return self._decided.kept

    @property
    def standing(self) -> Answers:
        """What is answered by what is kept."""
        assert self._decided.standing is not None  # noqa: S101 -- begin() came first
        return self._decided.standing

    @property
    def values(self) -> NamedValues:
        """Of the recipe, dotted key to value: what is kept."""
        return self._decided.values

    @property
    def backbone(self) -> str:
        """The first network of what is kept."""
        return str(self.values.get("backbone.name", self.recipe.backbone.name))

    def seconds_of(self, backbone: str) -> float:
        """That all images took through a backbone; 0 where that is not known."""
        return self._decided.seconds_of.get(backbone, 0.0)

    def is_done(self, name: str) -> bool:
        """A process before this one has decided this step."""
        return any(one.name == name for one in self._decided.steps)

    def has_time(self, seconds: float) -> bool:
        """So much more can be begun in the budget."""
        return time.monotonic() - self._began + seconds <= _SHARE * self.best.budget

    def begin(self, name: str) -> None:
        """Judges the recipe's own backbone: its linear head, and the best head.

        Args:
            name: of the backbone.
        """
        if self.is_done("the best head"):
            return
        judged = self._judged({})
        self._note(name, judged)
        self.add(_step(f"linear head on {name}", judged.linear, kept=True))
        comparison = compare(judged.linear, judged.answers)
        chosen = judged.facts["members"] != ["logistic regression, last"]
        step = _step(
            "the best head", judged.answers, comparison.gain, comparison.error, chosen, judged.seconds
        )
        self._decided.kept, self._decided.standing = judged, judged.answers
        self.add(step)

    def step(self, name: str, values: NamedValues, passes: int = 1) -> None:
        """Judges the recipe with these values beside those that are kept, and keeps them where it pays.

        Args:
            name: for people.
            values: dotted key to value.
            passes: of all images that they take.
        """
        if self.is_done(name):
            return
        # Another pass takes about as long as the one before it; a network that passed is kept.
        passed = all(one in self._decided.loss_of for one in values.get("backbone.join", [""]))
        needed = passes * self.kept.pass_seconds if self.kept.computed and not passed else 0.0
        if not self.has_time(needed):
            self.add(Step(name, note=NO_TIME))
            return
        try:
            judged = self._judged(values)
        except UserError as refused:
            self.add(Step(name, note=refused.faults[0]))
            return
        if "backbone.name" in values:
            self._note(values["backbone.name"], judged)
        comparison = compare(self.standing, judged.answers)
        step = _step(name, judged.answers, comparison.gain, comparison.error, comparison.pays, judged.seconds)
        if comparison.pays:
            self._decided.kept, self._decided.standing = judged, judged.answers
            self.values.update(values)
        self.add(step)

    def settle(self, *steps: tuple[str, Answers, float, NamedValues]) -> None:
        """Compares what something else than a head answers, and puts it in the place of the rest if it pays.

        Args:
            *steps: which are decided together: the name for people, answers of held-out images, seconds that
                they took, and what the recipe is then, dotted key to value.
        """
        for number, (name, answers, seconds, values) in enumerate(steps, start=1):
            comparison = compare(self.standing, answers)
            step = _step(name, answers, comparison.gain, comparison.error, comparison.pays, seconds)
            if comparison.pays:
                self._decided.standing, self._decided.values = answers, values
            self.add(step, last=number == len(steps))

    def second(self) -> str | None:
        """The backbone with the lowest log loss but for the one that is kept."""
        others = {name: loss for name, loss in self._decided.loss_of.items() if name != self.backbone}
        return min(others, key=lambda name: others[name]) if others else None

    def add(self, step: Step, last: bool = True) -> None:
        """Notes a step that is decided; it is said, and kept for a process after this one.

        Args:
            step: with what was decided.
            last: of those that are decided together.
        """
        if self.is_done(step.name):
            return
        self._decided.steps.append(step)
        self._decided.spent = time.monotonic() - self._began
        if self._folder is not None and last:
            write_decided(self._folder, self._decided, self._key)
        self.progress.say(f"best: {step.describe()}")

    def staircase(self) -> Staircase:
        """All of it."""
        found = Staircase(self._decided.steps, self.values, len(self.kept.answers.right))
        self.progress.say(f"best: {found.sentence}")
        return found

    def _note(self, name: str, judged: Judged) -> None:
        """What is known of a backbone by itself."""
        self._decided.loss_of[name] = judged.facts["log_loss"]
        if judged.computed:
            self._decided.seconds_of[name] = judged.pass_seconds

    def _judged(self, values: NamedValues) -> Judged:
        recipe = trial_recipe(self.recipe, list({**self.values, **values}.items()))
        left = self.deadline - time.monotonic()
        judged = judge(recipe, self.images, self.progress, max(5.0, left / 3))
        gc.collect()
        return judged


def _step(
    name: str,
    answers: Answers,
    gain: float | None = None,
    error: float | None = None,
    kept: bool = False,
    seconds: float = 0.0,
) -> Step:
    return Step(name, *answers.accuracy, float(answers.losses.mean()), gain, error, kept, seconds)
