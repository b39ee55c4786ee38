"""A policy, an action and a signal that are not part of the sidecar, each in one file.

Nothing in `sidecar/` names them; the catalogue in `__main__` adds them.
"""
