"""python -m bench.startup: seconds from `python -m minicnn.train` to its first training step.

Each run is a new process that ends after that step. The first has an empty folder for Numba's
compiled kernels, the second the one that the first filled. (Python's own bytecode and the
operating system's file cache are warm in both.)
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

# The command itself, cut short after the first step of fit; the very first step of all is the
# one on blank images that compiles the kernels.
PROGRAM = """
import os
from minicnn import fit, train
step, steps = fit.train_step, []
def counted(*arguments):
    result = step(*arguments)
    steps.append(result)
    if len(steps) == 2:
        os._exit(0)
    return result
fit.train_step = counted
train.main(["--quiet"])
"""


def seconds_to_first_step(cache: str) -> float:
    """From starting the process to the end of its first training step."""
    environment = os.environ | {"NUMBA_CACHE_DIR": cache}
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", PROGRAM], check=True, env=environment, cwd=folder)
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
