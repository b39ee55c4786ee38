"""Eviction policies: one policy, one file.

A policy is an order over keys. It does not see values, sizes or the clock; the tier that owns it
decides when an entry must leave, the policy which.
"""
