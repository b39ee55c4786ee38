"""L3: the child process that keeps entries in RocksDB, and the frames exchanged with it.

The only importer of rocksdict. Other packages may import only `wire` and `mark`: the main process
never loads RocksDB. It knows neither the event loop, the policies in memory nor the configuration.
"""
