"""Which proxy leads to a server: the kubeconfig's, else what HTTPS_PROXY, HTTP_PROXY and NO_PROXY say."""

import ipaddress
import os
from collections.abc import Mapping
from urllib.parse import urlsplit


def proxy_for(server: str, given: str = "", environment: Mapping[str, str] = os.environ) -> str:
    """The proxy's URL, or "" for none. As in Go's httpproxy, loopback addresses never go through the environment's."""
    if given:
        return given
    target = urlsplit(server)
    name = f"{target.scheme}_proxy"
    proxy = environment.get(name.upper()) or environment.get(name) or ""
    if not proxy or _excluded(target.hostname or "", target.port, environment):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _excluded(host: str, port: int | None, environment: Mapping[str, str]) -> bool:
    address = _address(host)
    if host == "localhost" or (address and address.is_loopback):
        return True
    listed = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    return any(_matches(entry.strip().lower(), host, port, address) for entry in listed.split(",") if entry.strip())


def _matches(
    entry: str, host: str, port: int | None, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None
) -> bool:
    if entry == "*":
        return True
    if address:
        try:
            return address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            pass  # not a network: a name, or an address with a port
    name, _, wanted = entry.rpartition(":")
    if name and wanted.isdigit():
        if int(wanted) != port:
            return False
        entry = name.strip("[]")
    entry = entry.removeprefix("*").lstrip(".")
    return host == entry or host.endswith(f".{entry}")


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
