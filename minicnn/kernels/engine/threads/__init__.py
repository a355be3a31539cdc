"""Threads for the compiled kernels: a team of waiting threads, and how it shares work."""
