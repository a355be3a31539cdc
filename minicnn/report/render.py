"""Rendering and writing a page."""

from __future__ import annotations

import base64
import hashlib
import math
import time
from collections.abc import Mapping
from pathlib import Path

from ..atomic_file import atomic_path
from ..strict_json import to_json
from ..version import __version__


def write(path: Path, page: str) -> Path:
    """Write the page atomically; returns `path`.

    Raises:
        OSError: it cannot be written.
    """
    with atomic_path(path) as temporary:
        # "?" for each byte of a file name that is not text
        temporary.write_text(page, encoding="utf-8", errors="replace")
    return path


def render(template: str, **values: object) -> str:
    """The page from a template and `values`, which are escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    loader = PackageLoader("minicnn.report")
    environment = Environment(
        loader=loader, autoescape=True, trim_blocks=True, undefined=StrictUndefined
    )
    style, script = (loader.get_source(environment, n)[0] for n in ("style.css", "script.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template(template).render(
        **values,
        style=Markup(style),
        script=Markup(script),
        script_hash=f"'sha256-{digest}'",
        version=__version__,
        written=time.strftime("%Y-%m-%d"),
    )


def script_json(value: object) -> str:
    """JSON that is safe inside a <script>: nothing in it can end the element."""
    from markupsafe import Markup

    return Markup(to_json(value).replace("<", "\\u003c"))


def words(value: object) -> str:
    """An option's value as text, e.g. "shift 2, rotate 10" for a mapping."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {words(item)}" for name, item in value.items() if item)
    return f"{value:g}" if isinstance(value, float) else str(value)


def known(value: object) -> bool:
    """Whether it is a finite number: run.json has null for NaN."""
    return isinstance(value, (int, float)) and math.isfinite(value)
