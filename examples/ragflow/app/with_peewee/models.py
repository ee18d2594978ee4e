"""The tables of schema.sql as Peewee models.  DB.init(url) says where they are."""

from peewee import (
    AutoField,
    BigIntegerField,
    CharField,
    DateTimeField,
    FloatField,
    IntegerField,
    Model,
    TextField,
)
from playhouse.pool import PooledPostgresqlDatabase

DB = PooledPostgresqlDatabase(None, max_connections=8, stale_timeout=30)


class Base(Model):
    create_time = BigIntegerField(null=True)
    create_date = DateTimeField(null=True)
    update_time = BigIntegerField(null=True)
    update_date = DateTimeField(null=True)

    class Meta:
        database = DB
        legacy_table_names = False


class User(Base):
    id = CharField(max_length=32, primary_key=True)
    nickname = CharField(max_length=100)
    email = CharField(max_length=255, unique=True)
    status = CharField(max_length=1, null=True, default="1")


class Tenant(Base):
    id = CharField(max_length=32, primary_key=True)
    name = CharField(max_length=100, null=True)
    llm_id = CharField(max_length=128, default="")
    embd_id = CharField(max_length=128, default="")
    credit = IntegerField(default=512)
    status = CharField(max_length=1, null=True, default="1")


class UserTenant(Base):
    id = CharField(max_length=32, primary_key=True)
    user_id = CharField(max_length=32)
    tenant_id = CharField(max_length=32, index=True)
    role = CharField(max_length=32)
    invited_by = CharField(max_length=32)
    status = CharField(max_length=1, null=True, default="1")


class TenantLLM(Base):
    id = AutoField()
    tenant_id = CharField(max_length=32)
    llm_factory = CharField(max_length=128)
    model_type = CharField(max_length=128, null=True)
    llm_name = CharField(max_length=128, null=True, default="")
    max_tokens = IntegerField(default=8192)
    used_tokens = IntegerField(default=0)

    class Meta:
        table_name = "tenant_llm"
        indexes = ((("tenant_id", "llm_factory", "llm_name"), True),)


class Knowledgebase(Base):
    id = CharField(max_length=32, primary_key=True)
    tenant_id = CharField(max_length=32, index=True)
    name = CharField(max_length=128)
    embd_id = CharField(max_length=128, default="")
    permission = CharField(max_length=16, default="me")
    created_by = CharField(max_length=32)
    doc_num = IntegerField(default=0)
    token_num = IntegerField(default=0)
    chunk_num = IntegerField(default=0)
    parser_id = CharField(max_length=32, default="naive")
    status = CharField(max_length=1, null=True, default="1")


class Document(Base):
    id = CharField(max_length=32, primary_key=True)
    kb_id = CharField(max_length=256, index=True)
    parser_id = CharField(max_length=32, default="naive")
    source_type = CharField(max_length=128, default="local")
    type = CharField(max_length=32, default="doc")
    created_by = CharField(max_length=32)
    name = CharField(max_length=255, null=True)
    location = CharField(max_length=255, null=True)
    size = BigIntegerField(default=0)
    token_num = IntegerField(default=0)
    chunk_num = IntegerField(default=0)
    progress = FloatField(default=0)
    progress_msg = TextField(null=True, default="")
    process_begin_at = DateTimeField(null=True)
    process_duration = FloatField(default=0)
    suffix = CharField(max_length=32, default="")
    run = CharField(max_length=1, null=True, default="0")
    status = CharField(max_length=1, null=True, default="1")


class Task(Base):
    id = CharField(max_length=32, primary_key=True)
    doc_id = CharField(max_length=32, index=True)
    from_page = IntegerField(default=0)
    to_page = IntegerField(default=100000000)
    task_type = CharField(max_length=32, default="")
    begin_at = DateTimeField(null=True)
    progress = FloatField(default=0)
    progress_msg = TextField(null=True, default="")
    retry_count = IntegerField(default=0)


class File(Base):
    id = CharField(max_length=32, primary_key=True)
    parent_id = CharField(max_length=32)
    tenant_id = CharField(max_length=32, index=True)
    created_by = CharField(max_length=32)
    name = CharField(max_length=255)
    location = CharField(max_length=255, null=True)
    size = BigIntegerField(default=0)
    type = CharField(max_length=32)
    source_type = CharField(max_length=128, default="")


class File2Document(Base):
    id = CharField(max_length=32, primary_key=True)
    file_id = CharField(max_length=32, null=True)
    document_id = CharField(max_length=32, null=True, index=True)

    class Meta:
        table_name = "file2document"


class Dialog(Base):
    id = CharField(max_length=32, primary_key=True)
    tenant_id = CharField(max_length=32)
    name = CharField(max_length=255, null=True)
    llm_id = CharField(max_length=128, default="")
    kb_ids = TextField(default="[]")
    status = CharField(max_length=1, null=True, default="1")


class Conversation(Base):
    id = CharField(max_length=32, primary_key=True)
    dialog_id = CharField(max_length=32, index=True)
    name = CharField(max_length=255, null=True)
    message = TextField(null=True)
    user_id = CharField(max_length=255, null=True)


MODELS = [
    User, Tenant, UserTenant, TenantLLM, Knowledgebase, Document, Task, File, File2Document, Dialog, Conversation,
]  # fmt: skip
