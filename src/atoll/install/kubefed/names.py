"""How things are called that `join` makes in a member: one set for each pair of member and host."""


def account(cluster: str, host: str) -> str:
    """The ServiceAccount by which `host` reaches `cluster`, and the Secret with its token."""
    return f"{cluster}-{host}"


def role(account: str) -> str:
    """Its role, and the binding of that."""
    return f"kubefed-controller-manager:{account}"


def health_role(account: str, namespace: str) -> str:
    """The ClusterRole by which a control plane of one namespace looks whether the member lives."""
    return f"kubefed-controller-manager:{namespace}:healthcheck-{account}"
