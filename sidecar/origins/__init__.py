"""HTTP origins: fetches of what a namespace does not have.

The only importer of aiohttp's client beside kube. An origin is not trusted with memory, time or the
network: all three are bounded here. It does not know the store: who waits for a fetch, and what a
stale value is good for, is decided elsewhere.
"""
