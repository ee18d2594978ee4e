"""Signatures after Standard Webhooks."""

import base64
import time

import pytest
from quota_client.relay import BadSignature, new_secret, sign, verify
from quota_client.relay.signature import key_of

# an example of the specification's own libraries
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'
HEADERS = {
    "Webhook-Id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "Webhook-Timestamp": "1614265330",
    "Webhook-Signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


def test_the_known_signature_is_made_and_believed():
    key = key_of(SECRET)
    assert sign([key], HEADERS["Webhook-Id"], 1614265330, BODY) == HEADERS["Webhook-Signature"]
    assert verify(SECRET, HEADERS, BODY, now=1614265330) == HEADERS["Webhook-Id"]


def test_a_secret_may_change():
    old, new = new_secret(), new_secret()
    assert old != new and len(key_of(old)) == 32
    headers = HEADERS | {"Webhook-Signature": sign([key_of(new), key_of(old)], HEADERS["Webhook-Id"], 1614265330, BODY)}
    assert verify(old, headers, BODY, now=1614265330) == verify(new, headers, BODY, now=1614265330)
    with pytest.raises(BadSignature):
        verify(new_secret(), headers, BODY, now=1614265330)


@pytest.mark.parametrize(
    "change",
    [
        {"Webhook-Id": "msg_other"},
        {"Webhook-Id": ""},
        {"Webhook-Id": "a.1614265330"},
        {"Webhook-Timestamp": "1614265331"},
        {"Webhook-Timestamp": "now"},
        {"Webhook-Timestamp": ""},
        {"Webhook-Timestamp": "-1614265330"},
        {"Webhook-Timestamp": "9" * 5000},
        {"Webhook-Signature": ""},
        {"Webhook-Signature": "v1,"},
        {"Webhook-Signature": "v1a,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
        {"Webhook-Signature": "v1,\xfc"},
        {"Webhook-Signature": "v1,x " * 10000 + "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
    ],
    ids=str,
)
def test_a_changed_header_is_not_believed(change):
    with pytest.raises(BadSignature):
        verify(SECRET, HEADERS | change, BODY, now=1614265330)


def test_a_changed_body_is_not_believed():
    with pytest.raises(BadSignature):
        verify(SECRET, HEADERS, BODY + b" ", now=1614265330)
    with pytest.raises(BadSignature):
        verify(SECRET, {}, BODY)


def test_a_stale_message_is_not_believed():
    for now in (1614265330 + 301, 1614265330 - 301, time.time()):
        with pytest.raises(BadSignature):
            verify(SECRET, HEADERS, BODY, now=now)
    verify(SECRET, HEADERS, BODY, now=1614265330 + 299)


@pytest.mark.parametrize("size", [0, 23, 65])
def test_a_secret_of_another_size_is_none(size):
    with pytest.raises(ValueError, match="24 to 64 bytes"):
        key_of("whsec_" + base64.b64encode(bytes(size)).decode())


@pytest.mark.parametrize("secret", ["", "whsec_", "hello", "whsec_?" + "A" * 40, "whsk_" + "A" * 44, "\xfc" * 40])
def test_what_is_no_base64_is_no_secret(secret):
    with pytest.raises(ValueError) as told:
        key_of(secret)
    assert not secret or len(secret) < 7 or secret not in str(told.value)
