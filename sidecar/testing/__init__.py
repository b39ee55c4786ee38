"""Contract suites: what any policy, action or tier has to do, for pytest.

Authors of plugins subclass them. Needs pytest and hypothesis, which the sidecar itself does not
install; no other room imports this one.
"""
