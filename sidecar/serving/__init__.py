"""What any listener needs, whatever its protocol: admission, limits, idle time, socket files.

Synchronous: what changes later is heard by a callback. It knows no protocol and no entry.
"""
