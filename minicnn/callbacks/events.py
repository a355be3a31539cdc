"""EventFile: a file for TensorBoard, written with tensorboardX, without its thread."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from ..layer_stats.array_stats import BINS, ArrayStatistics

NAMES = "events.out.tfevents.*"
INSTALL = (
    "TensorBoard needs the library tensorboardX to write its files: "
    'pip install "minicnn[tensorboard]"'
)


def expect_library() -> None:
    """Raises ImportError, which says what to install, if tensorboardX is missing."""
    try:
        import tensorboardX  # noqa: F401
    except ImportError as error:
        raise ImportError(INSTALL) from error


class EventFile:
    """A new event file in `folder`, which is created.

    Args:
        purge_step: TensorBoard hides the entries of earlier files from this step on; None: none.

    Raises:
        OSError: it can't be created.
    """

    def __init__(self, folder: Path, purge_step: int | None = None) -> None:
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import SessionLog

        folder.mkdir(parents=True, exist_ok=True)
        earlier = set(folder.glob(NAMES))
        suffix = f".{len(earlier)}"  # two may be created in the same second
        self._writer = EventsWriter(str(folder / "events"), suffix)
        self._path = next(iter(set(folder.glob(NAMES)) - earlier))
        if purge_step is not None:
            self._write(purge_step, session_log=SessionLog(status=SessionLog.START))

    def scalar(self, tag: str, value: float, step: int) -> None:
        """A point of the curve `tag`."""
        self._add(step, tag=tag, simple_value=float(value))

    def histogram(self, tag: str, measured: ArrayStatistics, step: int) -> None:
        """The histogram of array_stats.measure(); nothing if no number was finite."""
        from tensorboardX.proto.summary_pb2 import HistogramProto

        low, high, counts = measured["min"], measured["max"], measured["histogram"]
        total = sum(counts)
        if low is None or high is None or measured["mean"] is None:
            return
        # Each limit is the upper end of its bin; if all numbers are equal, one bin has them all.
        limits = np.linspace(low, high, BINS + 1)[1:].tolist() if high > low else [high]
        square = 0.0 if measured["std"] is None else measured["std"] ** 2 + measured["mean"] ** 2
        histogram = HistogramProto(
            min=low, max=high, num=total, sum=measured["mean"] * total, sum_squares=square * total,
            bucket_limit=limits, bucket=counts[: len(limits)],
        )  # fmt: skip
        self._add(step, tag=tag, histo=histogram)

    def image(self, tag: str, png: bytes, step: int) -> None:
        """A picture."""
        from tensorboardX.proto.summary_pb2 import Summary

        height, width = (int.from_bytes(png[at : at + 4], "big") for at in (20, 16))
        image = Summary.Image(height=height, width=width, colorspace=4, encoded_image_string=png)
        self._add(step, tag=tag, image=image)

    def flush(self) -> None:
        """Make everything so far visible to readers.

        Raises:
            FileNotFoundError: the file was deleted.
            OSError: it can't be written.
        """
        self._writer.flush()
        if not self._path.exists():
            raise FileNotFoundError(f"{self._path.name} was deleted")

    def close(self) -> None:
        """Close the file."""
        self._writer.close()

    def _add(self, step: int, **value: Any) -> None:
        from tensorboardX.proto.summary_pb2 import Summary

        self._write(step, summary=Summary(value=[Summary.Value(**value)]))

    def _write(self, step: int, **content: Any) -> None:
        from tensorboardX.proto.event_pb2 import Event

        self._writer.write_event(Event(wall_time=time.time(), step=step, **content))
