"""The public API passes mypy --strict in a user's program."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import minicnn

PROGRAM = Path(__file__).with_name("user_program.py")
ROOT = Path(minicnn.__file__).parents[1]


@pytest.mark.exhaustive
def test_user_program_passes_mypy_strict(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", str(PROGRAM)],
        cwd=tmp_path,
        env=os.environ | {"MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
