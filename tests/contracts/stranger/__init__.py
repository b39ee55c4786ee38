"""A policy, an action and a signal that the sidecar does not know, each in one file.

Nothing in `sidecar/` names them; they come in through the catalogue in `__main__`.
"""
