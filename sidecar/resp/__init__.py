"""The Redis protocol, RESP2 and RESP3, with the commands that a cache of values needs.

Bytes go into a client, and replies come out of it in the same order; only `connection` and
`listener` know sockets. Commands are a table (`commands`), and run synchronously over the store
once the versions of their keys are at hand. The only importer of hiredis. It uses `api` and
`serving`, and nothing of `http`.
"""
