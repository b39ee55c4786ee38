"""The text of a configuration document -> frozen values, or every mistake in it.

Pure: no files, no clock. A document is taken whole or refused whole, and each error says what to
write. It does not know where a text comes from, nor who uses the values.
"""
