"""Rules, baselines and trials: what is measured goes in, what is to be done comes out."""
