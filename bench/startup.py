"""python -m bench.startup: seconds from the command to the first training step, cold and warm.

Each run is a new process; "cold" has an empty folder for Numba's compiled kernels, "warm" the one
that the cold run filled.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

PROGRAM = """
from minicnn import MnistData, Sequential, networks
data = MnistData("sample").load()
model = Sequential(networks.course(), (28, 28, 1), seed=0)
model.compile(metrics=["accuracy"])
model.train_on_batch(data.train_x[:64], data.train_labels[:64])
"""


def seconds_to_first_step(cache: str) -> float:
    """From starting a Python process to the end of its first training step, and its exit."""
    begun = time.perf_counter()
    environment = os.environ | {"NUMBA_CACHE_DIR": cache}
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, env=environment)
    return time.perf_counter() - begun


def main(argv: Sequence[str] | None = None) -> int:
    """Print cold and warm seconds of each round."""
    parser = argparse.ArgumentParser(prog="python -m bench.startup", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(argv)
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as cache:
            cold, warm = seconds_to_first_step(cache), seconds_to_first_step(cache)
        print(f"first run {cold:.2f} s, second run {warm:.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
