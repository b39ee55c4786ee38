"""This process and its system: the interpreter, the allocator, control groups, state files.

The only importer of psutil. It does not know the cache: all of it could serve another program.
"""
