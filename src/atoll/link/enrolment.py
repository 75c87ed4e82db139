"""How an agent comes to be trusted: a pinned authority, a token that works once, a certificate for a key of its own.

The agent's half, and what both halves say to each other. The hub's is in `hub.agents`.
"""

from urllib.parse import urlsplit

import aiohttp
import msgspec

from atoll.kube.connection import Config
from atoll.kube.diagnosis import diagnose
from atoll.kube.errors import ConfigError
from atoll.kube.proxies import proxy_for
from atoll.kube.tls import context_for
from atoll.link.certificates import CertificateError, fingerprint
from atoll.link.dialling import DialError, beginning_of, refused_by

AUTHORITY_PATH, ENROL_PATH, RENEW_PATH = "/agents/ca", "/agents/enrol", "/agents/renew"
TIMEOUT = 15.0
ANSWER_MOST = 64 << 10


class Request(msgspec.Struct, frozen=True):
    """What an agent asks with. `request` is its CSR (PEM). To renew, its certificate says the rest."""

    request: str
    cluster: str = ""
    token: str = ""


class Welcome(msgspec.Struct, frozen=True):
    """What it gets: its certificate (PEM), the hub's id, all addresses of the hub, and its Cluster's mode."""

    certificate: str
    hub: str
    addresses: tuple[str, ...]
    mode: str


async def fetch_authority(address: str, pin: str, *, proxy_url: str = "") -> bytes:
    """The hub's CA (PEM), which must have the fingerprint `pin`; nothing else of the answer is believed, and nothing is
    told to who gives it. Raises DialError.
    """
    hub = Config(server=address, insecure=True, proxy_url=proxy_url)
    body = await _ask(hub, "GET", AUTHORITY_PATH)
    try:
        found = fingerprint(body)
    except CertificateError as error:
        raise DialError("NotAtoll", f"{_place(address)} doesn't answer as a hub: {error}") from error
    if found != pin:
        raise DialError(
            "WrongAuthority",
            f"{_place(address)} has another authority ({found}) than the command says ({pin}): it is another hub, was "
            "set up anew since, or something in between answers for it",
        )
    return body


async def enrol(hub: Config, *, token: str, cluster: str, request: bytes) -> Welcome:
    """Spend `token`. Raises DialError; its reasons are TokenError's, too."""
    return await _welcome(hub, ENROL_PATH, Request(request.decode(), cluster, token))


async def renew(hub: Config, request: bytes) -> Welcome:
    """A new certificate for the same key; `hub` carries the old one. Raises DialError."""
    return await _welcome(hub, RENEW_PATH, Request(request.decode()))


async def _welcome(hub: Config, path: str, request: Request) -> Welcome:
    body = await _ask(hub, "POST", path, msgspec.json.encode(request))
    try:
        return msgspec.json.decode(body, type=Welcome)
    except msgspec.DecodeError as error:
        raise DialError("NotAtoll", f"{_place(hub.server)} doesn't answer as a hub: {body[:100]!r}") from error


async def _ask(hub: Config, method: str, path: str, body: bytes | None = None) -> bytes:
    proxy = proxy_for(hub.server, hub.proxy_url)
    limit = aiohttp.ClientTimeout(total=TIMEOUT)
    try:
        async with (
            aiohttp.ClientSession(timeout=limit, cookie_jar=aiohttp.DummyCookieJar()) as http,
            http.request(
                method,
                hub.server + path,
                data=body,
                headers={"Content-Type": "application/json"} if body else {},
                ssl=context_for(hub) if hub.server.startswith("https") else True,
                server_hostname=hub.tls_server_name or None,
                proxy=proxy or None,
                allow_redirects=False,
            ) as response,
        ):
            if response.status != 200:
                raise await refused_by(response)
            return await beginning_of(response, ANSWER_MOST)
    except ConfigError as error:
        raise DialError("Certificate", str(error)) from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        told = diagnose(error, hub, proxy)
        raise DialError(told.reason, str(told)) from error


def _place(address: str) -> str:
    return urlsplit(address).netloc or address
