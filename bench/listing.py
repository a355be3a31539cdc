"""Read the machine code of a kernel: is its hottest loop vectorized?"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

REGISTERS = {"zmm": r"%zmm\d", "ymm": r"%ymm\d", "xmm": r"%xmm\d", "neon": r"\bv\d+\.(4s|2d)\b"}
FMA = re.compile(r"^\s*v?f(n?m(add|sub|la|ls)|ml[as])", re.IGNORECASE)  # x86, and ARM's fmla
LABEL = re.compile(r"^([.\w$]+):")
JUMP = re.compile(r"^\s*(j\w+|b(\.\w+)?|cbn?z|tbn?z)\s.*?([.\w$]+)\s*$")
STACK = re.compile(r"\(%r[sb]p|\[(sp|x29)\b")


class Block(NamedTuple):
    """A sequence of instructions that runs from its label to its end.

    Args:
        instructions: their number.
        fma: multiply-adds by the widest registers that they use; "scalar": one number each.
        vector: all instructions by the widest registers that they use.
        stack: instructions that access the stack, because registers were too few.
        loop: whether it jumps back to its start.
    """

    label: str
    instructions: int
    fma: dict[str, int]
    vector: dict[str, int]
    stack: int
    loop: bool

    @property
    def multiply_adds(self) -> int:
        """Of all widths."""
        return sum(self.fma.values())

    def __str__(self) -> str:
        kind = "a loop" if self.loop else "straight-line code"
        fma, vector = (
            ", ".join(f"{n} {name}" for name, n in found.items()) or "none"
            for found in (self.fma, self.vector)
        )
        return (
            f"{kind} of {self.instructions} instructions; multiply-adds: {fma}; "
            f"instructions with vector registers: {vector}; with the stack: {self.stack}"
        )


def blocks(assembly: str) -> Iterator[Block]:
    """The blocks of a listing: each starts at a label or after a jump, and ends at the next one."""
    label = ""
    lines: list[str] = []
    for line in assembly.splitlines():
        found = LABEL.match(line)
        if not found and line.startswith(("\t", " ")) and line.strip()[:1] not in ".#/;":
            lines.append(line)
        if found or JUMP.match(line):
            if lines:
                yield _block(label, lines)
            label, lines = found[1] if found else "", []
    if lines:
        yield _block(label, lines)


def hottest(assembly: str) -> Block | None:
    """The block with the most multiply-adds, loops before straight-line code; None without any.

    A matrix product spends its time there; sums too short for a loop are unrolled.
    """
    found = [block for block in blocks(assembly) if block.multiply_adds]
    loops = [block for block in found if block.loop]
    return max(loops or found, key=lambda block: block.multiply_adds, default=None)


def dispatchers(thing: object, depth: int = 4) -> Iterator[Any]:
    """The jitted functions in an object's attributes, lists, tuples and dicts."""
    if hasattr(thing, "py_func") and hasattr(thing, "nopython_signatures"):
        yield thing
    elif depth:
        inside: Iterable[object] = ()
        if isinstance(thing, dict):
            inside = thing.values()
        elif isinstance(thing, (list, tuple)):
            inside = thing
        elif type(thing).__module__.startswith("minicnn"):
            inside = vars(thing).values()
        for item in inside:
            yield from dispatchers(item, depth - 1)


def assembly(dispatcher: Any) -> str:
    """The machine code of a jitted function, for the types that it was last called with.

    It is compiled again, because a kernel from the cache has no listing.
    """
    import numba

    fresh = numba.jit(**dispatcher.targetoptions)(dispatcher.py_func)
    signature = dispatcher.nopython_signatures[-1].args
    fresh.compile(signature)
    return fresh.inspect_asm(signature)


def _block(label: str, lines: list[str]) -> Block:
    fma: Counter[str] = Counter()
    vector: Counter[str] = Counter()
    for line in lines:
        width = next((name for name, seen in REGISTERS.items() if re.search(seen, line)), None)
        if width:
            vector[width] += 1
        if FMA.match(line):
            scalar = re.match(r"^\s*vf\w+s[sd]\s", line)  # …ss, …sd: one number of an xmm
            fma["scalar" if scalar or width is None else width] += 1
    last = JUMP.match(lines[-1])
    return Block(
        label=label,
        instructions=len(lines),
        fma=dict(fma),
        vector=dict(vector),
        stack=sum(bool(STACK.search(line)) for line in lines),
        loop=bool(last and last[3] == label),
    )
