"""The application's HTTP interface.

Every answer is status 200 with {"code", "message", "data"} as its body: code 0, or 100 and the text of whatever went
wrong; an upload answers 500 in `code`, a line for each file that failed, and in `data` those that were stored.  The
page shows `message` as it is.  (Who is asking stands in the header Tenant, in place of a session.)
"""

import logging

from flask import Flask, jsonify, request

from .with_peewee.models import Knowledgebase
from .with_peewee.services import DocumentService, FileService, KnowledgebaseService, UserService

SUCCESS, EXCEPTION, SERVER_ERROR = 0, 100, 500
log = logging.getLogger(__name__)


def answer(data=None, code=SUCCESS, message="success"):
    return jsonify({"code": code, "message": message, "data": data})


def create_app():
    app = Flask(__name__)

    @app.errorhandler(Exception)
    def failed(error):
        log.exception(error)
        return answer(code=EXCEPTION, message=repr(error))

    @app.post("/v1/user/register")
    def register():
        return answer({"id": UserService.register(request.json["nickname"], request.json["email"])})

    @app.post("/v1/kb/create")
    def create():
        return answer({"kb_id": KnowledgebaseService.create(request.headers["Tenant"], request.json["name"])})

    @app.post("/v1/kb/rm")
    def rm():
        return answer(KnowledgebaseService.delete(request.json["kb_id"]) == 1)

    @app.get("/v1/kb/list")
    def kbs():
        own = KnowledgebaseService.query(tenant_id=request.headers["Tenant"])
        return answer([{f.name: getattr(kb, f.name) for f in (Knowledgebase.id, Knowledgebase.doc_num)} for kb in own])

    @app.post("/v1/document/upload")
    def upload():
        files = [(file.filename, file.read()) for file in request.files.getlist("file")]
        stored, errors = FileService.upload_document(request.form["kb_id"], files)
        if errors:
            return answer(stored, SERVER_ERROR, "\n".join(errors))
        return answer(stored)

    @app.post("/v1/document/run")
    def run():
        return answer([DocumentService.run(doc_id) for doc_id in request.json["doc_ids"]])

    @app.post("/v1/document/rm")
    def remove():
        return answer(DocumentService.remove_document(request.json["doc_id"]) == 1)

    return app
