"""What limits minicnn's speed on this machine, and what to change.

facts.py collects facts and measures, remedies.py derives advice from them, command.py prints both.
"""
