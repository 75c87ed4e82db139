"""The Kubernetes HTTP API: client, watches, discovery, kubeconfig, errors.

This package speaks to one API server and knows nothing of Atoll's own kinds. What leaves it are its own
values (`Object`, `Listing`, `WatchEvent`) and its own exceptions (`KubeError`); the HTTP library stays inside.
"""
