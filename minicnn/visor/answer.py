"""The server's answers: JSON."""

from __future__ import annotations

import json

from starlette.responses import JSONResponse


class Answer(JSONResponse):
    """JSON in UTF-8, with "?" for characters that are not Unicode, as in some file names."""

    def render(self, content: object) -> bytes:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode(errors="replace")
