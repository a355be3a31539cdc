"""The compiled kernels for one geometry each: why minicnn is fast.

`operations.py` is the entry: prepared operations for whole batches of one shape. Nothing outside of
this folder imports Numba's kernels from here; without Numba the folder is not imported at all.

In this folder, a name in CAPITALS inside a factory is a value that is known when the kernel is
compiled: a size, a tuple of sizes, or another kernel.
"""
