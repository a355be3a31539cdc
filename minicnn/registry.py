"""From a name or a saved configuration to an object, and back.

Layers, optimizers, losses, schedules and initializers are dataclasses: their fields are their
configuration, and JSON can hold it. No code is ever read from a file: a configuration names
classes out of a fixed table.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")


def lookup(kind: str, given: Any, table: Mapping[str, type[T]], base: type[T]) -> T:
    """The object that `given` means: an instance, a name of the table, or a configuration.

    Raises:
        ValueError: an unknown name, or a configuration that does not fit.
        TypeError: something else altogether.
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
                f"expected options of {kind} {cls.__name__} out of {sorted(known)}, "
                f"received {sorted(options)}"
            )
        return cls(**options)
    raise TypeError(f"expected {kind} as a name or an object, received {given!r}")


def find(kind: str, name: str, table: Mapping[str, type[T]]) -> type[T]:
    """The class called `name`: by its snake_case key or by its class name.

    Raises:
        ValueError: unknown; the message lists what there is, and the nearest.
    """
    by_class = {cls.__name__: cls for cls in table.values()}
    found = table.get(name) or by_class.get(name)
    if found is None:
        close = difflib.get_close_matches(name, [*table, *by_class], 1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise ValueError(f"unknown {kind} {name!r}{hint}; there are: {', '.join(sorted(table))}")
    return found


def config_of(thing: Any) -> Any:
    """`thing` as JSON can hold it: a dataclass becomes {"class": name, …its fields}."""
    if is_dataclass(thing) and not isinstance(thing, type):
        values = {f.name: config_of(getattr(thing, f.name)) for f in fields(thing) if f.init}
        return {"class": type(thing).__name__, **values}
    if isinstance(thing, dict):
        return {key: config_of(value) for key, value in thing.items()}
    if isinstance(thing, (tuple, list)):
        return [config_of(item) for item in thing]
    return thing.item() if isinstance(thing, np.generic) else thing
