"""The description of the machine."""

from bench import environment
from minicnn.runs import machine
from minicnn.runs.machine import OtherLoad


def test_it_can_be_put_into_lines():
    about = environment.describe()
    lines = dict(environment.lines(about))
    assert set(lines) >= {"processor", "threads", "vector unit", "BLAS", "versions", "date"}
    assert f"numpy {about['versions']['numpy']}" in lines["versions"]
    assert environment.headline(about).startswith(about["processor"])


def test_settings_that_matter_are_listed(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("UNRELATED", "1")
    about = environment.describe()
    assert about["variables"]["OPENBLAS_CORETYPE"] == "Haswell"
    assert "UNRELATED" not in about["variables"]
    assert "OPENBLAS_CORETYPE=Haswell" in dict(environment.lines(about))["settings"]


def test_a_disturbed_run_says_so_in_its_plots():
    about = environment.describe() | {"others": 0.7}
    assert environment.is_disturbed(about)
    assert "other processes kept 0.7 cores busy" in environment.headline(about)
    quiet = about | {"others": 0.01}
    assert not environment.is_disturbed(quiet)
    assert "busy" not in environment.headline(quiet)
    assert not environment.is_disturbed(about | {"others": None})


def test_other_load(monkeypatch):
    clock = iter([0.0, 10.0])
    everybody, own = iter([100.0, 115.0]), iter([5.0, 12.0])
    monkeypatch.setattr(machine.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(machine, "_all_seconds", lambda: next(everybody))
    monkeypatch.setattr(machine, "_own_seconds", lambda: next(own))
    assert OtherLoad().cores() == 0.8  # 15 s in all, 7 of them ours, within 10


def test_waiting_ends_when_other_processes_are_idle_or_at_the_timeout(monkeypatch):
    busy = iter([0.9, 0.8, 0.02])
    monkeypatch.setattr(OtherLoad, "cores", lambda self: next(busy))
    assert environment.wait_until_quiet(100, interval=0)
    monkeypatch.setattr(OtherLoad, "cores", lambda self: 0.9)
    assert not environment.wait_until_quiet(0, interval=0)


def test_other_load_where_it_is_unknown(monkeypatch):
    monkeypatch.setattr(machine, "_all_seconds", lambda: None)
    assert OtherLoad().cores() is None
