"""From a name or a saved configuration to an object, and back.

Layers, optimizers, losses, schedules and initializers are dataclasses: their fields are their
configuration, as JSON values. A file never contains code: a configuration names classes of a fixed
table.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")


def lookup(kind: str, given: object, table: Mapping[str, type[T]], base: type[T]) -> T:
    """The object for an instance, a class, a name in the table, or a configuration.

    Raises:
        ValueError: an unknown name, or a configuration with unknown options.
        TypeError: another type.
    """
    if isinstance(given, base):
        return given
    if isinstance(given, type) and issubclass(given, base):
        return given()
    if isinstance(given, str):
        return find(kind, given, table)()
    if isinstance(given, Mapping):
        options = dict(given)
        cls = find(kind, str(options.pop("class", None)), table)
        known = {f.name for f in fields(cls) if f.init} if is_dataclass(cls) else set()
        if not options.keys() <= known:
            raise ValueError(
                f"expected options of {kind} {cls.__name__} from {sorted(known)}, "
                f"received {sorted(options)}"
            )
        return cls(**options)
    raise TypeError(f"expected {kind} as a name or an object, received {given!r}")


def find(kind: str, name: str, table: Mapping[str, type[T]]) -> type[T]:
    """The class with this snake_case key or class name.

    Raises:
        ValueError: unknown; the message lists the names, and suggests the nearest.
    """
    by_class = {cls.__name__: cls for cls in table.values()}
    found = table.get(name) or by_class.get(name)
    if found is None:
        close = difflib.get_close_matches(name, [*table, *by_class], 1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise ValueError(f"unknown {kind} {name!r}{hint}; known: {', '.join(sorted(table))}")
    return found


def config_of(thing: object) -> Any:
    """`thing` as JSON values: a dataclass becomes {"class": name, …its fields}."""
    if is_dataclass(thing) and not isinstance(thing, type):
        values = {f.name: config_of(getattr(thing, f.name)) for f in fields(thing) if f.init}
        return {"class": type(thing).__name__, **values}
    if isinstance(thing, dict):
        return {key: config_of(value) for key, value in thing.items()}
    if isinstance(thing, (tuple, list)):
        return [config_of(item) for item in thing]
    return thing.item() if isinstance(thing, np.generic) else thing
