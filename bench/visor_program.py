"""The client that bench.visor starts: so many drawings a second, to be read by a page's server.

    python -m bench.visor_program LINK pixels|png RATE SECONDS

Requests have their times, whether or not those before are answered: an answer's seconds count from
when its request was due. So a server that stands still for a moment is seen to keep everybody
waiting who came meanwhile, not only the one whose turn it was.
"""

from __future__ import annotations

import http.client
import io
import json
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from .child import tell

CLIENTS = 8  # connections, which are kept; a request waits if all are taken
DRAWINGS = 64
SIDE = 280  # pixels of a drawing: the page's canvas
PATIENCE = 10.0  # seconds for an answer


def main(argv: Sequence[str]) -> None:
    """Ask, and tell how long each answer took, and what went wrong."""
    link, kind, rate, seconds = argv
    content, bodies = drawings(kind)
    client = Client(link, content, bodies, float(rate), float(seconds))
    client.run()
    tell(asked=client.count, seconds=client.took, errors=client.errors)


def drawings(kind: str) -> tuple[str, list[bytes]]:
    """(content type, bodies) of test digits, as numbers or as drawings of the page's size."""
    from PIL import Image

    from minicnn import MnistData

    images = np.asarray(MnistData("sample", progress=False).load().test_x[np.arange(DRAWINGS)])
    if kind == "pixels":
        rows = [[round(float(value), 4) for value in image.ravel()] for image in images]
        return "application/json", [json.dumps({"pixels": row}).encode() for row in rows]
    bodies = []
    for image in images[..., 0]:
        file = io.BytesIO()
        picture = Image.fromarray(np.uint8(np.rint(image * 255))).resize((SIDE, SIDE))
        picture.save(file, "PNG")
        bodies.append(file.getvalue())
    return "image/png", bodies


class Client:
    """Asks `rate` times a second, for so many seconds.

    After run(), `took` has the seconds of each answer since it was due, and `errors` a line for
    each that did not come, or is wrong.
    """

    def __init__(
        self, link: str, content: str, bodies: list[bytes], rate: float, seconds: float
    ) -> None:
        self._server, self._bodies, self._rate = urlsplit(link).netloc, bodies, rate
        self._headers = {"Content-Type": content}
        self.count = round(rate * seconds)
        self.took: list[float] = []
        self.errors: list[str] = []
        self._next = iter(range(self.count))  # `next` on it is atomic
        self._begun = 0.0

    def run(self) -> None:
        """Ask all, and wait for the last answer."""
        self._begun = time.perf_counter() + 0.2
        threads = [threading.Thread(target=self._work) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _work(self) -> None:
        connection = http.client.HTTPConnection(self._server, timeout=PATIENCE)
        for number in self._next:
            due = self._begun + number / self._rate
            time.sleep(max(due - time.perf_counter(), 0.0))
            try:
                body = self._bodies[number % len(self._bodies)]
                connection.request("POST", "/api/read?polarity=bright-on-dark", body, self._headers)
                answer = connection.getresponse()
                complaint = check(answer.status, answer.read())
            except (OSError, http.client.HTTPException) as error:
                complaint = repr(error)
                connection.close()
            self.took.append(time.perf_counter() - due)
            if complaint:
                self.errors.append(complaint)
        connection.close()


def check(status: int, content: bytes) -> str:
    """What is wrong with an answer; "" if it holds probabilities."""
    if status != 200:
        return f"{status}: {content[:200]!r}"
    answer: dict[str, Any] = json.loads(content)
    found = answer if "probabilities" in answer else answer["mnist"]
    total = sum(found["probabilities"])
    return "" if abs(total - 1) < 0.01 else f"probabilities add up to {total}"


if __name__ == "__main__":
    main(sys.argv[1:])
