"""The tables of schema.sql as SQLAlchemy reads them from the database: Base.prepare(autoload_with=engine)."""

from sqlalchemy.ext.automap import automap_base

Base = automap_base()


class User(Base):
    __tablename__ = "user"


class Tenant(Base):
    __tablename__ = "tenant"


class UserTenant(Base):
    __tablename__ = "user_tenant"


class TenantLLM(Base):
    __tablename__ = "tenant_llm"


class Knowledgebase(Base):
    __tablename__ = "knowledgebase"


class Document(Base):
    __tablename__ = "document"


class Task(Base):
    __tablename__ = "task"


class File(Base):
    __tablename__ = "file"


class File2Document(Base):
    __tablename__ = "file2document"


class Dialog(Base):
    __tablename__ = "dialog"


class Conversation(Base):
    __tablename__ = "conversation"
