"""Benchmarks, one file a question: `python -m bench` lists them, `python -m bench NAME` runs one.

Competitors must give the same results before they are timed. They are timed in turn within one run,
so a drift of the machine's speed affects all of them.
"""
