"""L3: the child process that keeps entries in RocksDB, and what is said to it (`wire`)."""
