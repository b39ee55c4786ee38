"""Dashboards, rules and alerts; what makes them is in `mixin`."""
