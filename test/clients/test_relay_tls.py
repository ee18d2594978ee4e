"""Webhooks over TLS: a certificate that is trusted, and those that are not."""

import ssl
import subprocess

import pytest
from quota_client.relay.post import Poster
from relay_kit import section, wait_until
from test_relay_post import OK, Listener, read_request


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of 127.0.0.1 that nobody has signed but itself: (certificate, key)."""
    folder = tmp_path_factory.mktemp("tls")
    made = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=receiver", "-addext", "subjectAltName=IP:127.0.0.1", "-out", str(made[0]), "-keyout", str(made[1])],
        check=True, capture_output=True,
    )  # fmt: skip
    return made


@pytest.fixture
def secure(certificate):
    """A receiver that speaks TLS and answers 200 to everything."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)

    def talk(connection, number):
        with context.wrap_socket(connection, server_side=True) as encrypted:
            while read_request(encrypted):
                encrypted.sendall(OK)

    listener = Listener(talk)
    listener.url = listener.url.replace("http:", "https:")
    yield listener
    listener.close()


def test_a_connection_is_kept_under_tls(secure, certificate):
    poster = Poster(secure.url, 10, ssl.create_default_context(cafile=certificate[0]))
    assert {poster.post(b"{}", {}).status for _ in range(5)} == {200}
    assert secure.connections == 1
    poster.close()


def test_another_name_is_not_trusted(secure, certificate):
    url = secure.url.replace("127.0.0.1", "localhost")
    with pytest.raises(ssl.SSLCertVerificationError):
        Poster(url, 10, ssl.create_default_context(cafile=certificate[0])).post(b"{}", {})


def test_a_slow_handshake_ends_at_the_deadline():
    listener = Listener(lambda connection, number: connection.recv(1) and connection.recv(1 << 20) and connection.recv(1 << 20))
    with pytest.raises(TimeoutError):
        Poster(listener.url.replace("http:", "https:"), 0.5, ssl.create_default_context()).post(b"{}", {})
    listener.close()


def test_the_relay_waits_until_the_certificate_is_trusted(database, secure, certificate, relay_of, receiver):
    database.credit(1, 2)
    settings = {"url": secure.url, "secret": receiver.secret}
    relay = relay_of(section("webhook", "crm", **settings))
    assert relay.call("run", "--once").returncode == 1
    assert "CERTIFICATE_VERIFY_FAILED" in database.destination("crm")["error"]
    relay = relay_of(section("webhook", "crm", ca_file=certificate[0], **settings))
    relay.start()
    wait_until(lambda: database.destination("crm")["sent"] == 2, "both are sent")
    assert database.letters() == []
