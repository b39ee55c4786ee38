"""The running sidecar: its settings, its wiring, and what turns its knobs.

It is the one package that imports every other one. `sidecar` builds the parts in one pass, in the
order of the layers, each with what it needs; then it starts them. Nothing here decides about
entries, rules or documents. Only the commands import it.
"""
