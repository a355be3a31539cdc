"""minicnn: a lightweight CNN written from scratch (NumPy, optionally Numba)."""
__version__ = "0.1.0"
