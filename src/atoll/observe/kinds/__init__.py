"""What healthy means, kind by kind: one function a kind, from the live object to its health.

A rule reads the object and nothing else. It may raise on a shape that it doesn't know; that reads as Unknown, never as
Healthy. Deletion is looked at before any rule.
"""
