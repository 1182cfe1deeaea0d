"""A campaign of damage: one random byte anywhere in a cache, a run or an export, and what becomes of it.

    python tests/faults/campaign_mutations.py --count 200 --seed 0

A cache, an interrupted run, a finished run and its export are made once from tiny images. Each mutation works
on a copy: one byte of one file (larger files are hit more often, but every file has its turn) becomes
another. Then what a user would do is done with it, and the end is one of

* noticed: a line names what is wrong;
* repaired: it is made again, with a note, and the answer is the same;
* harmless: the answer is the same, bit by bit;
* **wrong**: another answer without a word, or a traceback. There must be none.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import os
import random
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from PIL import Image

KINDS = ("cache", "partial", "run", "export")


class _Killed(BaseException):
    """Ends a run where a kill would."""


def photos(folder: Path) -> Path:
    """Three classes of twelve tiny images, in an archive."""
    rng = np.random.default_rng(0)
    for label, colour in enumerate([(200, 60, 60), (60, 200, 60), (60, 60, 200)]):
        place = folder / "photos" / f"class{label}"
        place.mkdir(parents=True)
        for number in range(12):
            noise = rng.normal(0, 40, (24, 24, 3)) + np.array(colour)
            Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8)).save(place / f"{number}.png")
    return Path(shutil.make_archive(str(folder / "photos"), "zip", folder, "photos"))


class Campaign:
    """The originals, and what is done with copies of them.

    Args:
        folder: where everything lies.
    """

    def __init__(self, folder: Path) -> None:
        import transferkit

        self.folder = folder
        self.archive = photos(folder)
        self.sample = sorted(str(path) for path in (folder / "photos").rglob("*.png"))[::5]
        self.originals = folder / "original"
        os.environ["TRANSFERKIT_CACHE"] = str(self.originals / "cache")
        self.options = {"backbone": "embedded", "quiet": True, "epochs": 3, "early_stopping": False}
        self.more = [("evaluation.grad_cam", 0), ("export.parity", False), ("data.path", str(self.archive))]
        transferkit.retrain(run=self.originals / "run", overrides=self.more, **self.options)
        shutil.copytree(self.originals / "run" / "export", self.originals / "export")
        self.interrupt()
        self.tasks: dict[str, Callable[[Path], object]] = {
            "cache": self.use_cache,
            "partial": self.use_partial,
            "run": self.use_run,
            "export": self.use_export,
        }
        self.expected: dict[str, object] = {}
        for kind in KINDS:
            end, self.expected[kind], lines = self.attempt(kind, None)
            assert end == "answered", f"the undamaged {kind}: {end}: {''.join(lines)}"

    def interrupt(self) -> None:
        """Leaves a run that was ended after its second epoch."""
        import transferkit
        from transferkit.training.history import History

        append = History.append

        def ending(history: History, row: dict) -> None:
            append(history, row)
            if row["epoch"] == 2:
                raise _Killed

        History.append = ending  # type: ignore[method-assign]
        try:
            transferkit.retrain(run=self.originals / "partial" / "run", overrides=self.more, **self.options)
        except _Killed:
            pass
        finally:
            History.append = append  # type: ignore[method-assign]

    def use_cache(self, place: Path) -> object:
        """A run over the cache: its weights and figures."""
        import transferkit

        os.environ["TRANSFERKIT_CACHE"] = str(place)
        run = transferkit.retrain(
            run=self.folder / "again", overrides=self.more, overwrite=True, **self.options
        )
        return answer(run)

    def use_partial(self, place: Path) -> object:
        """The interrupted run goes on."""
        import transferkit

        return answer(transferkit.retrain(run=place / "run", resume=True, quiet=True))

    def use_run(self, place: Path) -> object:
        """What a finished run is read for: verify, evaluate, its evaluation and mistakes, predict."""
        import transferkit
        from transferkit.runs.folder.verify import verify_run

        run = transferkit.load_run(place)
        changes = verify_run(run)
        if changes:
            raise Noticed(changes[0])
        again = run.evaluate(quiet=True)
        return [
            answer(run),
            again.metrics,
            again.probabilities.tolist(),
            run.evaluation.metrics,
            run.history,
            [vars(one) | {"file": None} for one in run.mistakes()],
            predictions(place, self.sample),
        ]

    def use_export(self, place: Path) -> object:
        """The export alone: its answers."""
        return predictions(place, self.sample)

    def attempt(self, kind: str, mutate: Callable[[Path], None] | None) -> tuple[str, object, list[str]]:
        """How it ends with a copy: the end, the answer, and what was said."""
        from transferkit.errors import UserError

        copy = self.folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.rmtree(self.folder / "again", ignore_errors=True)
        shutil.copytree(self.originals / kind, copy, symlinks=True)
        os.environ["TRANSFERKIT_CACHE"] = str(self.folder / "cache")
        if not (self.folder / "cache").exists():
            shutil.copytree(self.originals / "cache", self.folder / "cache")
        if mutate is not None:
            mutate(copy)
        said = _Lines()
        logging.getLogger("transferkit").addHandler(said)
        stderr = io.StringIO()
        try:
            with contextlib.redirect_stderr(stderr), contextlib.redirect_stdout(stderr):
                return "answered", self.tasks[kind](copy), said.lines
        except (UserError, Noticed) as error:
            return "noticed", None, [str(error)]
        except Exception as error:
            return "traceback", None, traceback.format_exception(error)
        finally:
            logging.getLogger("transferkit").removeHandler(said)


class Noticed(Exception):
    """A reader says that something was changed."""


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def answer(run) -> object:
    """What a run gave: its weights and figures."""
    with np.load(run.path / "weights.npz") as file:
        weights = {name: file[name].tobytes().hex() for name in file.files}
    return [weights, run.metrics, list(run.classes)]


def predictions(place: Path, files: list[str]) -> object:
    """What `transferkit predict` answers."""
    from transferkit.runs.prediction.exported import Exported
    from transferkit.runs.prediction.find_export import find_model

    return [repr(one) for one in Exported(find_model(place)).predict(files, top=3)]


def mutation(random_: random.Random, place: Path) -> tuple[Path, int, int, int]:
    """A file, a place in it, and the byte before and after."""
    files = sorted(path for path in place.rglob("*") if path.is_file() and path.stat().st_size)
    if random_.random() < 0.5:
        file = random_.choice(files)
    else:
        file = random_.choices(files, [path.stat().st_size for path in files])[0]
    at = random_.randrange(file.stat().st_size)
    with open(file, "rb") as opened:
        opened.seek(at)
        before = opened.read(1)[0]
    after = before ^ random_.randrange(1, 256)
    return file.relative_to(place), at, before, after


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="*", default=KINDS, choices=KINDS)
    parser.add_argument("--log", type=Path, help="a JSON line for each mutation")
    options = parser.parse_args()
    random_ = random.Random(options.seed)
    ends: Counter = Counter()
    wrong = 0
    log = open(options.log, "w") if options.log else None  # noqa: SIM115 -- for the whole campaign
    with tempfile.TemporaryDirectory() as folder:
        campaign = Campaign(Path(folder))
        for number in range(options.count):
            kind = options.kinds[number % len(options.kinds)]
            file, at, before, after = mutation(random_, campaign.originals / kind)

            def mutate(copy: Path, file=file, at=at, after=after) -> None:
                stamps = (copy / file).stat()
                with open(copy / file, "r+b") as opened:
                    opened.seek(at)
                    opened.write(bytes([after]))
                os.utime(copy / file, ns=(stamps.st_atime_ns, stamps.st_mtime_ns))

            end, found, lines = campaign.attempt(kind, mutate)
            if end == "answered":
                same = json.dumps(found, default=str) == json.dumps(campaign.expected[kind], default=str)
                if not same:
                    end = "other answer"
                else:
                    end = "repaired" if lines else "harmless"
            bad = end in ("other answer", "traceback")
            wrong += bad
            ends[kind, end] += 1
            line = f"{number + 1:4} {kind:8} {end:12} {file}:{at} {before:02x}->{after:02x}"
            print(line, lines[-1].strip().splitlines()[-1][:120] if lines else "", flush=True)
            if bad:
                print("".join(lines), flush=True)
            if log:
                log.write(json.dumps({"kind": kind, "end": end, "file": str(file), "at": at}) + "\n")
    for (kind, end), count in sorted(ends.items()):
        print(f"{kind:8} {end:12} {count}")
    print(f"{options.count} mutations, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
