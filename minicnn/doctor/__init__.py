"""What decides minicnn's speed on this machine, and what to do to go faster.

diagnosis.py finds the facts (blas.py and caches.py a part of them each), remedies.py says what to
do about them, findings.py puts them into words, command.py prints the page.
"""
