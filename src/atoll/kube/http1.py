"""One answer of HTTP/1.1 (RFC 9112), without sockets: bytes go in, cut anywhere; a status, headers and a body come out.

What API servers, and proxies before them, answer to an ordinary request; watches and logs are read by the HTTP library.
"""

import zlib
from collections.abc import Mapping

_LONGEST_HEAD = 1 << 20
_NO_BODY = frozenset({204, 304})
_END = b"\r\n"


class NotHttpError(Exception):
    """What came is no answer in HTTP."""


class AnswerReader:
    """Feed it until it says that the answer is complete; then read `status`, `headers` and `body`.

    `keep` says whether the connection may be used again.
    """

    __slots__ = (
        "_between",
        "_bodiless",
        "_body",
        "_chunked",
        "_data",
        "_length",
        "_trailer",
        "headers",
        "keep",
        "status",
    )

    def __init__(self, *, bodiless: bool = False) -> None:
        """`bodiless`: it answers a HEAD."""
        self._bodiless = bodiless
        self.status = 0
        """0 until the head has come."""
        self.headers: Mapping[str, str] = {}
        """By name in lower case; of several with one name, the last."""
        self.keep = False
        self._data = b""
        self._body: list[bytes] = []
        self._chunked = self._between = self._trailer = False
        """Whether the body comes in chunks, and where among them we are: at a chunk's end, after the last one."""
        self._length = 0
        """Bytes of the body, or of the current chunk, that are still to come; -1: until the connection ends."""

    @property
    def begun(self) -> bool:
        """Whether anything has come."""
        return bool(self.status or self._data)

    @property
    def body(self) -> bytes:
        """Unpacked. Raises NotHttpError when it can't be."""
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        match self.headers.get("content-encoding", "identity").lower():
            case "identity":
                return body
            case "gzip" | "x-gzip":
                return _unpacked(body)
            case other:
                raise NotHttpError(f"its body is packed in an unknown way, {other}")

    def feed(self, data: bytes) -> bool:
        """Take `data`; whether the answer is complete. Raises NotHttpError."""
        while not self.status:
            self._data = data = self._data + data if self._data else data
            end = data.find(b"\r\n\r\n")
            if end < 0:
                if not b"HTTP/1.".startswith(data[:7]) or len(data) > _LONGEST_HEAD:
                    raise NotHttpError(_shown(data))
                return False
            self._data = b""
            self._read_head(data[:end])
            data = data[end + 4 :]
        return self._feed_chunks(data) if self._chunked else self._feed_body(data)

    def ended(self) -> bool:
        """The connection has ended; whether that ends the answer, too."""
        return bool(self.status) and not self._chunked and self._length <= 0

    def _read_head(self, head: bytes) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        version, _, rest = first.partition(" ")
        status = rest[:3]
        if version not in {"HTTP/1.1", "HTTP/1.0"} or not status.isdecimal() or rest[3:4] not in {"", " "}:
            raise NotHttpError(_shown(head))
        headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip():  # a folded line begins with a space
                raise NotHttpError(_shown(line.encode("latin-1")))
            headers[name.lower()] = value.strip()
        number = int(status)
        if 100 <= number < 200:  # one that announces another
            return
        self.status, self.headers = number, headers
        self._chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        said = headers.get("connection", "").lower()
        self.keep = "close" not in said and (version == "HTTP/1.1" or "keep-alive" in said)
        if self._bodiless or number in _NO_BODY:
            self._chunked = False
        elif self._chunked:
            pass
        elif "transfer-encoding" in headers:
            raise NotHttpError(f"its body comes in an unknown way, {headers['transfer-encoding']}")
        elif (length := headers.get("content-length")) is None:
            self._length, self.keep = -1, False
        elif length.isascii() and length.isdecimal():
            self._length = int(length)
        else:
            raise NotHttpError(f"its body is to have {length!r} bytes")

    def _feed_body(self, data: bytes) -> bool:
        if self._length < 0:
            self._body.append(data)
            return False
        if len(data) > self._length:  # nothing more was asked for
            data, self.keep = data[: self._length], False
        self._body.append(data)
        self._length -= len(data)
        return not self._length

    def _feed_chunks(self, data: bytes) -> bool:
        """Each is its size in hexadecimal, a line's end, the bytes and a line's end; after one of size 0 come lines
        like a head's, mostly none, and an empty one.
        """
        data, at = self._data + data if self._data else data, 0
        while True:
            if self._length:
                piece = data[at : at + self._length]
                self._body.append(piece)
                at += len(piece)
                self._length -= len(piece)
                if self._length:
                    self._data = b""
                    return False
                self._between = True
            if self._between:
                if len(data) < at + 2:
                    break
                if data[at : at + 2] != _END:
                    raise NotHttpError("a piece of its body is longer than it says")
                self._between = False
                at += 2
            end = data.find(_END, at)
            if end < 0:
                if len(data) - at > _LONGEST_HEAD:
                    raise NotHttpError("a line in its body has no end")
                break
            line = data[at:end]
            at = end + 2
            if not self._trailer:
                self._length = _size(line)
                self._trailer = not self._length
            elif not line:
                self.keep = self.keep and at == len(data)
                return True
        self._data = data[at:]
        return False


def _size(line: bytes) -> int:
    size = line.partition(b";")[0].strip()
    if not size or size.strip(b"0123456789abcdefABCDEF"):
        raise NotHttpError(f"a piece of its body has no size: {_shown(line)}")
    return int(size, 16)


def _unpacked(body: bytes) -> bytes:
    try:
        return zlib.decompress(body, zlib.MAX_WBITS | 16) if body else body
    except zlib.error as error:
        raise NotHttpError(f"its body is not packed as it says: {error}") from error


def _shown(data: bytes) -> str:
    return repr(data[:60].decode(errors="replace"))
