"""Installation: what puts the hub on a cluster that people have, keeps it up to date there, and takes it away again.

A manifest here is one object of the hub's own installation. All of them come from one function, `objects()`: what
`atoll install` applies and what lies in `deploy/` are the same.
"""
