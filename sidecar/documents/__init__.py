"""The lifecycle of the configuration document: its sources, the one in force, the last rejected.

All sources (a directory, a ConfigMap, the copy on the volume) lead to one place, which parses a
text once and replaces the document as a whole. It does not know what a document configures:
`app` passes a callback that applies one.
"""
