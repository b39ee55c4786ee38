"""L3: the child process that keeps entries in RocksDB, and the frames exchanged with it.

The only importer of rocksdict. Other rooms may import `wire` and `mark` alone: the main process
never loads RocksDB. It does not know the event loop, the policies in memory or the configuration.
"""
