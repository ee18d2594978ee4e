"""The routes that do the work, as JSON: documents, embeddings, mind maps, answers, search.

Each costly one has the same shape: once() answers a retry; requires() turns most refusals away before any
work; the work and its price share one transaction, and the debit at its end, or the gate of a table that it
writes, decides.  An answer, whose price is known only when it has been written, is paid for by a hold
instead: see answering.py.
"""

import contextlib
import itertools
from urllib.parse import quote

from flask import Blueprint, current_app, g, request, stream_with_context, url_for

from quota_client import setting
from quota_client.flask import requires

from . import answering, documents, embedding, mindmap, parsing, receipts
from .auth import signed_in, subject
from .web import Problem, Wall, respond

blueprint = Blueprint("api", __name__, url_prefix="/api")


def _begin():
    return current_app.db.session.begin()


def document_json(document, uploader=None, has_map=None):
    """A document as the API shows it."""
    shown = {
        "id": document.id,
        "title": document.title,
        "filename": document.filename,
        "kind": document.kind,
        "size_bytes": document.size_bytes,
        "pages": document.pages,
        "tokens": document.tokens,
        "embedded_tokens": document.embedded_tokens,
        "created_at": document.created_at.isoformat(),
        "url": url_for("pages.document", document_id=document.id),
    }
    if uploader is not None:
        shown |= {"uploaded_by": uploader, "mindmap": has_map}
    return shown


def _within_upload_limit(size):
    """Raise 413 if `size` bytes are more than the plan's max_upload_mb (1 MB = 1,000,000 bytes)."""
    with current_app.db.app.connect() as connection:
        megabytes = setting(connection, subject(), "max_upload_mb")
    if megabytes is None or size > megabytes * 1_000_000:
        limit = megabytes or 0
        raise Wall(
            413,
            "upload_too_large",
            f"Your plan takes files of up to {limit} MB.",
            subject=subject(),
            feature="max_upload_mb",
            requested=-(-size // 1_000_000),
            allowance=limit,
            limit_bytes=limit * 1_000_000,
        )


@blueprint.post("/documents")
@signed_in
@receipts.once
@requires("documents")
def upload():
    """Take one file (multipart field `file`): 201 with the document.  Its row takes documents and
    storage_bytes; charges pages."""
    file = request.files.get("file")
    if file is None or not file.filename:
        raise Problem(400, "no_file", "Choose a file to upload.")
    content = file.stream.read()
    _within_upload_limit(len(content))
    parsed, chunks = documents.read(file.filename, content)
    with _begin() as session:
        key = receipts.begin(session)
        document = documents.store(session, g.user, file.filename, content, parsed, chunks, key)
        body, status = receipts.finish(session, document_json(document), 201)
    return respond(body, status)


@blueprint.get("/documents")
@signed_in
def list_documents():
    """The workspace's documents, newest first."""
    with _begin() as session:
        return {"documents": [document_json(*row) for row in documents.listing(session, g.user)]}


@blueprint.delete("/documents/<int:document_id>")
@blueprint.post("/documents/<int:document_id>/delete", endpoint="delete_document_form")
@signed_in
def delete_document(document_id):
    """Delete; the row gives documents and storage_bytes back.  Free of charge, and allowed on every plan."""
    with _begin() as session:
        documents.delete(session, g.user, document_id)
    return respond({"deleted": document_id, "url": url_for("pages.documents")})


@blueprint.post("/documents/<int:document_id>/embed")
@signed_in
@receipts.once
@requires("embedding_tokens")
def embed(document_id):
    """Give every chunk without a vector one.  Charges embedding_tokens for those chunks."""
    with _begin() as session:
        key = receipts.begin(session)
        document = documents.find(session, g.user, document_id)
        charged = embedding.embed_document(session, g.user, document, key)
        url = url_for("pages.document", document_id=document_id)
        body, status = receipts.finish(session, {"document": document_id, "tokens": charged, "url": url})
    return respond(body, status)


@blueprint.post("/documents/<int:document_id>/mindmap")
@signed_in
@receipts.once
@requires("mindmap")
def make_mindmap(document_id):
    """Draw the document's mind map: 201 with its tree.  Needs mindmap in the plan; charges llm_tokens."""
    with _begin() as session:
        key = receipts.begin(session)
        document = documents.find(session, g.user, document_id, lock=True)
        row = mindmap.make(session, g.user, document, key)
        url = url_for("pages.document", document_id=document_id) + "#mindmap"
        body = {"document": document_id, "tokens": row.tokens, "tree": row.tree, "url": url}
        body, status = receipts.finish(session, body, 201)
    return respond(body, status)


@blueprint.post("/answers")
@signed_in
@receipts.once
@requires("llm_tokens")
def ask():
    """Answer `question` (form field or JSON) from the workspace's documents: 201.  Charges llm_tokens.

    Where the documents say nothing about it: 200 with "found": false, and no charge.  A client that accepts
    text/event-stream gets it while it is written, as the events of answering.answer(); a refusal comes
    before the stream, as 402.
    """
    fields = request.get_json() if request.is_json else request.form
    question = fields.get("question") if hasattr(fields, "get") else None
    question = parsing.clean(question) if isinstance(question, str) else ""
    if not 3 <= len(question) <= answering.LONGEST_QUESTION:
        raise Problem(422, "bad_question", "A question has 3 to 500 characters.")
    streamed = "text/event-stream" in request.accept_mimetypes.values()
    events = answering.answer(
        current_app.db.session,
        g.user,
        question,
        url=lambda found: url_for("pages.ask", asked=None if found else question),
        receipt=receipts,
        pace=current_app.config["STREAM_PACE"] if streamed else 0,
        streamed=streamed,
    )
    if streamed:
        first = next(events)  # reserves: a refusal is an answer of its own, before any stream begins
        stream = stream_with_context(_server_sent(first, events))
        return current_app.response_class(
            stream, mimetype="text/event-stream", headers={"X-Accel-Buffering": "no"}
        )
    *_, (_, (body, status)) = events
    _note_cut(body)
    return respond(body, status)


def _server_sent(first, events):
    """The events of an answer as a text/event-stream.  A client that goes away closes this generator, and
    with it `events`, which charges what was delivered until then."""
    with contextlib.closing(events):
        try:
            for name, data in itertools.chain([first], events):
                if name == "done":
                    data, _ = data
                    _note_cut(data)
                yield _event(name, data)
        except receipts.Replay:  # a twin of this request was stored first
            yield _event("done", receipts.earlier().body)
        except Exception:  # the status is sent: all that is left is to say so in the stream
            current_app.logger.exception("an answer broke off")
            yield _event("failed", {"code": "failed", "message": "The answer broke off. What was written is charged."})


def _note_cut(body):
    """An answer that ended for want of room was refused the rest, and no error says so to anybody."""
    current_app.extensions["quota"].note(body.get("cut"))


def _event(name, data):
    return f"event: {name}\ndata: {current_app.json.dumps(data)}\n\n"


@blueprint.get("/search")
@signed_in
def search():
    """Full-text search (?q=) over the workspace's chunks.  Costs nothing.

    In `snippet`, U+0002 and U+0003 stand around what matched.
    """
    query = parsing.clean(request.args.get("q", ""))[: answering.LONGEST_QUESTION]
    with _begin() as session:
        rows = documents.search(session, g.user, query) if query else []
    return {
        "query": query,
        "results": [
            {
                "chunk": row.id,
                "document": row.document_id,
                "title": row.title,
                "page": row.page,
                "heading": row.heading,
                "snippet": row.snippet,
                "url": f"{url_for('pages.document', document_id=row.document_id)}#chunk-{row.id}",
            }
            for row in rows
        ],
    }


@blueprint.get("/chunks/<int:chunk_id>/similar")
@signed_in
def similar(chunk_id):
    """The passages nearest to one by the cosine of their embeddings.  Costs nothing: the vectors are paid."""
    with _begin() as session:
        documents.owns_chunk(session, g.user, chunk_id)
        rows = embedding.similar_chunks(session, g.user.workspace_id, chunk_id)
    return {
        "similar": [
            {
                "chunk": row.id,
                "document": row.document_id,
                "title": row.title,
                "page": row.page,
                "heading": row.heading,
                "cosine": round(float(row.cosine), 3),
                "text": row.body[:240],
                "url": f"{url_for('pages.document', document_id=row.document_id)}#chunk-{row.id}",
            }
            for row in rows
        ]
    }


@blueprint.get("/documents/<int:document_id>/file")
@signed_in
def download(document_id):
    """The file as it was uploaded, always as a download (never shown inside our origin)."""
    with _begin() as session:
        document = documents.find(session, g.user, document_id)
        content = documents.content(session, document)
    response = current_app.response_class(content, mimetype="application/octet-stream")
    response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(document.filename)}"
    return response
