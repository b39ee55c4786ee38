"""Which Redis clients are told that this is: clients that keep a near cache ask for it."""

REDIS_VERSION = b"7.4.0"
