"""The command in its own process, and what it writes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import minicnn
from minicnn import kernels

ROOT = os.fspath(Path(minicnn.__file__).parents[1])


def start(options, *, before=""):
    """The command in its own process, without plots; it executes `before` first. Ctrl-C works even
    if this process ignores SIGINT."""
    code = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from minicnn import runs, train\n"
        "from minicnn.callbacks import PlotMetrics\n"
        "runs.draw = PlotMetrics._draw = lambda *args, **options: None\n"
        f"{before}\n"
        "sys.exit(train.main(sys.argv[1:]))\n"
    )
    return subprocess.Popen(
        [sys.executable, "-u", "-c", code, *map(str, options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={
            **os.environ,
            "PYTHONPATH": ROOT,
            "PYTHONIOENCODING": "utf-8",
            "MINICNN_BACKEND": kernels.current_backend(),
        },
    )


def finish(process, timeout=60):
    """Output and errors; a process that hangs is killed."""
    try:
        return process.communicate(timeout=timeout)
    finally:
        process.kill()
        process.communicate()


def run_json(folder):
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))
