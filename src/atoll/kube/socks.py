"""The way to a server by a SOCKS proxy: it resolves the name, as it does for kubectl."""

import asyncio
from urllib.parse import urlsplit

from python_socks import ProxyConnectionError, ProxyError, ProxyTimeoutError
from python_socks.async_.asyncio import Proxy

from atoll.kube.errors import Unreachable
from atoll.kube.through import Dial

SCHEMES = frozenset({"socks5", "socks5h"})


def is_socks(proxy: str) -> bool:
    return urlsplit(proxy).scheme in SCHEMES


def dial_by(proxy: str, patience: float) -> Dial:
    """Connects by `proxy`, a URL that may hold a name and a password; `patience` in seconds."""
    shown = urlsplit(proxy).netloc.rpartition("@")[2]

    async def dial(host: str, port: int) -> asyncio.Transport:
        way = Proxy.from_url(proxy.replace("socks5h://", "socks5://", 1), rdns=True)
        try:
            connected = await way.connect(host, port, timeout=patience)
        except ProxyTimeoutError as error:
            raise Unreachable("Timeout", f"no connection to {host}:{port} by the proxy {shown} in time") from error
        except ProxyConnectionError as error:
            words = error.strerror or str(error)
            raise Unreachable("Proxy", f"the proxy {shown} to {host}:{port} cannot be reached: {words}") from error
        except ProxyError as error:
            raise Unreachable("Proxy", f"the proxy {shown} refused the way to {host}:{port}: {error}") from error
        transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=connected)
        return transport

    return dial
