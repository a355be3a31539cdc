"""Benchmarks: one file a question, each run as `python -m bench.<name>`.

Every one checks that the competitors agree before it times them, and times them in turn in one
run, so that a machine whose speed drifts is fair to all.
"""
