"""The application's services over SQLAlchemy: a session, and a transaction, for each call.

Where with_peewee stores row by row, the unit of work sends its rows together at the end of the transaction, in
several statements or in one: what a database-side paywall sees differs, what it charges must not.
"""

import json

from sqlalchemy import create_engine, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import sessionmaker

from ..common import (
    DONE, INVITED, NORMAL, OWNER, PAGES_PER_TASK, RUNNING, STORE, new_id, stamps, suffix_of,
)  # fmt: skip
from .models import (
    Base, Conversation, Dialog, Document, File, File2Document, Knowledgebase, Task, Tenant, TenantLLM, User, UserTenant,
)  # fmt: skip

Sessions = sessionmaker(future=True, expire_on_commit=False)


def connect(url):
    """Says where the database is; returns the engine."""
    engine = create_engine(url, future=True)
    if not hasattr(User, "id"):  # mapped once in a process
        Base.prepare(autoload_with=engine)
    Sessions.configure(bind=engine)
    return engine


def upsert(session, model, rows):
    """Many rows in one INSERT; those whose id is there replace it."""
    rows = [stamps() | row for row in rows]
    statement = insert(model).values(rows)
    replaced = {name: statement.excluded[name] for name in rows[0] if not name.startswith("create_") and name != "id"}
    session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=replaced))


def move(session, model, pid, **by):
    """Moves counters of one row; returns how many rows there were."""
    values = {name: getattr(model, name) + n for name, n in by.items()}
    done = session.execute(
        update(model).where(model.id == pid).values(values).execution_options(synchronize_session=False)
    )
    return done.rowcount


def new(model, **row):
    return model(**({"id": new_id()} | stamps() | row))


class UserService:
    @staticmethod
    def register(nickname, email):
        user_id = new_id()
        with Sessions.begin() as session:
            session.add(new(User, id=user_id, nickname=nickname, email=email))
            session.add(new(Tenant, id=user_id, name=nickname))
            session.add(new(UserTenant, user_id=user_id, tenant_id=user_id, role=OWNER, invited_by=user_id))
            for kind, name in (("chat", "big-chat"), ("embedding", "small-embed")):
                session.add(TenantLLM(tenant_id=user_id, llm_factory="local", model_type=kind, llm_name=name))
        return user_id


class UserTenantService:
    @staticmethod
    def invite(tenant_id, user_id):
        with Sessions.begin() as session:
            session.add(new(UserTenant, user_id=user_id, tenant_id=tenant_id, role=INVITED, invited_by=tenant_id))

    @staticmethod
    def agree(tenant_id, user_id):
        with Sessions.begin() as session:
            found = session.execute(select(UserTenant).filter_by(tenant_id=tenant_id, user_id=user_id)).scalar_one()
            found.role = NORMAL

    @staticmethod
    def leave(tenant_id, user_id):
        with Sessions.begin() as session:
            found = session.execute(select(UserTenant).filter_by(tenant_id=tenant_id, user_id=user_id)).scalar_one()
            session.delete(found)


class KnowledgebaseService:
    @staticmethod
    def create(tenant_id, name):
        with Sessions.begin() as session:
            kb = new(Knowledgebase, tenant_id=tenant_id, name=name, created_by=tenant_id)
            session.add(kb)
            return kb.id

    @staticmethod
    def delete(kb_id):
        """The knowledge base, then what is left of its documents: in this order, in one transaction."""
        with Sessions.begin() as session:
            session.execute(delete(Knowledgebase).where(Knowledgebase.id == kb_id))
            left = session.execute(select(Document.id).where(Document.kb_id == kb_id)).scalars().all()
            for model, column in ((Task, Task.doc_id), (File2Document, File2Document.document_id)):
                session.execute(delete(model).where(column.in_(left)).execution_options(synchronize_session=False))
            session.execute(
                delete(Document).where(Document.kb_id == kb_id).execution_options(synchronize_session=False)
            )


class DocumentService:
    @staticmethod
    def insert(kb_id, **row):
        with Sessions.begin() as session:
            doc = new(Document, kb_id=kb_id, **row)
            session.add(doc)
            move(session, Knowledgebase, kb_id, doc_num=1)
            return doc.id

    @staticmethod
    def increment_chunk_num(doc_id, kb_id, tokens, chunks, duration=0):
        with Sessions.begin() as session:
            counts = dict(token_num=tokens, chunk_num=chunks)
            if not move(session, Document, doc_id, process_duration=duration, **counts):
                raise LookupError("no such document")
            move(session, Knowledgebase, kb_id, **counts)

    @staticmethod
    def _clear(session, doc):
        move(session, Knowledgebase, doc.kb_id, token_num=-doc.token_num, chunk_num=-doc.chunk_num)
        doc.token_num = doc.chunk_num = 0
        session.execute(delete(Task).where(Task.doc_id == doc.id).execution_options(synchronize_session=False))

    @classmethod
    def run(cls, doc_id, pages=1):
        with Sessions.begin() as session:
            doc = session.get(Document, doc_id)
            doc.run, doc.progress = RUNNING, 0
            cls._clear(session, doc)
            starts = range(0, pages, PAGES_PER_TASK)
            tasks = [dict(id=new_id(), doc_id=doc_id, from_page=p, to_page=min(p + PAGES_PER_TASK, pages)) for p in starts]
            upsert(session, Task, tasks)
            return [task["id"] for task in tasks]

    @classmethod
    def remove_document(cls, doc_id):
        with Sessions.begin() as session:
            doc = session.get(Document, doc_id)
            cls._clear(session, doc)
            move(session, Knowledgebase, doc.kb_id, doc_num=-1)
            session.delete(doc)
        STORE.remove(doc.kb_id, doc.location)


class TaskService:
    @staticmethod
    def work(task_id, tokens, chunks):
        with Sessions() as session:
            doc = session.get(Document, session.get(Task, task_id).doc_id)
        DocumentService.increment_chunk_num(doc.id, doc.kb_id, tokens, chunks, duration=1)
        with Sessions.begin() as session:
            session.get(Task, task_id).progress = 1
            doc = session.get(Document, doc.id)
            doc.run, doc.progress = DONE, 1


class FileService:
    @staticmethod
    def upload_document(kb_id, files):
        """Stores (name, content) pairs, each in a transaction; returns the ids, and a line for each that failed."""
        with Sessions() as session:
            kb = session.get(Knowledgebase, kb_id)
        stored, errors = [], []
        for name, content in files:
            try:
                STORE.put(kb_id, name, content)
                with Sessions.begin() as session:
                    common = dict(created_by=kb.tenant_id, name=name, location=name, size=len(content))
                    doc = new(Document, kb_id=kb_id, suffix=suffix_of(name), **common)
                    file = new(File, tenant_id=kb.tenant_id, parent_id=kb_id, type="doc", **common)
                    session.add_all([doc, file, new(File2Document, file_id=file.id, document_id=doc.id)])
                    move(session, Knowledgebase, kb_id, doc_num=1)
                stored.append(doc.id)
            except Exception as e:
                errors.append(f"{name}: {e}")
        return stored, errors

    @staticmethod
    def sync(kb_id, documents):
        with Sessions.begin() as session:
            kb = session.get(Knowledgebase, kb_id)
            common = dict(kb_id=kb_id, created_by=kb.tenant_id, source_type="sync")
            upsert(session, Document, [common | document for document in documents])


class DialogService:
    @staticmethod
    def save(**row):
        with Sessions.begin() as session:
            dialog = new(Dialog, **row)
            session.add(dialog)
            return dialog.id


class ConversationService:
    @staticmethod
    def start(dialog_id, name):
        with Sessions.begin() as session:
            conversation = new(Conversation, dialog_id=dialog_id, name=name, message="[]")
            session.add(conversation)
            return conversation.id

    @staticmethod
    def answer(conversation_id, question, text, tokens):
        with Sessions.begin() as session:
            conversation = session.get(Conversation, conversation_id)
            tenant_id = session.get(Dialog, conversation.dialog_id).tenant_id
            conversation.message = json.dumps(json.loads(conversation.message) + [question, text])
            mine = (TenantLLM.tenant_id == tenant_id, TenantLLM.model_type == "chat")
            used = TenantLLM.used_tokens + tokens
            session.execute(
                update(TenantLLM).where(*mine).values(used_tokens=used).execution_options(synchronize_session=False)
            )
