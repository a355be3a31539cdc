"""The compiled kernels, one for each geometry: why minicnn is fast.

`operations.py` is the entry: prepared operations for whole batches of one shape. Only this folder
imports its kernels (and numba_kernels.py, which calls warp.py). Without Numba it is not imported.

In this folder, a name in CAPITALS inside a factory is a value that is known when the kernel is
compiled: a size, a tuple of sizes, or a flag.
"""
