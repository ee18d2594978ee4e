"""What every route shares: JSON or page, errors, CSRF, security headers.

A route answers with respond(): JSON for scripts, and for a browser without JavaScript (it prefers
text/html) a redirect to the body's "url".  Errors of the application itself are {"code", "message"}.
"""

import hmac
import secrets
from urllib.parse import urlsplit

from flask import current_app, jsonify, redirect, render_template, request, session
from werkzeug.exceptions import HTTPException

from . import documents, parsing

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class Problem(Exception):
    """An answer other than success: HTTP status, machine-readable code, a sentence for a person."""

    def __init__(self, status, code, message, **more):
        super().__init__(message)
        self.status, self.body = status, {"code": code, "message": message, **more}


class Wall(Problem):
    """A limit of the plan that quota does not refuse by itself, such as the largest upload: shown like a
    refusal, so `body` has its keys ("feature", "requested", ...) beside code and message."""


def local_path(text):
    """`text`, if it is a path within this application that a browser may be sent to; else None.

    Neither "//host" nor "/\\host" (browsers read both as another site), nothing with control characters.
    """
    if not text or len(text) > 1000 or not text.startswith("/") or text[1:2] in ("/", "\\") or not text.isprintable():
        return None
    return text


def came_from():
    """The path of the page that a form was sent from, or None: its Referer, if that is ours."""
    sent_from = urlsplit(request.referrer or "")
    if sent_from.netloc != request.host:
        return None
    return local_path(sent_from.path + (f"?{sent_from.query}" if sent_from.query else ""))


def wants_page():
    """True for a browser's own navigation or form; False for scripts."""
    return request.accept_mimetypes["text/html"] > request.accept_mimetypes["application/json"]


def respond(body, status=200, headers=None):
    """The answer of a route that changed something."""
    if wants_page() and "url" in body:
        response = redirect(body["url"], 303)
    else:
        response = jsonify(body)
        response.status_code = status
    response.headers.update(headers or {})
    return response


def _problem(problem):
    if wants_page():
        return render_template("problem.html", problem=problem.body, status=problem.status), problem.status
    return jsonify(problem.body), problem.status


def csrf_token():
    """The token of this session; made when first asked for."""
    if "csrf" not in session:
        session["csrf"] = secrets.token_urlsafe(32)
    return session["csrf"]


def csrf_exempt(view):
    """Mark a view that authenticates its callers otherwise than by the session cookie."""
    view.csrf_exempt = True
    return view


def _check_csrf():
    view = current_app.view_functions.get(request.endpoint)
    if request.path.startswith("/api/") and "Authorization" in request.headers:
        return  # who is there, a key says (keys.py) and no session: no browser sends this header by itself
    if request.method in SAFE_METHODS or view is None or getattr(view, "csrf_exempt", False):
        return
    sent = request.headers.get("X-CSRF-Token") or request.form.get("csrf_token") or ""
    if not hmac.compare_digest(sent.encode(), session.get("csrf", "").encode()) or not sent:
        raise Problem(403, "csrf", "This form is out of date. Reload the page and try again.")


def _secure(response):
    response.headers.setdefault(
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    )
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
    return response


def _drain(response):
    """Read what is left of a refused upload, so that the client sees the answer and not a reset connection.
    MAX_CONTENT_LENGTH bounds it."""
    length = request.content_length or 0
    if response.status_code >= 400 and length <= current_app.config["MAX_CONTENT_LENGTH"]:
        while request.stream.read(1 << 16):
            pass
    return response


def init_app(app):
    """Register the checks, headers and error answers."""
    app.before_request(_check_csrf)
    app.after_request(_drain)
    app.after_request(_secure)
    app.context_processor(lambda: {"csrf_token": csrf_token})
    app.register_error_handler(Problem, _problem)
    app.register_error_handler(
        documents.Missing, lambda error: _problem(Problem(404, "not_found", str(error)))
    )
    app.register_error_handler(
        parsing.Unreadable, lambda error: _problem(Problem(error.status, "unreadable", str(error)))
    )
    app.register_error_handler(
        HTTPException,
        lambda error: error
        if error.code is None or error.code < 400
        else _problem(Problem(error.code, error.name.lower().replace(" ", "_"), error.description)),
    )
