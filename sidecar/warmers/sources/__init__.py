"""Kinds of sources of warmers, one file each, in the catalogue. All implement `protocol`."""
