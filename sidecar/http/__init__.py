"""The data API for the application, the ops API, and the console, over aiohttp.

HTTP alone: parsing, dispatch, conditional requests, problem details. Every error ends as a problem
(RFC 9457). It does not know RocksDB, Prometheus or Kubernetes, and holds no rule about entries that
another protocol would need too.
"""
