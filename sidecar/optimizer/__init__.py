"""Rules, baselines and trials: measurements go in, decisions come out.

Pure: it is told the time, and does no I/O. It does not know the store, the tiers, sockets or the
clock; the control loop applies what it decides.
"""
