"""Atoll manages many Kubernetes clusters as one and deploys applications to them."""

__version__ = "0.1.0"
