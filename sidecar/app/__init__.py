"""The running sidecar: its settings, its wiring, and what turns its knobs.

The one room that knows every other one. It builds the parts in one pass, starts and stops them, and
decides nothing about entries, rules or documents. Only the commands know it.
"""
