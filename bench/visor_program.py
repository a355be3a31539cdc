"""The client that bench.visor starts: it sends drawings at a fixed rate to a page's server.

    python -m bench.visor_program LINK pixels|png RATE SECONDS

Requests have fixed times, whether or not earlier ones are answered, and the seconds of an answer
count from the time when its request was due. So when a server stalls, the delay counts for all
requests due in that time, not only for the current one.
"""

from __future__ import annotations

import http.client
import io
import json
import sys
import threading
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

import numpy as np

from .child import send

CLIENTS = 8  # persistent connections; a request waits if all are in use
DRAWINGS = 64
SIDE = 280  # pixels of a drawing: the page's canvas
TIMEOUT = 10.0  # seconds for an answer


def main(argv: Sequence[str]) -> None:
    """Send requests, then a message with the seconds of each answer and the errors."""
    link, kind, rate, seconds = argv
    content, bodies = drawings(kind)
    client = Client(link, content, bodies, float(rate), float(seconds))
    client.run()
    send(asked=client.count, seconds=client.took, errors=client.errors)


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
    """Sends `rate` requests a second, for `seconds`.

    After run(), `took` has the seconds of each answer since it was due, and `errors` a line for
    each that is missing or wrong.
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
        """Send all requests, and wait for the last answer."""
        self._begun = time.perf_counter() + 0.2
        threads = [threading.Thread(target=self._work) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _work(self) -> None:
        connection = http.client.HTTPConnection(self._server, timeout=TIMEOUT)
        for number in self._next:
            due = self._begun + number / self._rate
            time.sleep(max(due - time.perf_counter(), 0.0))
            try:
                body = self._bodies[number % len(self._bodies)]
                connection.request("POST", "/api/read?polarity=bright-on-dark", body, self._headers)
                answer = connection.getresponse()
                problem = check(answer.status, answer.read())
            except (OSError, http.client.HTTPException) as error:
                problem = repr(error)
                connection.close()
            self.took.append(time.perf_counter() - due)
            if problem:
                self.errors.append(problem)
        connection.close()


def check(status: int, content: bytes) -> str:
    """What is wrong with an answer; "" if it has probabilities."""
    if status != 200:
        return f"{status}: {content[:200]!r}"
    answer = json.loads(content)
    found = answer if "probabilities" in answer else answer["mnist"]
    total = sum(found["probabilities"])
    return "" if abs(total - 1) < 0.01 else f"probabilities add up to {total}"


if __name__ == "__main__":
    main(sys.argv[1:])
