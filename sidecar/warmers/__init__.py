"""Warmers: entries that are loaded into the cache from a file or a URL, as `warmers.yaml` says.

A run gives way to live requests, is bounded in rate and time, and leaves alone what was written
after it began. A source is not trusted: a broken entry is reported with its line, and the others
are loaded. It does not know HTTP handlers and metrics: both read its reports.
"""
