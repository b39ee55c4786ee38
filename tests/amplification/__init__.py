"""Memory: a real sidecar in a real control group, and inputs that take much more than they send."""
