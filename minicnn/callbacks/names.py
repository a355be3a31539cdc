"""Names of metrics in the logs, and their aliases."""

from __future__ import annotations

from collections.abc import Iterable

from ..metrics import ALIASES


def resolve(name: str) -> str:
    """The full name: `acc` is `accuracy`, `val_acc` is `val_accuracy`."""
    base = name.removeprefix("val_")
    return name.removesuffix(base) + ALIASES.get(base, base)


def find(name: str, logs: Iterable[str], caller: str) -> str:
    """The name in `logs`: `name`, or its full form.

    Raises:
        ValueError: neither is there; the message lists the names.
    """
    known = list(logs)
    for candidate in (name, resolve(name)):
        if candidate in known:
            return candidate
    hint = ""
    if name.startswith("val_") and not any(entry.startswith("val_") for entry in known):
        hint = "; val_… needs validation_data or validation_split in fit"
    raise ValueError(
        f"{caller}: no metric {name!r} in the logs, which have {', '.join(known)}{hint}"
    )
