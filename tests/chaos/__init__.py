"""Faults of every kind against a sidecar under load, with every answer checked against a model."""
