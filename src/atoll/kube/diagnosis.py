"""The HTTP library's and OpenSSL's errors, in words that say what to do."""

import asyncio
import errno
import socket
import ssl
from urllib.parse import urlsplit

import aiohttp

from atoll.kube.connection import Config
from atoll.kube.errors import Unreachable
from atoll.kube.http1 import NotHttpError

# X509_V_ERR_*, from OpenSSL's x509_vfy.h
_NOT_YET_VALID = 9
_EXPIRED = 10
_NAME_MISMATCH = 62
_ADDRESS_MISMATCH = 64


def diagnose(error: Exception, config: Config, proxy: str = "") -> Unreachable:
    """Why `error` came instead of an answer of `config.server`."""
    host = _host(config.server)
    match error:
        case aiohttp.ClientProxyConnectionError():
            return Unreachable("Proxy", f"the proxy {_host(proxy)} to {host} cannot be reached: {_words(error)}")
        case aiohttp.ClientHttpProxyError():
            return Unreachable(
                "Proxy", f"the proxy {_host(proxy)} refused the way to {host}: {error.status} {error.message}"
            )
        case aiohttp.ClientConnectorDNSError():
            return Unreachable("DNS", f"the name {error.host} cannot be resolved: {_words(error)}")
        case aiohttp.ClientConnectorCertificateError():
            return _certificate(error.certificate_error, host, config)
        case ssl.SSLCertVerificationError():
            return _certificate(error, host, config)
        case socket.gaierror():
            name = urlsplit(config.server).hostname
            return Unreachable("DNS", f"the name {name} cannot be resolved: {_words(error)}")
        case NotHttpError():
            return Unreachable("Protocol", f"{host} did not answer in HTTP: {error}")
        case aiohttp.ConnectionTimeoutError():
            return Unreachable(
                "Timeout", f"no connection to {host} in time; is it down, or does a firewall drop packets?"
            )
        case asyncio.TimeoutError():
            return Unreachable("Timeout", f"{host} did not answer in time")
        case aiohttp.ClientOSError() | ssl.SSLError() | OSError():
            return _os_error(error, host)
        case aiohttp.ServerDisconnectedError():
            if isinstance(error.message, str) and "HTTP" in error.message:
                return Unreachable("Protocol", f"{host} does not speak HTTP: {error.message}")
            return Unreachable("Reset", f"{host} closed the connection without an answer")
        case aiohttp.ClientPayloadError():
            return Unreachable("Reset", f"the connection to {host} broke off in the middle of an answer")
        case aiohttp.ClientResponseError():
            return Unreachable("Protocol", f"{host} did not answer in HTTP: {error.message}")
        case aiohttp.InvalidURL():
            return Unreachable("Protocol", f"{config.server} is no URL")
        case _:
            return Unreachable("Reset", f"{host}: {error or type(error).__name__}")


def not_kubernetes(config: Config, body: bytes) -> Unreachable:
    """What answered with 200, but not with what an API server would say: a login page, another service."""
    text = body[:100].decode(errors="replace")
    return Unreachable("NotKubernetes", f"{_host(config.server)} does not answer as an API server: {text!r}")


def _certificate(error: Exception, host: str, config: Config) -> Unreachable:
    code = getattr(error, "verify_code", 0)
    name = config.tls_server_name or urlsplit(config.server).hostname
    words = getattr(error, "verify_message", "") or str(error)
    if code == _EXPIRED:
        return Unreachable("CertificateExpired", f"the certificate of {host} (or of its CA) has expired")
    if code == _NOT_YET_VALID:
        return Unreachable(
            "CertificateNotYetValid", f"the certificate of {host} is not valid yet; are the clocks of both sides right?"
        )
    if code in {_NAME_MISMATCH, _ADDRESS_MISMATCH}:
        return Unreachable(
            "NameMismatch",
            f"the certificate of {host} is not for {name}: {words}; use a name that it is for, or give tls-server-name",
        )
    given = "the kubeconfig's certificate authority" if config.ca else "any authority that this machine trusts"
    return Unreachable(
        "CertificateUntrusted",
        f"the certificate of {host} is not signed by {given}: {words}; give the right certificate-authority-data",
    )


def _os_error(error: Exception, host: str) -> Unreachable:
    cause = error
    if isinstance(error, aiohttp.ClientConnectorError):
        cause = error.os_error
    number = getattr(cause, "errno", None)
    text = str(cause)
    if isinstance(cause, ssl.SSLError) or "SSL" in text:
        return _tls(cause, host)
    if number == errno.ECONNREFUSED or ("Connect call failed" in text and "111" in text):
        return Unreachable("Refused", f"{host} refused the connection: nothing listens there")
    if number in {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN}:
        return Unreachable("NoRoute", f"there is no route to {host}: {_words(cause)}")
    if number == errno.ETIMEDOUT:
        return Unreachable("Timeout", f"{host} did not answer in time")
    return Unreachable("Reset", f"the connection to {host} broke: {_words(cause)}")


def _tls(error: Exception, host: str) -> Unreachable:
    reason = getattr(error, "reason", None) or str(error)
    upper = reason.upper().replace(" ", "_")
    if any(
        word in upper for word in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER")
    ):
        return Unreachable("NotTLS", f"{host} does not speak TLS; is it http:// instead of https://?")
    if "ALERT" in upper and any(
        word in upper for word in ("CERTIFICATE", "UNKNOWN_CA", "BAD_CERT", "ACCESS_DENIED", "HANDSHAKE_FAILURE")
    ):
        return Unreachable("ClientCertificateRefused", f"{host} refused our client certificate: {reason}")
    return Unreachable("TLS", f"no TLS connection with {host}: {reason}")


def _words(error: Exception) -> str:
    cause = getattr(error, "os_error", error)
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__


def _host(url: str) -> str:
    """Host and port, without credentials that a proxy's URL may hold."""
    return urlsplit(url).netloc.rpartition("@")[2] or url
