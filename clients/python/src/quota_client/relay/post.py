"""HTTP POST over a connection that is kept, with an end to everything: to the time of a whole exchange, however
slowly its bytes come, and to what is read of an answer."""

from __future__ import annotations

import http.client
import io
import logging
import socket
import ssl
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

LONGEST_ANSWER = 65536
_LOG = logging.getLogger("quota_relay")


@dataclass(frozen=True)
class Answer:
    status: int
    retry_after: str
    text: str  # the beginning of the body


class _Incoming(io.RawIOBase):
    """The bytes of a socket until a deadline; without one those that are there."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.deadline: float | None = None
        self.ended = False

    def readable(self) -> bool:
        return True

    def time_left(self) -> float:
        if self.deadline is None:
            return 0
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left

    def readinto(self, buffer: bytearray) -> int | None:  # type: ignore[override]
        self._sock.settimeout(self.time_left())
        try:
            size = self._sock.recv_into(buffer)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None
        self.ended = size == 0
        return size


class _Buffer(io.BufferedReader):
    """What has come and is not read stays for the next answer, so that it is noticed."""

    def close(self) -> None:
        pass


class _Socket:
    """What http.client asks of a socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.incoming = _Incoming(sock)
        self._buffer = _Buffer(self.incoming)

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(self.incoming.time_left())  # for all of it
        self._sock.sendall(data)

    def makefile(self, mode: str) -> _Buffer:
        return self._buffer

    def close(self) -> None:
        pass  # http.client closes before it reads the body

    def end(self) -> None:
        self._sock.close()

    def has_more(self) -> bool:
        """Has something come that nobody asked for?"""
        self.incoming.deadline = None
        return bool(self._buffer.peek(1))


class Poster:
    """POSTs to one URL.  No redirect is followed, and no proxy asked."""

    def __init__(self, url: str, timeout: float, tls: ssl.SSLContext | None) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port
        self._tls = tls if parts.scheme == "https" else None
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._timeout = timeout
        self._connection: http.client.HTTPConnection | None = None
        self._socket: _Socket | None = None
        self._keeps = True  # a receiver that answers out of turn gets a connection for each message

    def post(self, body: bytes, headers: dict[str, str]) -> Answer:
        """One exchange.  OSError (TimeoutError, ssl.SSLError among them) and http.client.HTTPException: there is no
        answer, and whether the message came nobody knows."""
        deadline = time.monotonic() + self._timeout
        kept = self._is_usable()
        try:
            return self._exchange(body, headers, deadline)
        except (ConnectionError, http.client.RemoteDisconnected):
            if not kept:
                raise
            return self._exchange(body, headers, deadline)  # it was closed while nothing was to say

    def _is_usable(self) -> bool:
        """Is there a connection that the other side has not closed, and in which no second answer lies?"""
        if self._socket is None:
            return False
        try:
            if self._socket.has_more():
                _LOG.warning("%s answers out of turn: from now on each message has a connection of its own", self._host)
                self._keeps = False
                self.close()
            elif self._socket.incoming.ended:
                self.close()
        except OSError:
            self.close()
        return self._socket is not None

    def _connect(self, deadline: float) -> http.client.HTTPConnection:
        left = max(deadline - time.monotonic(), 0.001)
        connection = (
            http.client.HTTPSConnection(self._host, self._port, timeout=left, context=self._tls)
            if self._tls
            else http.client.HTTPConnection(self._host, self._port, timeout=left)
        )
        connection.connect()
        self._socket = _Socket(connection.sock)
        connection.sock = self._socket
        self._connection = connection
        return connection

    def _exchange(self, body: bytes, headers: dict[str, str], deadline: float) -> Answer:
        if not self._keeps:
            headers = headers | {"Connection": "close"}
        try:
            connection = self._connection or self._connect(deadline)
            assert self._socket is not None
            self._socket.incoming.deadline = deadline
            connection.request("POST", self._path, body, headers)
            answer = connection.getresponse()
            text = self._body_of(answer)
            if answer.will_close or not answer.isclosed() or not self._keeps:
                self.close()  # or there is more of it than anybody should read
            return Answer(answer.status, answer.headers.get("Retry-After", ""), text[:300].decode("utf-8", "replace"))
        except BaseException:
            self.close()
            raise

    def _body_of(self, answer: http.client.HTTPResponse) -> bytes:
        """What can be had of it: the status has said whether the message was taken."""
        try:
            return answer.read(LONGEST_ANSWER)
        except (OSError, http.client.HTTPException):
            return b""

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._socket is not None:
            self._socket.end()
        self._connection = self._socket = None
