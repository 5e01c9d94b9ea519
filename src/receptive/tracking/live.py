"""A training that is shown in MLflow epoch by epoch, where ``track.live`` says so; else MLflow is not loaded."""

import contextlib
import importlib
from collections.abc import Callable, Iterator
from typing import Any

from receptive.params.schema import Params


@contextlib.contextmanager
def live_training(
    training: str, params: Params, shown: bool = True
) -> Iterator[Callable[[list[dict[str, Any]]], None]]:
    """Shows a training in MLflow while it goes on, when ``track.live`` says so.

    Its run is RUNNING inside the block and FINISHED after it, FAILED after an exception and KILLED
    after an interruption; ``runs.log_pipeline`` completes it. A store that cannot be written costs one line on
    stderr and the rest of the live curves, never the training.

    Args:
        training: Its name.
        params: The parameters of the study.
        shown: False where another process shows it.

    Yields:
        The callback ``on_epoch`` of ``training.loop.train``.
    """
    if not (params.track.live and shown):
        yield lambda rows: None
        return
    live = importlib.import_module("receptive.tracking.runs").Live(training, params)  # MLflow takes seconds
    with live:
        yield live.log
