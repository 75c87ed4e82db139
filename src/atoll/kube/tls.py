"""TLS contexts from PEM in memory."""

import os
import ssl
import tempfile

from atoll.kube.connection import Config
from atoll.kube.errors import ConfigError, CredentialError

NO_CHECK_TIME = ssl.VerifyFlags(0x200000)
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which `ssl` has no name for."""


def context_for(config: Config, certificate: bytes = b"", key: bytes = b"") -> ssl.SSLContext:
    """The client side's TLS context. `certificate` and `key` (from an exec plugin) come before the config's own."""
    if config.ca:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        _load_ca(context, config)
    else:
        context = ssl.create_default_context()  # reads the system's authorities: 60 ms
    if config.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if "name" in config.unchecked:
        context.check_hostname = False
    if "dates" in config.unchecked:
        context.verify_flags |= NO_CHECK_TIME
    certificate, key = (certificate, key) if certificate else (config.client_certificate, config.client_key)
    if certificate:
        _load_certificate(context, config, certificate, key)
    return context


def _load_ca(context: ssl.SSLContext, config: Config) -> None:
    try:
        context.load_verify_locations(cadata=config.ca.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(
            f"{config.source}: context {config.context!r}: certificate-authority-data holds no certificate ({error});"
            " copy it again"
        ) from error


def _load_certificate(context: ssl.SSLContext, config: Config, certificate: bytes, key: bytes) -> None:
    """OpenSSL reads a client's certificate from files only: one of mode 0600, gone before we return."""
    try:
        _load_by_file(context, certificate.rstrip() + b"\n" + key)
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(
            f"{config.source}: context {config.context!r}: client-certificate and client-key are not a matching pair in"
            f" PEM without a pass phrase ({error})"
        ) from error
    except OSError as error:  # the disk is full, or too many files are open
        raise CredentialError(f"the client's certificate can't be put in a file for OpenSSL: {error}") from error


def _load_by_file(context: ssl.SSLContext, pem: bytes) -> None:
    handle, path = tempfile.mkstemp(prefix="atoll-", suffix=".pem")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
        context.load_cert_chain(path, password=lambda: "")
    finally:
        os.unlink(path)  # noqa: PTH108  a file of our own, by the name that mkstemp gave
