"""200 drawings a second beside training: all are predicted, without errors.

`python -m bench visor` measures the time of the answers.
"""

import pytest

from bench.visor import KINDS, RATE, ask, serving, training

pytestmark = pytest.mark.exhaustive
SECONDS = 5


@pytest.fixture(scope="module")
def link():
    """A page that shows a run in training."""
    with training() as running, serving(running.folder) as link:
        yield link
        assert running.process.poll() is None


@pytest.mark.parametrize("kind", KINDS)
def test_all_requests_are_answered(link, kind):
    result = ask(link, kind, RATE, SECONDS)
    assert result["errors"] == []
    assert result["asked"] == len(result["seconds"]) == RATE * SECONDS
