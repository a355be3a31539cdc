"""LLVM instructions that Numba does not emit by itself: the register tile and its loads."""
