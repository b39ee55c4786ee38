"""Contract suites for pytest: the requirements on every policy, action and tier.

Authors of plugins subclass them. Requires pytest and hypothesis, which the sidecar itself does not
install; no other package imports this one.
"""
