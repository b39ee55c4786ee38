"""Prometheus metrics and logs.

The only importer of prometheus_client. Collectors read snapshots when scraped; the data path counts
in plain integers and does not depend on collectors.
"""
