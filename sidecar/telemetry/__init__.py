"""What people see of a running sidecar: Prometheus metrics and logs.

The only importer of prometheus_client. Collectors read snapshots when they are scraped; the data
path counts in plain integers and does not know that anybody reads them.
"""
