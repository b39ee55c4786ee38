"""The words that every layer shares: entry, clock, invalidation, error, counter."""
