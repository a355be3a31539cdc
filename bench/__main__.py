"""python -m bench: lists the benchmarks; python -m bench NAME runs one."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console

from . import command


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: that of the benchmark, or 2 for an unknown name."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if not arguments or arguments[0] in ("-h", "--help", "list"):
        command.list_all(Console())
        return 0
    name, *rest = arguments
    if name not in command.NAMES:
        try:
            command.benchmark(name)
        except ValueError as error:
            print(f"bench: {error}", file=sys.stderr)
            return 2
    return command.main(name, rest)


if __name__ == "__main__":
    sys.exit(main())
