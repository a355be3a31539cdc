"""The machine: limits of a container, features of a processor, load of other processes."""

from __future__ import annotations

import builtins
import os
from pathlib import Path
from typing import Any

import pytest

from minicnn.kernels.batch_pieces import usable_processors
from minicnn.runs import machine


def system(root: Path, groups: str, **files: str) -> Path:
    """A root folder with /proc/self/cgroup and files of /sys/fs/cgroup ("__" for "/")."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    for name, text in files.items():
        *folders, last = name.split("__")
        file = root.joinpath("sys/fs/cgroup", *folders, last.replace("_max", ".max"))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    return root


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/\n", {"cpu_max": "150000 100000"}, 1.5),
        ("0::/\n", {"cpu_max": "max 100000"}, None),
        ("0::/a/b\n", {"a__b__cpu_max": "max 100000", "a__cpu_max": "200000 100000"}, 2.0),
        ("0::/a/b\n", {"a__b__cpu_max": "50000 100000", "cpu_max": "200000 100000"}, 0.5),
        ("0::/gone\n", {}, None),
        ("1:cpu:/\n", {}, None),
        ("0::/\n", {"cpu_max": "nonsense"}, None),
        ("0::/\n", {"cpu_max": "100000 0"}, None),
    ],
)
def test_the_smallest_quota_of_all_control_groups_counts(
    tmp_path: Path, groups: str, files: dict[str, str], expected: float | None
) -> None:
    assert machine.cpu_quota(system(tmp_path, groups, **files)) == expected


def test_without_control_groups_there_is_no_limit(tmp_path: Path) -> None:
    assert machine.cpu_quota(tmp_path) is None


def test_usable_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without affinity, all of them."""
    assert 1 <= usable_processors() <= (os.cpu_count() or 1)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert usable_processors() == os.cpu_count()


def test_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.open

    def without(file: Any, *args: Any, **options: Any) -> Any:
        if str(file).startswith("/proc"):
            raise FileNotFoundError(file)
        return real(file, *args, **options)

    monkeypatch.setattr(builtins, "open", without)
    assert machine.OtherLoad().cores() is None
    assert machine.cpu_features() == frozenset()


def test_other_load_excludes_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, total, own = [0.0, 2.0], [10.0, 13.0], [1.0, 2.5]
    monkeypatch.setattr(machine.time, "perf_counter", lambda: clock.pop(0))
    monkeypatch.setattr(machine, "_all_seconds", lambda: total.pop(0))
    monkeypatch.setattr(machine, "_own_seconds", lambda: own.pop(0))
    assert machine.OtherLoad().cores() == 0.75
