"""The place of what only Numba can do: convolution + bias + ReLU + max-pool in one pass.

Nothing is fused yet; the layers run one after the other.
"""
