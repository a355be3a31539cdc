"""200 drawings a second beside training: each is read, and none fails.

How long that takes is printed, and no reason to fail: machines are shared. `python -m bench visor`
measures the same for 20 s.
"""

import pytest

from bench.visor import KINDS, RATE, milliseconds, request, serving, training

SECONDS = {"pixels": 20, "png": 5}  # of asking


@pytest.fixture(scope="module")
def link():
    """A page about a run that is training."""
    with training() as running, serving(running.folder) as link:
        yield link
        assert running.process.poll() is None  # it has been training all the time


@pytest.mark.parametrize("kind", KINDS)
def test_all_are_read(link, kind):
    answers = request(link, kind, RATE, SECONDS[kind])
    figures = ", ".join(
        f"{name}: {value:.1f}" for name, value in milliseconds(answers["seconds"]).items()
    )
    print(f"{answers['asked']} requests, {kind}: {figures}")
    assert answers["errors"] == []
    assert answers["asked"] == len(answers["seconds"]) == RATE * SECONDS[kind]
