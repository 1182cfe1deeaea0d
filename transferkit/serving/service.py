"""One model's answers to requests: photos become pixels in threads, and pass the network together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from transferkit.cpu import available_cores
from transferkit.errors import UserError
from transferkit.export.outputs import outputs_of
from transferkit.serving.batching import Batcher
from transferkit.serving.decode_photos import Photos
from transferkit.serving.insight import Insight
from transferkit.serving.request_limits import Limits, Refusal
from transferkit.serving.served_model import Served
from transferkit.serving.server_metrics import Metrics
from transferkit.type_names import NamedValues

__all__ = ["Service"]

_TOP, _NEIGHBOURS = 5, 6
# Images that are decoded and not answered yet, in passes: what waits beyond them stays encoded.
_PASSES = 4


class Service:
    """What the server's routes ask.

    Args:
        served: the model.
        limits: of requests.
        insight: what explains answers; None where no run is served.
        neighbours: whether the page shows training photos.

    Attributes:
        served, limits, insight, neighbours: the same.
        metrics: what is counted.
    """

    def __init__(
        self, served: Served, limits: Limits, insight: Insight | None = None, neighbours: bool = False
    ) -> None:
        self.served, self.limits, self.insight = served, limits, insight
        self.neighbours = neighbours and insight is not None
        self.metrics = Metrics(lambda: self._batcher.waiting)
        self._photos = Photos(served.about.decoding, limits)
        self._batcher = Batcher(served.answer, limits.batch, self.metrics.passed)
        self._room = asyncio.Semaphore(_PASSES * limits.batch)
        self._decoders = ThreadPoolExecutor(available_cores(), thread_name_prefix="transferkit-decode")
        self._explainer = ThreadPoolExecutor(1, thread_name_prefix="transferkit-explain")

    @property
    def healthy(self) -> bool:
        """Whether requests are answered."""
        return self._batcher.alive

    async def start(self) -> None:
        """Begins, in the running event loop; the first pass, which is the slowest, is done by then."""
        await asyncio.to_thread(self._photos.prepare)
        height, width = self.served.about.input_size
        await asyncio.to_thread(self.served.answer, np.zeros((1, height, width, 3), np.uint8))
        self._batcher.start()
        if self.insight is not None and self.neighbours:
            self._explainer.submit(self.insight.prepare)

    async def stop(self) -> None:
        """Ends."""
        await self._batcher.stop()
        for pool in (self._decoders, self._explainer):
            pool.shutdown(wait=False, cancel_futures=True)

    async def in_thread(self, function: Any, *arguments: Any) -> Any:
        """Runs what would hold up the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._decoders, function, *arguments)

    async def outputs(self, images: Sequence[bytes | np.ndarray], key: str) -> dict[str, np.ndarray]:
        """The outputs of a signature, a row an image.

        Args:
            images: encoded, or uint8 ``[H, W, 3]``.
            key: what the request calls them, for messages.

        Raises:
            Refusal: one of them is no image, or beyond the limits.
        """

        async def one(number: int, image: bytes | np.ndarray) -> np.ndarray:
            try:
                return await self._row(image)
            except Refusal as error:
                raise Refusal(error.status, f"{key}[{number}]: {error.message}") from None

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(number, image)) for number, image in enumerate(images)]
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return outputs_of(np.stack([task.result() for task in tasks]), self.served.about)

    async def label(self, encoded: bytes) -> NamedValues:
        """What the page says of a photo.

        Raises:
            Refusal: it is no image, or beyond the limits.
        """
        began = time.perf_counter()
        row = await self._row(encoded)
        about = self.served.about
        outputs = {name: values[0] for name, values in outputs_of(row[np.newaxis], about).items()}
        best = zip(outputs["labels"][:_TOP], outputs["scores"][:_TOP].tolist(), strict=True)
        told: NamedValues = {
            "top": [{"label": label, "probability": probability} for label, probability in best],
            "confident": bool(outputs.get("confident", True)),
            "unknown": bool(outputs["unknown"]) if "unknown" in outputs else None,
            "novelty": float(outputs["novelty"]) if "novelty" in outputs else None,
        }
        if "present" in outputs:
            pairs = zip(about.classes, outputs["present"], strict=True)
            told["labels"] = [label for label, present in pairs if present]
        return {**told, "milliseconds": round(1000 * (time.perf_counter() - began), 1)}

    async def heat(self, encoded: bytes) -> NamedValues:
        """The photo with what speaks for its most probable class laid over it."""
        if self.insight is None:
            return {"picture": None, "reason": "an export holds no feature maps; serve its run to see them"}
        image, shape = await self.in_thread(self._photos.of_photo, encoded)
        best = int((await self._batcher.ask(image))[: len(self.served.about.classes)].argmax())
        try:
            picture = await self._explained(self.insight.heat, image, best, shape)
        except UserError as error:
            return {"picture": None, "reason": error.faults[0]}
        reason = None if picture else "the network has no one map that all of its answer rests on"
        return {"picture": picture, "label": self.served.about.classes[best], "reason": reason}

    async def similar(self, encoded: bytes) -> NamedValues:
        """The training photos that are most like a photo."""
        if self.insight is None or not self.neighbours:
            return {"photos": [], "reason": "training photos are not shown"}
        image = await self.in_thread(self._photos.of_bytes, encoded)
        try:
            near = await self._explained(self.insight.neighbours, image, _NEIGHBOURS)
        except UserError as error:
            return {"photos": [], "reason": error.faults[0]}
        return {"photos": [vars(one) for one in near], "reason": None}

    async def _row(self, image: bytes | np.ndarray) -> np.ndarray:
        make = self._photos.of_bytes if isinstance(image, bytes) else self._photos.of_pixels
        async with self._room:
            return await self._batcher.ask(await self.in_thread(make, image))

    async def _explained(self, function: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._explainer, function, *arguments)
