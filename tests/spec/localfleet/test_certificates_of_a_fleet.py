"""Each cluster trusts its own authority only, and keys belong to their owner."""

import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from atoll.testing.localfleet.certificates import Authority, Pair, signing_key


def certificate(pair: Pair) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair.cert.read_bytes())


def verify(authority: Authority, pair: Pair, host: str) -> None:
    store = Store([certificate(authority.pair)])
    PolicyBuilder().store(store).build_server_verifier(x509.DNSName(host)).verify(certificate(pair), [])


def test_a_certificate_is_of_its_own_authority_only(tmp_path: Path) -> None:
    one, other = Authority(tmp_path / "one", "one"), Authority(tmp_path / "other", "other")
    server = one.issue("server", "server", hosts=("localhost",))
    verify(one, server, "localhost")
    with pytest.raises(VerificationError):
        verify(other, server, "localhost")


def test_a_user_is_named_with_groups(tmp_path: Path) -> None:
    subject = certificate(Authority(tmp_path, "ca").issue("admin", "alice", groups=("admins",))).subject
    assert subject.rfc4514_string() == "CN=alice,O=admins"


def test_keys_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca")
    authority.issue("server", "server", hosts=("127.0.0.1",))
    signing_key(tmp_path)
    keys = list(tmp_path.glob("*.key"))
    assert len(keys) == 3
    assert {key.stat().st_mode & 0o777 for key in keys} == {0o600}


def test_what_is_there_and_fresh_is_used_again(tmp_path: Path) -> None:
    first = Authority(tmp_path, "ca").issue("server", "server").cert.read_bytes()
    assert Authority(tmp_path, "ca").issue("server", "server").cert.read_bytes() == first


def test_a_new_authority_issues_everything_anew(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca")
    first = authority.issue("server", "server", hosts=("localhost",)).cert.read_bytes()
    authority.pair.key.unlink()
    renewed = Authority(tmp_path, "ca")
    again = renewed.issue("server", "server", hosts=("localhost",))
    assert again.cert.read_bytes() != first
    verify(renewed, again, "localhost")


def test_a_key_fits_its_certificate(tmp_path: Path) -> None:
    pair = Authority(tmp_path, "ca").issue("server", "server", hosts=("localhost",))
    ssl.create_default_context().load_cert_chain(pair.cert, pair.key)
