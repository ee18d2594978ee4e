"""In front of an application that answers a refusal as it answers any database error: says what happened.

An HTTP proxy (WSGI) that passes everything on, and looks at short JSON answers only.  Where the text of an error of
quota's stands in one, the status becomes 402, 403 or 429, `message` a sentence with the way to the plans, and `quota`
the error's DETAIL, for a client that has a dialog for it.  The rest of the body stays, so what was stored before the
refusal is still in it.

    /usr/bin/python3 ingress.py http://127.0.0.1:9380 https://example.org/plans 8080

`keep_status` leaves the status alone, for a page that shows `message` only when it is 200.
"""

import http.client
import json
import re
from urllib.parse import quote, urlencode, urlsplit

STATUS = {
    "quota_exceeded": "402 Payment Required",
    "subscription_inactive": "402 Payment Required",
    "not_entitled": "403 Forbidden",
    "rate_limited": "429 Too Many Requests",
}
KEYS = {
    "code", "subject", "feature", "requested", "remaining", "allowance", "used", "plan", "blocked_by", "resets_at",
    "retry_after",
}  # fmt: skip
LONGEST = 65536  # an error's answer is short; a longer one is not looked at
OF_THE_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "proxy-authenticate"}


def refusal_in(message):
    """The DETAIL of quota's error in a text, or None.  A text made by repr() is read, too."""
    for text in (message, message.replace("\\'", "'").replace("\\\\", "\\")):
        for found in re.finditer(r'\{"code": "', text):
            try:
                detail, _ = json.JSONDecoder().raw_decode(text, found.start())
            except ValueError:
                continue
            if set(detail) == KEYS and detail["code"] in STATUS:
                return detail
    return None


def sentence(detail, plans_url):
    """What a person reads."""
    what = detail["feature"].replace("_", " ")
    if detail["code"] == "quota_exceeded":
        said = f"Your plan includes {detail['allowance']:,} {what}, and {detail['used']:,} are used"
        if detail["resets_at"]:
            said += f" until {detail['resets_at'][:10]}"
    elif detail["code"] == "not_entitled":
        said = f"Your plan does not include {what}"
    elif detail["code"] == "rate_limited":
        return f"Too fast: try again in {detail['retry_after']} seconds."
    else:
        said = "Your subscription is not active"
    query = urlencode({"feature": detail["feature"], "amount": detail["requested"]})
    return f"{said}. More: {plans_url}?{query}"


def rewritten(body, plans_url):
    """(status line, headers, body) in place of the application's answer, or None if it is no refusal."""
    try:
        answer = json.loads(body)
    except ValueError:
        return None
    if not isinstance(answer, dict) or not isinstance(answer.get("message"), str):
        return None
    detail = refusal_in(answer["message"])
    if detail is None:
        return None
    answer |= {"message": sentence(detail, plans_url), "quota": detail}
    headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
    if detail["retry_after"] is not None:
        headers.append(("Retry-After", str(detail["retry_after"])))
    return STATUS[detail["code"]], headers, json.dumps(answer).encode()


class Ingress:
    """WSGI application."""

    def __init__(self, upstream, plans_url, keep_status=False):
        parts = urlsplit(upstream)
        self.host, self.port, self.plans_url, self.keep_status = parts.hostname, parts.port, plans_url, keep_status

    def __call__(self, environ, start_response):
        upstream = http.client.HTTPConnection(self.host, self.port, timeout=600)
        try:
            upstream.request(environ["REQUEST_METHOD"], _target(environ), *_sent(environ))
            answer = upstream.getresponse()
        except OSError:
            upstream.close()
            start_response("502 Bad Gateway", [("Content-Type", "text/plain")])
            return [b"the application does not answer\n"]
        status = f"{answer.status} {answer.reason}"
        headers = [(k, v) for k, v in answer.getheaders() if k.lower() not in OF_THE_HOP]
        if answer.headers.get_content_type() == "application/json" and (answer.length or LONGEST) < LONGEST:
            body = answer.read()
            upstream.close()
            instead = rewritten(body, self.plans_url)
            if instead:
                line, added, body = instead
                names = {name.lower() for name, _ in added} | {"content-length"}
                headers = [(k, v) for k, v in headers if k.lower() not in names] + added
                headers.append(("Content-Length", str(len(body))))
                status = status if self.keep_status else line
            start_response(status, headers)
            return [body]
        start_response(status, headers)
        return _pieces(upstream, answer)


def _target(environ):
    """The path and query as they came."""
    given = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if given and given.startswith("/"):
        return given
    path = quote(environ.get("PATH_INFO", "/").encode("latin-1"))
    return path + ("?" + environ["QUERY_STRING"] if environ.get("QUERY_STRING") else "")


def _sent(environ):
    """(body, headers) of the request."""
    headers = {k[5:].replace("_", "-").title(): v for k, v in environ.items() if k.startswith("HTTP_")}
    headers = {k: v for k, v in headers.items() if k.lower() not in OF_THE_HOP | {"accept-encoding"}}
    if environ.get("CONTENT_TYPE"):
        headers["Content-Type"] = environ["CONTENT_TYPE"]
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if not length:
        return None, headers
    headers["Content-Length"] = str(length)
    return _received(environ["wsgi.input"], length), headers


def _received(stream, left):
    """An upload, as it comes."""
    while left and (piece := stream.read(min(left, 65536))):
        left -= len(piece)
        yield piece


def _pieces(upstream, answer):
    """A long or streamed answer, as it comes."""
    try:
        while piece := answer.read1(65536):
            yield piece
    finally:
        upstream.close()


def main():
    import sys
    from socketserver import ThreadingMixIn
    from wsgiref.simple_server import WSGIServer, make_server

    upstream, plans_url, port = sys.argv[1:]
    threaded = type("Server", (ThreadingMixIn, WSGIServer), {"daemon_threads": True})
    make_server("127.0.0.1", int(port), Ingress(upstream, plans_url), server_class=threaded).serve_forever()


if __name__ == "__main__":
    main()
