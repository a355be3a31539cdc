"""The model of a run folder."""

from __future__ import annotations

from pathlib import Path

from ..errors import ModelError
from ..saving import checkpoints
from .folder import CHECKPOINTS, MODEL
from .record import RUNNING, read_record


def find_model(folder: Path) -> Path:
    """The file with a run's model: its final model; while it trains, or after a kill, its newest
    checkpoint.

    Raises:
        FileNotFoundError: there is neither.
    """
    if found := find_models(folder):
        return found[0]
    others = sorted(file.name for file in folder.glob("*.safetensors"))
    hint = f"it holds {', '.join(others[-3:])}: name one" if others else "it holds no model"
    raise FileNotFoundError(f"{folder}: expected a folder with {MODEL}; {hint}")


def find_models(folder: Path) -> list[Path]:
    """The file that find_model returns, and those to use if it is damaged, best first."""
    model, found = folder / MODEL, checkpoints.in_folder(folder / CHECKPOINTS)[::-1]
    if not model.is_file():
        return found
    return [*found, model] if found and _is_running(folder) else [model, *found]


def _is_running(folder: Path) -> bool:
    try:
        return read_record(folder).status == RUNNING
    except (FileNotFoundError, ModelError):  # a model without a record
        return False
