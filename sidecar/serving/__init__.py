"""What any listener needs, whatever its protocol: admission, limits, socket files.

Synchronous throughout. It knows no protocol and no entry.
"""
