"""Intake: from what users wrote, in any dialect, to the one `Intent` that the engine knows.

Pure functions: what they need of the hub, such as the objects that an Application selects, is given to them.
"""
