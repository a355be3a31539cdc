"""Reading a kernel's machine code: is its hottest loop vectorized?"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

REGISTERS = {"zmm": r"%zmm\d", "ymm": r"%ymm\d", "xmm": r"%xmm\d", "neon": r"\bv\d+\.(4s|2d)\b"}
FMA = re.compile(r"^\s*v?f(n?m(add|sub|la|ls)|ml[as])", re.IGNORECASE)  # x86, and ARM's fmla
LABEL = re.compile(r"^([.\w$]+):")
JUMP = re.compile(r"^\s*(j\w+|b(\.\w+)?|cbn?z|tbn?z)\s.*?([.\w$]+)\s*$")
STACK = re.compile(r"\(%r[sb]p|\[(sp|x29)\b")


class Block(NamedTuple):
    """A stretch of instructions that is run from its label to its end.

    Args:
        instructions: how many.
        fma: multiply-adds, by the widest registers that they use; "scalar": one number each.
        vector: all instructions, by the widest registers that they use.
        stack: instructions that touch the stack: registers did not suffice.
        loop: whether it jumps back to its own beginning.
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
            f"all that use vector registers: {vector}; that touch the stack: {self.stack}"
        )


def blocks(assembly: str) -> Iterator[Block]:
    """The blocks of a listing: each begins at a label or after a jump, and ends with one."""
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

    In a matrix product that is where the time goes; sums too short for a loop are unrolled.
    """
    found = [block for block in blocks(assembly) if block.multiply_adds]
    loops = [block for block in found if block.loop]
    return max(loops or found, key=lambda block: block.multiply_adds, default=None)


def dispatchers(thing: Any, depth: int = 4) -> Iterator[Any]:
    """The jitted functions that an object holds, in its attributes, lists, tuples and dicts."""
    if hasattr(thing, "py_func") and hasattr(thing, "nopython_signatures"):
        yield thing
    elif depth:
        inside: Any = ()
        if isinstance(thing, dict):
            inside = thing.values()
        elif isinstance(thing, (list, tuple)):
            inside = thing
        elif type(thing).__module__.startswith("minicnn"):
            inside = vars(thing).values()
        for part in inside:
            yield from dispatchers(part, depth - 1)


def assembly(dispatcher: Any) -> str:
    """The machine code of a jitted function, for the types that it was last called with.

    It is compiled once more: a kernel that comes from the cache has no listing.
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
