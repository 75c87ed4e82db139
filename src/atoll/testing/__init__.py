"""Testing: what Atoll itself is tried with, and what users may try theirs with.

`localfleet` runs real control planes as plain processes on one machine, with simulated nodes; `binaries` finds or makes
the programs it needs; `fakeapi` is an API server in memory that loses, delays and repeats what a bad network would;
`faultproxy` stands before a real one and does the same.
"""
