"""Modules that moved: importing an old name raises an ImportError that gives the new one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType

# In names without the leading "minicnn."; submodules of an old package fail with the package.
MOVED = {
    "answers": "predict.output",
    "blobs": "pictures.components",
    "callbacks.base": "hooks",
    "callbacks.events": "callbacks.tensorboard",
    "callbacks.health": "layer_stats.problems",
    "callbacks.interrupt": "callbacks.stopping",
    "callbacks.jsonl": "callbacks.logs",
    "callbacks.measures": "layer_stats.array_stats",
    "callbacks.names": "callbacks.improvement",
    "callbacks.pace": "callbacks.throttle",
    "callbacks.stats_file": "layer_stats.stats_file",
    "callbacks.strict": "strict_json",
    "checkpoints": "saving.checkpoints",
    "classifier": "runs.classifier",
    "data.preview": "sprite.tables",
    "doctor.caches": "doctor.facts",
    "doctor.diagnosis": "doctor.facts",
    "files": "atomic_file",
    "greyscale": "pictures.greyscale",
    "imaging": "pictures.imaging",
    "ink": "pictures.ink",
    "kernels.atomic": "kernels.engine.threads.atomic",
    "kernels.correlation": "kernels.engine.correlation",
    "kernels.emit": "kernels.engine.codegen.emit",
    "kernels.frame": "kernels.engine.padded_copy",
    "kernels.fused": "kernels.engine.fused",
    "kernels.gemm": "kernels.numpy_kernels",
    "kernels.multiply": "kernels.engine.codegen.multiply",
    "kernels.numberwise": "kernels.elementwise",
    "kernels.panels": "kernels.engine.panels",
    "kernels.parts": "kernels.engine.building_blocks",
    "kernels.phases": "kernels.engine.phases",
    "kernels.planes": "kernels.engine.planes",
    "kernels.pointwise": "kernels.engine.elementwise",
    "kernels.product": "kernels.engine.product",
    "kernels.resampling": "kernels.engine.warp",
    "kernels.rows": "kernels.engine.codegen.rows",
    "kernels.sharing": "kernels.engine.threads.work_sharing",
    "kernels.simd": "kernels.engine.codegen.simd",
    "kernels.team": "kernels.engine.threads.team",
    "kernels.threads": "kernels.batch_pieces",
    "kernels.tile": "kernels.engine.codegen.tile",
    "kernels.transpose": "kernels.engine.codegen.transpose",
    "kernels.weight_gradient": "kernels.engine.weight_gradient",
    "kernels.wild": "kernels.engine.nonfinite",
    "kernels.winners": "kernels.engine.fused_backward",
    "machine": "runs.machine",
    "networks": "architectures",
    "options": "command_line",
    "plots.classes": "plots.confusion",
    "plots.patch_rows": "plots.patches",
    "preprocess": "pictures.prepare",
    "recipes": "train.recipes",
    "resume": "run_state",
    "sealed": "saving.sealed_file",
    "stored": "state_checks",
    "trace": "explain.trace",
    "twins": "explain.layer_copies",
}
# Moved out of the package, to the benchmarks in minicnn's repository.
TO_BENCH = {"kernels.ceiling": "peak", "plots.gallery": "gallery"}


class MovedFinder:
    """The first finder of sys.meta_path.

    After an update, an old package can leave a folder of compiled files (minicnn/trace/__pycache__)
    that a later finder would import as an empty package.
    """

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> None:
        """Reject the old name of a moved module.

        Raises:
            ImportError: the module moved. (A ModuleNotFoundError would be swallowed by
                `from minicnn import NAME`.)
        """
        if not name.startswith("minicnn."):
            return
        old = name.removeprefix("minicnn.")
        if (new := MOVED.get(old)) is not None:
            raise ImportError(f"{name} has moved: import minicnn.{new}", name=name)
        if (new := TO_BENCH.get(old)) is not None:
            raise ImportError(f"{name} has moved: bench.{new} in minicnn's repository", name=name)


def install() -> None:
    """Put the finder into sys.meta_path, once."""
    if MovedFinder not in sys.meta_path:
        sys.meta_path.insert(0, MovedFinder)
