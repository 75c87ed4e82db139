"""An answer of HTTP/1.1 is read alike however it is cut, and what is none is refused."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.kube.http1 import AnswerReader, NotHttpError

SIZED = b'HTTP/1.1 201 Created\r\nContent-Length: 5\r\nETag:  "x" \r\n\r\nhello'
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Expires\r\n\r\n"
    b"3\r\nhel\r\nA;name=value\r\nlo, world!\r\n0\r\nExpires: never\r\n\r\n"
)
ANNOUNCED = b"HTTP/1.1 100 Continue\r\n\r\n" + SIZED
NOTHING = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n"


def read(words: bytes, *cuts: int, bodiless: bool = False) -> AnswerReader:
    answer, at = AnswerReader(bodiless=bodiless), 0
    for cut in (*sorted(cuts), len(words)):
        if words[at:cut]:
            assert answer.feed(words[at:cut]) == (cut == len(words))
        at = cut
    return answer


@pytest.mark.parametrize(
    ("words", "status", "body"),
    [(SIZED, 201, b"hello"), (CHUNKED, 200, b"hello, world!"), (ANNOUNCED, 201, b"hello"), (NOTHING, 304, b"")],
)
@given(cuts=st.sets(st.integers(1, 100), max_size=6))
def test_an_answer_is_read_alike_however_it_is_cut(words: bytes, status: int, body: bytes, cuts: set[int]) -> None:
    answer = read(words, *(cut for cut in cuts if cut < len(words)))
    assert (answer.status, answer.body, answer.keep) == (status, body, True)


def test_names_of_headers_have_no_case_and_values_no_spaces_around_them() -> None:
    assert read(SIZED).headers["etag"] == '"x"'


def test_a_head_alone_is_all_that_a_head_request_is_answered() -> None:
    assert read(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", bodiless=True).keep


def test_a_body_without_a_length_lasts_as_long_as_the_connection() -> None:
    answer = AnswerReader()
    assert not answer.feed(b"HTTP/1.1 200 OK\r\n\r\nall of ")
    assert not answer.feed(b"it")
    assert answer.ended()
    assert (answer.body, answer.keep) == (b"all of it", False)


@pytest.mark.parametrize("words", [b"", SIZED[:-1], SIZED[:30], CHUNKED[:-2], CHUNKED[:90]])
def test_the_end_of_the_connection_does_not_end_what_said_how_long_it_is(words: bytes) -> None:
    answer = AnswerReader()
    if words:
        assert not answer.feed(words)
    assert not answer.ended()
    assert answer.begun == bool(words)


def test_a_packed_body_is_unpacked() -> None:
    packed = gzip.compress(b"hello" * 99)
    answer = read(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(packed), packed))
    assert answer.body == b"hello" * 99


@pytest.mark.parametrize(
    "words",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        SIZED + b"HTTP/1.1 200 OK\r\n",
        CHUNKED + b"x",
    ],
)
def test_a_connection_is_not_kept_when_the_server_ends_it_or_says_more_than_it_was_asked(words: bytes) -> None:
    assert not read(words).keep


@pytest.mark.parametrize(
    "words",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 two hundred\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200_000,
    ],
)
def test_what_is_no_answer_is_refused(words: bytes) -> None:
    with pytest.raises(NotHttpError):
        AnswerReader().feed(words)


@pytest.mark.parametrize("encoding", [b"br", b"gzip"])
def test_a_body_that_is_not_packed_as_it_says_is_refused(encoding: bytes) -> None:
    answer = read(b"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: 1\r\n\r\nx" % encoding)
    with pytest.raises(NotHttpError):
        _ = answer.body
