"""Eviction policies: one policy, one file.

A policy is an order over keys. It has no access to values, sizes or the clock. The tier decides
when an entry must leave; the policy decides which.
"""
