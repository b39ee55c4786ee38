"""What reads bytes that it cannot trust: each gives a value, or an error of its own, and no other.

`make test` runs a few hundred examples of each, `make fuzz` hundreds of thousands.
"""
