"""Planning: from an intent and a frozen snapshot of the fleet to a plan.

Pure functions: no await, no clock, no randomness. So preview, dry run and "why here?" are the same functions as the
controller's. `planner.plan` is the numbered steps; each step is a file.
"""
