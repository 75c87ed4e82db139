"""When a token ends is what its issuer wrote in it; what is no time says nothing, and disturbs nobody."""

import base64

import msgspec
import pytest

from atoll.fleet.credentials import lifetime
from atoll.kube.config import Config


def token(**claims: object) -> str:
    parts = ({"alg": "RS256", "typ": "JWT"}, claims)
    return ".".join([*(base64.urlsafe_b64encode(msgspec.json.encode(p)).rstrip(b"=").decode() for p in parts), "c2ln"])


ODD: tuple[object, ...] = ("soon", "1900000000", [], {}, None, -5, 0)


@pytest.mark.parametrize(
    ("expires", "known"),
    [
        (1_900_000_000, 1_900_000_000.0),
        (1.9e12, 1.9e12),
        *((odd, None) for odd in ODD),
    ],
)
def test_a_token_of_a_users_own(expires: object, known: float | None) -> None:
    assert lifetime(Config(server="", token=token(iat=1_800_000_000, exp=expires))) == (1_800_000_000.0, known)


@pytest.mark.parametrize("text", ["opaque", "a.b.c", token(iat="then")])
def test_a_token_that_says_nothing(text: str) -> None:
    assert lifetime(Config(server="", token=text)) == (None, None)
