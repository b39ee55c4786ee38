"""The Kubernetes API: the ConfigMap source, and Events. `connection` is imported only where used.

The only importer of kubernetes. It does not know what a document means, nor the cache.

Of the official client, only what reads credentials and makes requests is used, and none of the
packages around it that import everything: the generated API for one list and one watch. Measured
over a process that has aiohttp and pydantic (PSS, with one list and one watch):

    all of it, `kubernetes.aio` with CoreV1Api    43 MiB
    `ApiClient`, its packages imported whole      17 MiB
    `ApiClient` alone, as here                     3 MiB
    no client, only aiohttp                        1 MiB
"""
