"""HTTP with receivers that do what they should not."""

import http.client
import socket
import ssl
import threading
import time

import pytest
from quota_client.relay.pace import backoff
from quota_client.relay.destinations import retry_after
from quota_client.relay.post import LONGEST_ANSWER, Poster

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Listener:
    """A bare socket: `talk(connection, number)` is called for every connection, which is then closed."""

    def __init__(self, talk):
        self.connections = 0
        self._talk = talk
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/hook"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection, self.connections), daemon=True).start()

    def _serve(self, connection, number):
        try:
            with connection:
                self._talk(connection, number)
        except OSError:
            pass

    def close(self):
        self._socket.close()


@pytest.fixture
def listen():
    made = []

    def make(talk):
        made.append(Listener(talk))
        return made[-1]

    yield make
    for listener in made:
        listener.close()


def read_request(connection):
    """One whole request; b"" where the connection was closed."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def answers(*replies):
    """A talk that answers the requests of each connection with these replies, in turn, for ever."""

    def talk(connection, number):
        turn = 0
        while read_request(connection):
            connection.sendall(replies[turn % len(replies)])
            turn += 1

    return talk


def poster_of(listener, timeout=5.0):
    return Poster(listener.url, timeout, None)


def test_a_connection_is_kept(listen):
    listener = listen(answers(OK))
    poster = poster_of(listener)
    assert {poster.post(b"{}", {}).status for _ in range(5)} == {200}
    assert listener.connections == 1


def test_a_connection_that_was_closed_meanwhile_is_made_again(listen):
    def talk(connection, number):
        read_request(connection)
        connection.sendall(OK)

    listener = listen(talk)
    poster = poster_of(listener)
    for count in (1, 2, 3):
        assert poster.post(b"{}", {}).status == 200
        assert listener.connections == count


def test_a_connection_that_is_closed_at_the_next_request_is_made_again(listen):
    """The race of every kept connection: it is closed as the request goes out."""

    def talk(connection, number):
        read_request(connection)
        connection.sendall(OK)
        if number == 1:
            connection.recv(1)

    listener = listen(talk)
    poster = poster_of(listener)
    assert [poster.post(b"{}", {}).status for _ in range(2)] == [200, 200]
    assert listener.connections == 2


def test_an_answer_too_many_is_not_the_next_one_s(listen):
    """A receiver that answers twice: its second 200 must not stand for the next event, which it refuses."""

    def talk(connection, number):
        request = read_request(connection)
        while request:
            connection.sendall(OK * 2 if b"first" in request else OK.replace(b"200", b"422"))
            request = read_request(connection)

    listener = listen(talk)
    poster = poster_of(listener)
    assert poster.post(b"first", {}).status == 200
    assert poster.post(b"second", {}).status == 422
    assert poster.post(b"first", {}).status == 200
    assert poster.post(b"second", {}).status == 422
    assert listener.connections == 4  # no connection is kept any more


def test_a_late_answer_too_many_is_noticed(listen):
    late = threading.Event()

    def talk(connection, number):
        request = read_request(connection)
        connection.sendall(OK if b"first" in request else OK.replace(b"200", b"422"))
        if number == 1:
            time.sleep(0.1)
            connection.sendall(OK)
            late.set()
            read_request(connection)

    poster = poster_of(listen(talk))
    assert poster.post(b"first", {}).status == 200
    assert late.wait(10)
    time.sleep(0.1)
    assert poster.post(b"second", {}).status == 422


def test_drops_end_at_the_deadline(listen):
    """A byte every tenth of a second would keep a timeout of each read from ever coming."""

    def talk(connection, number):
        read_request(connection)
        for byte in OK * 20:
            connection.sendall(bytes([byte]))
            time.sleep(0.1)

    poster = poster_of(listen(talk), timeout=1)
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        poster.post(b"{}", {})
    assert time.monotonic() - started < 30  # of the 76 that it would take


def test_a_receiver_that_does_not_read_ends_at_the_deadline(listen):
    poster = poster_of(listen(lambda connection, number: time.sleep(30)), timeout=0.5)
    with pytest.raises(TimeoutError):
        poster.post(b"x" * 50_000_000, {})


def test_a_slow_answer_does_not_come_to_the_next_request(listen):
    def talk(connection, number):
        request = read_request(connection)
        if b"first" in request:
            time.sleep(3)
        connection.sendall(OK if b"first" in request else OK.replace(b"200", b"422"))
        read_request(connection)

    poster = poster_of(listen(talk), timeout=2)
    with pytest.raises(TimeoutError):
        poster.post(b"first", {})
    time.sleep(2)
    assert poster.post(b"second", {}).status == 422


@pytest.mark.parametrize(
    "reply",
    [b"", b"hello\r\n\r\n", b"HTTP/1.1 999999 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
     b"HTTP/1.1 200 OK\r\nA: " + b"x" * 100000 + b"\r\n\r\n"],
    ids=["none", "no HTTP", "bad status", "many headers", "long header"],
)  # fmt: skip
def test_no_answer_is_an_error(listen, reply):
    def talk(connection, number):
        read_request(connection)
        connection.sendall(reply)

    with pytest.raises((OSError, http.client.HTTPException)):
        poster_of(listen(talk)).post(b"{}", {})


@pytest.mark.parametrize(
    "body",
    [b"Content-Length: 10\r\n\r\nok", b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n", b"Content-Length: 9\r\n\r\n"],
    ids=["cut", "bad chunk", "never"],
)
def test_a_status_is_an_answer_whatever_becomes_of_the_body(listen, body):
    def talk(connection, number):
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + body)
        if body.endswith(b"\r\n\r\n"):
            read_request(connection)

    listener = listen(talk)
    poster = poster_of(listener, timeout=2)
    assert [poster.post(b"{}", {}).status for _ in range(2)] == [200, 200]
    assert listener.connections == 2


def test_no_more_than_the_beginning_of_a_long_answer_is_read(listen):
    sent = []

    def talk(connection, number):
        read_request(connection)
        connection.sendall(b"HTTP/1.1 500 No\r\nContent-Length: 1000000000\r\n\r\n")
        for _ in range(1000):
            connection.sendall(b"x" * 1_000_000)
            sent.append(1)

    answer = poster_of(listen(talk)).post(b"{}", {})
    assert answer.status == 500 and len(answer.text) == 300 < LONGEST_ANSWER
    assert len(sent) < 100


@pytest.mark.parametrize(
    "reply",
    [b"HTTP/1.0 200 OK\r\n\r\nwhole", b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nwhole",
     b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n", b"HTTP/1.1 204 No\r\n\r\n"],
)  # fmt: skip
def test_every_form_of_answer_is_read(listen, reply):
    def talk(connection, number):
        read_request(connection)
        connection.sendall(reply)

    poster = poster_of(listen(talk))
    for _ in range(2):
        answer = poster.post(b"{}", {})
        assert (answer.status, answer.text) in ((200, "whole"), (204, ""))


def test_a_redirect_is_not_followed(listen):
    elsewhere = listen(answers(OK))
    listener = listen(answers(f"HTTP/1.1 307 There\r\nLocation: {elsewhere.url}\r\nContent-Length: 0\r\n\r\n".encode()))
    assert poster_of(listener).post(b"{}", {}).status == 307
    assert elsewhere.connections == 0


def test_a_certificate_that_is_not_trusted_is_an_error(listen):
    listener = listen(lambda connection, number: connection.recv(100000))
    poster = Poster(listener.url.replace("http:", "https:"), 5, ssl.create_default_context())
    with pytest.raises(OSError):
        poster.post(b"{}", {})


def test_waits_grow_and_are_scattered():
    waits = [[backoff(attempts, 1, 300) for _ in range(200)] for attempts in (1, 2, 5, 9, 10, 1000000)]
    for most, found in zip((1, 2, 16, 256, 300, 300), waits):
        assert most / 2 <= min(found) < max(found) <= most
        assert len(set(found)) > 100


def test_an_hour_down_is_some_twenty_attempts():
    assert 15 < sum(1 for _ in _attempts_within(3600)) < 35


def _attempts_within(seconds):
    attempts = 1
    while (seconds := seconds - backoff(attempts, 1, 300)) > 0:
        yield attempts
        attempts += 1


def test_retry_after_is_read():
    from email.utils import formatdate

    assert retry_after("120") == 120
    assert retry_after("") == retry_after("soon") == retry_after("-5") == retry_after("Thu, 01 Jan 1970 00:00:00 GMT") == 0
    assert retry_after("9" * 50) == retry_after("Fri, 31 Dec 9999 23:59:59 GMT") == 3600
    assert 50 < retry_after(formatdate(time.time() + 60, usegmt=True)) <= 60
