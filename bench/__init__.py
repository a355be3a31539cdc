"""Benchmarks: one file a question, each run as `python -m bench.<name>`.

Where there are competitors, they must agree before they are timed, and they are timed in turn in
one run, so that a machine whose speed drifts is fair to all.
"""
