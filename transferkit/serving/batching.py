"""Requests that come together share a pass through the network.

Whatever waits when the network is free goes into it together, up to a bound: a single request waits for
nothing, and under load batches grow by themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

__all__ = ["Batcher"]

_Waiting = tuple[np.ndarray, "asyncio.Future[np.ndarray]"]


class Batcher:
    """One thread that asks the network, for all requests.

    Args:
        answer: uint8 ``[N, h, w, 3]`` to a row an image; called from one thread.
        most: images of a pass.
        passed: told how many images each pass had.
    """

    def __init__(
        self, answer: Callable[[np.ndarray], np.ndarray], most: int, passed: Callable[[int], None]
    ) -> None:
        self._answer, self._most, self._passed = answer, most, passed
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="transferkit-model")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to answer, in the running event loop."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Ends it; whoever still waits is cancelled."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._thread.shutdown(wait=False, cancel_futures=True)

    @property
    def alive(self) -> bool:
        """Whether it answers."""
        return self._task is not None and not self._task.done()

    @property
    def waiting(self) -> int:
        """Images that are in no pass yet."""
        return self._queue.qsize()

    async def ask(self, image: np.ndarray) -> np.ndarray:
        """The network's row for one image uint8 ``[h, w, 3]``."""
        future: asyncio.Future[np.ndarray] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((image, future))
        return await future

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = [await self._queue.get()]
            while len(batch) < self._most and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            # Who gave up, because the time was up or the connection gone, needs no answer.
            batch = [one for one in batch if not one[1].done()]
            if not batch:
                continue
            images = np.stack([image for image, _ in batch])
            try:
                rows = await loop.run_in_executor(self._thread, self._answer, images)
            except asyncio.CancelledError:
                for _, future in batch:
                    future.cancel()
                raise
            except Exception as error:  # it belongs to those who asked; the next batch may fare better
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            self._passed(len(batch))
            for (_, future), row in zip(batch, rows, strict=True):
                if not future.done():
                    future.set_result(row)
