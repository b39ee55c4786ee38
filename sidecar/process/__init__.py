"""This process and its system: the interpreter, the allocator, control groups, state files.

The only importer of psutil. It does not know the cache, and could be used by another program.
"""
