"""The data path: get, put, delete, invalidate, over three tiers that do not know each other."""
