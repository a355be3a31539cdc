"""Threads for the compiled kernels: a team that waits, and work that it shares."""
