"""A volume that somebody else writes to: every name on it, replaced by everything it could be."""
