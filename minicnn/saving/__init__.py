"""Models and checkpoints on disk: one `.safetensors` file each, with a checksum."""

from .model_file import load, save

__all__ = ["load", "save"]
