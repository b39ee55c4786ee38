"""Signals: what is measured, by name, over any span of the last hour.

Readings come in as plain numbers and go into columns. It does not know rules, the store or where a
reading comes from.
"""
