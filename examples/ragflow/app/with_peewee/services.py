"""The application's services over Peewee.

Each statement is a transaction of its own, but where atomic() says otherwise.  Counters are moved by the database
(token_num = token_num + n), and what is outside it (the object store, the index of chunks) is changed between the
statements: an error takes back the statement that failed and none before it.
"""

import json

from ..common import (
    DONE, INVITED, NORMAL, OWNER, PAGES_PER_TASK, RUNNING, STORE, VALID, new_id, stamps, suffix_of,
)  # fmt: skip
from .models import (
    DB, Conversation, Dialog, Document, File, File2Document, Knowledgebase, Task, Tenant, TenantLLM, User, UserTenant,
)  # fmt: skip


@DB.connection_context()
def bulk_insert_into_db(model, rows, replace_on_conflict=False, batch=1000):
    """Many rows in one INSERT; those whose id is there replace it."""
    rows = [stamps() | row for row in rows]
    for i in range(0, len(rows), batch):
        with DB.atomic():
            query = model.insert_many(rows[i : i + batch])
            if replace_on_conflict:
                preserve = tuple(rows[0].keys() - {"create_time", "create_date"})
                query = query.on_conflict(conflict_target="id", preserve=preserve)
            query.execute()


class CommonService:
    model = None

    @classmethod
    @DB.connection_context()
    def save(cls, **row):
        row = {"id": new_id()} | stamps() | row
        cls.model(**row).save(force_insert=True)
        return row["id"]

    @classmethod
    @DB.connection_context()
    def query(cls, **equal):
        return list(cls.model.select().filter(**equal).order_by(cls.model.id))

    @classmethod
    @DB.connection_context()
    def get_by_id(cls, pid):
        return cls.model.get_or_none(cls.model.id == pid)

    @classmethod
    @DB.connection_context()
    def update_by_id(cls, pid, data):
        return cls.model.update(stamps(new=False) | data).where(cls.model.id == pid).execute()

    @classmethod
    @DB.connection_context()
    def delete_by_id(cls, pid):
        return cls.model.delete().where(cls.model.id == pid).execute()

    @classmethod
    @DB.connection_context()
    def filter_delete(cls, *filters):
        with DB.atomic():
            return cls.model.delete().where(*filters).execute()


class UserService(CommonService):
    model = User

    @classmethod
    @DB.connection_context()
    def register(cls, nickname, email):
        """A person with a tenant of their own, both under one id."""
        user_id = new_id()
        with DB.atomic():
            User.create(id=user_id, nickname=nickname, email=email, **stamps())
            Tenant.create(id=user_id, name=f"{nickname}'s kingdom", **stamps())
            UserTenant.create(
                id=new_id(), user_id=user_id, tenant_id=user_id, role=OWNER, invited_by=user_id, **stamps()
            )
            models = [("chat", "big-chat"), ("embedding", "small-embed")]
            TenantLLM.insert_many(
                [stamps() | dict(tenant_id=user_id, llm_factory="local", model_type=t, llm_name=n) for t, n in models]
            ).execute()
        return user_id


class UserTenantService(CommonService):
    model = UserTenant

    @classmethod
    def invite(cls, tenant_id, user_id):
        return cls.save(user_id=user_id, tenant_id=tenant_id, role=INVITED, invited_by=tenant_id)

    @classmethod
    @DB.connection_context()
    def agree(cls, tenant_id, user_id):
        mine = (UserTenant.tenant_id == tenant_id, UserTenant.user_id == user_id)
        return UserTenant.update(role=NORMAL, **stamps(new=False)).where(*mine).execute()

    @classmethod
    def leave(cls, tenant_id, user_id):
        return cls.filter_delete(UserTenant.tenant_id == tenant_id, UserTenant.user_id == user_id)


class TenantLLMService(CommonService):
    model = TenantLLM

    @classmethod
    @DB.connection_context()
    def increase_usage(cls, tenant_id, model_type, tokens):
        """Called when the model has answered."""
        mine = (TenantLLM.tenant_id == tenant_id, TenantLLM.model_type == model_type)
        return TenantLLM.update(used_tokens=TenantLLM.used_tokens + tokens).where(*mine).execute()


class KnowledgebaseService(CommonService):
    model = Knowledgebase

    @classmethod
    def create(cls, tenant_id, name):
        return cls.save(tenant_id=tenant_id, name=name, created_by=tenant_id)

    @classmethod
    @DB.connection_context()
    def atomic_increase_doc_num_by_id(cls, kb_id):
        return Knowledgebase.update(doc_num=Knowledgebase.doc_num + 1).where(Knowledgebase.id == kb_id).execute()

    @classmethod
    @DB.connection_context()
    def delete(cls, kb_id):
        """The knowledge base, then what is left of its documents: in this order, in one transaction."""
        with DB.atomic():
            deleted = Knowledgebase.delete().where(Knowledgebase.id == kb_id).execute()
            left = [d.id for d in Document.select(Document.id).where(Document.kb_id == kb_id)]
            Task.delete().where(Task.doc_id.in_(left)).execute()
            File2Document.delete().where(File2Document.document_id.in_(left)).execute()
            Document.delete().where(Document.kb_id == kb_id).execute()
        return deleted


class DocumentService(CommonService):
    model = Document

    @classmethod
    def insert(cls, **row):
        doc_id = cls.save(**row)
        KnowledgebaseService.atomic_increase_doc_num_by_id(row["kb_id"])
        return doc_id

    @classmethod
    @DB.connection_context()
    def increment_chunk_num(cls, doc_id, kb_id, tokens, chunks, duration=0):
        """What a task has embedded, added to the document and to its knowledge base."""
        updated = (
            Document.update(
                token_num=Document.token_num + tokens,
                chunk_num=Document.chunk_num + chunks,
                process_duration=Document.process_duration + duration,
            )
            .where(Document.id == doc_id)
            .execute()
        )
        if not updated:
            raise LookupError("Document not found which is supposed to be there")
        return cls._count_in_kb(kb_id, tokens, chunks)

    @classmethod
    @DB.connection_context()
    def clear_chunk_num(cls, doc_id):
        """Before it is deleted or parsed anew: takes its counts out of both."""
        doc = Document.get_by_id(doc_id)
        cls._count_in_kb(doc.kb_id, -doc.token_num, -doc.chunk_num)
        Document.update(token_num=0, chunk_num=0, process_duration=0).where(Document.id == doc_id).execute()

    @staticmethod
    def _count_in_kb(kb_id, tokens, chunks):
        return (
            Knowledgebase.update(
                token_num=Knowledgebase.token_num + tokens, chunk_num=Knowledgebase.chunk_num + chunks
            )
            .where(Knowledgebase.id == kb_id)
            .execute()
        )

    @classmethod
    def run(cls, doc_id, pages=1):
        """Starts parsing: the document says so, then what an earlier run left goes, then tasks are queued."""
        cls.update_by_id(doc_id, {"run": RUNNING, "progress": 0, "progress_msg": ""})
        cls.clear_chunk_num(doc_id)
        TaskService.filter_delete(Task.doc_id == doc_id)
        tasks = [
            {"id": new_id(), "doc_id": doc_id, "from_page": p, "to_page": min(p + PAGES_PER_TASK, pages)}
            for p in range(0, pages, PAGES_PER_TASK)
        ]
        bulk_insert_into_db(Task, tasks, replace_on_conflict=True)
        return [task["id"] for task in tasks]

    @classmethod
    @DB.connection_context()
    def remove_document(cls, doc_id):
        doc = Document.get_by_id(doc_id)
        cls.clear_chunk_num(doc_id)
        TaskService.filter_delete(Task.doc_id == doc_id)
        STORE.remove(doc.kb_id, doc.location)
        deleted = cls.delete_by_id(doc_id)
        File2DocumentService.filter_delete(File2Document.document_id == doc_id)
        Knowledgebase.update(doc_num=Knowledgebase.doc_num - 1).where(Knowledgebase.id == doc.kb_id).execute()
        return deleted


class TaskService(CommonService):
    model = Task

    @classmethod
    def work(cls, task_id, tokens, chunks):
        """What the worker does with a task: chunks, embeds, stores them in the index, and only then counts."""
        task = cls.get_by_id(task_id)
        doc = DocumentService.get_by_id(task.doc_id)
        DocumentService.increment_chunk_num(doc.id, doc.kb_id, tokens, chunks, duration=1)
        cls.update_by_id(task_id, {"progress": 1})
        DocumentService.update_by_id(doc.id, {"run": DONE, "progress": 1})


class File2DocumentService(CommonService):
    model = File2Document


class FileService(CommonService):
    model = File

    @classmethod
    def upload_document(cls, kb_id, files):
        """Stores (name, content) pairs; returns the documents' ids, and what went wrong, a line for each file."""
        kb = KnowledgebaseService.get_by_id(kb_id)
        stored, errors = [], []
        for name, content in files:
            try:
                STORE.put(kb.id, name, content)
                row = dict(name=name, location=name, size=len(content), suffix=suffix_of(name))
                doc_id = DocumentService.insert(kb_id=kb.id, created_by=kb.tenant_id, **row)
                file_id = cls.save(
                    tenant_id=kb.tenant_id, parent_id=kb.id, created_by=kb.tenant_id, name=name, location=name,
                    size=len(content), type="doc", source_type="knowledgebase",
                )  # fmt: skip
                File2DocumentService.save(file_id=file_id, document_id=doc_id)
                stored.append(doc_id)
            except Exception as e:
                errors.append(f"{name}: {e}")
        return stored, errors

    @staticmethod
    def sync(kb_id, documents):
        """What a connector found elsewhere, rows with ids of its own: new ones and ones that were changed."""
        kb = KnowledgebaseService.get_by_id(kb_id)
        rows = [
            dict(id=d["id"], kb_id=kb.id, created_by=kb.tenant_id, name=d["name"], size=d["size"], source_type="sync")
            for d in documents
        ]
        bulk_insert_into_db(Document, rows, replace_on_conflict=True)


class DialogService(CommonService):
    model = Dialog


class ConversationService(CommonService):
    model = Conversation

    @classmethod
    def start(cls, dialog_id, name):
        return cls.save(dialog_id=dialog_id, name=name, message="[]")

    @classmethod
    def answer(cls, conversation_id, question, text, tokens):
        """The model has answered: counts its tokens, then stores the conversation."""
        conversation = cls.get_by_id(conversation_id)
        dialog = DialogService.get_by_id(conversation.dialog_id)
        TenantLLMService.increase_usage(dialog.tenant_id, "chat", tokens)
        message = json.loads(conversation.message) + [question, text]
        return cls.update_by_id(conversation_id, {"message": json.dumps(message)})


class TenantService(CommonService):
    model = Tenant

    @classmethod
    @DB.connection_context()
    def tenants_of(cls, user_id):
        """Where a user is a member, invitations left out."""
        rows = UserTenant.select(UserTenant.tenant_id).where(
            UserTenant.user_id == user_id, UserTenant.role != INVITED, UserTenant.status == VALID
        )
        return [row.tenant_id for row in rows]
