"""The life of the configuration document: where it comes from, what is in force, what was rejected.

Every source (a folder, a ConfigMap, the copy on the volume) ends in one place, which parses a text
once and swaps documents whole. It does not know what a document configures: whoever wires the
sidecar hands over what puts one in force.
"""
