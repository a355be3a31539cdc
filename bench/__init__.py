"""Benchmarks, one file a question: `python -m bench` lists them, `python -m bench NAME` runs one.

Where there are competitors they must compute the same before they are timed, and they are timed
in turn in one run, so that a machine whose speed drifts is fair to all.
"""
