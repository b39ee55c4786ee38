"""Signals: what is measured, by name, over any span of the last hour.

A signal declares what it is computed from and the reader that takes those readings from `Sources`.
They go into columns as plain numbers. It does not know rules or the store.
"""
