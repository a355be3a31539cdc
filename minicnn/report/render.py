"""Templates filled in, and written."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import time
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from ..atomic_file import atomic_path
from ..version import __version__


def write(path: Path, page: str) -> Path:
    """Write the page by rename; returns `path`.

    Raises:
        OSError: it cannot be written.
    """
    with atomic_path(path) as temporary:
        # a file may be called what is no text: "?" stands for each such byte
        temporary.write_text(page, encoding="utf-8", errors="replace")
    return path


def render(template: str, **values: Any) -> str:
    """The page that a template makes of `values`; whatever they hold is shown as text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("minicnn.report"),
        autoescape=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )
    script = _file("script.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template(template).render(
        **values,
        style=Markup(_file("style.css")),
        script=Markup(script),
        script_hash=f"'sha256-{digest}'",
        version=__version__,
        written=time.strftime("%Y-%m-%d"),
    )


def _file(name: str) -> str:
    return (
        resources.files("minicnn.report")
        .joinpath("templates")
        .joinpath(name)
        .read_text(encoding="utf-8")
    )


def script_json(value: Any) -> Any:
    """JSON that may stand in a <script>: nothing in it can end one."""
    from markupsafe import Markup

    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))


def words(value: Any) -> str:
    """A value of an option as a reader likes it: 0.1 for 0.1, "shift 2, rotate 10" for a table."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {words(item)}" for name, item in value.items() if item)
    return f"{value:g}" if isinstance(value, float) else str(value)


def known(value: Any) -> bool:
    """Whether it is a number that can be told: run.json has null for NaN."""
    return isinstance(value, (int, float)) and math.isfinite(value)
