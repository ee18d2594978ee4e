"""The application's tables, in a schema of their own (docapp).

Nothing in here counts anything for the paywall: what was used is quota's to know.  Two features are facts of
the documents table's rows, and GATES says so: whoever stores, changes or deletes a document, by whatever
way, the table charges or gives back by itself.  `documents.subject` says who pays for a document, so that
whoever deletes it, the same subject gets its room back.
"""

from sqlalchemy import (
    ARRAY,
    REAL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.orm import declarative_base, relationship

SCHEMA = "docapp"

Base = declarative_base(metadata=MetaData(schema=SCHEMA))


def _key():
    return Column(BigInteger, Identity(always=True), primary_key=True)


def _now():
    return Column(DateTime(timezone=True), nullable=False, server_default=func.now())


def _parent(table, **options):
    return Column(BigInteger, ForeignKey(f"{SCHEMA}.{table}.id", ondelete="CASCADE"), nullable=False, **options)


class Workspace(Base):
    """Who has a plan.  `slug` is the first segment of the subject path and never changes."""

    __tablename__ = "workspaces"
    __table_args__ = (
        Index("workspaces_slug_prefix", "slug", postgresql_ops={"slug": "text_pattern_ops"}),
        Index("workspaces_name_prefix", text("lower(name) text_pattern_ops")),
    )
    id = _key()
    slug = Column(Text, nullable=False, unique=True)
    name = Column(Text, nullable=False)
    created_at = _now()


class User(Base):
    """Who signs in and spends.  `role` is owner (may change the plan and invite) or member; `token_limit` the
    member's own llm_tokens a month, as quota was told (None: what the plan gives each member)."""

    __tablename__ = "users"
    __table_args__ = (UniqueConstraint("workspace_id", "slug"),)
    id = _key()
    workspace_id = _parent("workspaces")
    slug = Column(Text, nullable=False)
    email = Column(Text, nullable=False, unique=True)
    name = Column(Text, nullable=False)
    password_hash = Column(Text, nullable=False)
    role = Column(Text, nullable=False, server_default="owner")
    token_limit = Column(BigInteger)
    created_at = _now()
    workspace = relationship(Workspace, lazy="joined")

    @property
    def subject(self):
        """The path that every charge of this person names: workspace/member."""
        return f"{self.workspace.slug}/{self.slug}"


class FailedSignIn(Base):
    """A wrong password; counted for a quarter of an hour, cleared by a right one."""

    __tablename__ = "failed_sign_ins"
    __table_args__ = (Index("failed_sign_ins_email_at", "email", "at"),)
    id = _key()
    email = Column(Text, nullable=False)
    at = _now()


class Document(Base):
    """An uploaded document.  tokens is the sum over its chunks; embedded_tokens is how many have vectors."""

    __tablename__ = "documents"
    id = _key()
    workspace_id = _parent("workspaces", index=True)
    user_id = _parent("users")
    subject = Column(Text, nullable=False)
    title = Column(Text, nullable=False)
    filename = Column(Text, nullable=False)
    kind = Column(Text, nullable=False)
    size_bytes = Column(BigInteger, nullable=False)
    sha256 = Column(Text, nullable=False)
    pages = Column(Integer, nullable=False)
    tokens = Column(Integer, nullable=False)
    embedded_tokens = Column(Integer, nullable=False, server_default="0")
    created_at = _now()


#: What quota.protect() is told: the table, the feature, who pays for a row r, and how much.
GATES = (
    (Document, "documents", "r.subject", "1"),
    (Document, "storage_bytes", "r.subject", "r.size_bytes"),
)


class DocumentFile(Base):
    """The file as it was uploaded; documents.size_bytes, for which storage_bytes is charged, is its length."""

    __tablename__ = "document_files"
    document_id = _parent("documents", primary_key=True)
    content = Column(LargeBinary, nullable=False)


class Chunk(Base):
    """A stretch of a document; `headings` is its path, `heading` the same as one line for search."""

    __tablename__ = "chunks"
    __table_args__ = (
        UniqueConstraint("document_id", "position"),
        Index("chunks_words", "words", postgresql_using="gin"),
    )
    id = _key()
    document_id = _parent("documents")
    position = Column(Integer, nullable=False)
    page = Column(Integer, nullable=False)
    headings = Column(ARRAY(Text), nullable=False)
    heading = Column(Text, nullable=False)
    body = Column(Text, nullable=False)
    tokens = Column(Integer, nullable=False)
    embedding = Column(ARRAY(REAL))
    words = Column(
        TSVECTOR,
        Computed(
            "setweight(to_tsvector('english'::regconfig, heading), 'A')"
            " || to_tsvector('english'::regconfig, body)",
            persisted=True,
        ),
    )


class MindMap(Base):
    """The map of a document: a tree of {"label", "full", "children"}; tokens is what drawing it cost."""

    __tablename__ = "mindmaps"
    document_id = _parent("documents", primary_key=True)
    tree = Column(JSONB, nullable=False)
    tokens = Column(Integer, nullable=False)
    created_at = _now()


class Answer(Base):
    """A question that was answered.  body is what answering.compose() returned."""

    __tablename__ = "answers"
    id = _key()
    user_id = _parent("users", index=True)
    question = Column(Text, nullable=False)
    body = Column(JSONB, nullable=False)
    tokens = Column(Integer, nullable=False)
    created_at = _now()


class Receipt(Base):
    """The answer given to a request that carried an idempotency key; see receipts.py."""

    __tablename__ = "receipts"
    user_id = _parent("users", primary_key=True)
    key = Column(Text, primary_key=True)
    fingerprint = Column(Text, nullable=False)
    status = Column(Integer)
    body = Column(JSONB)
    at = _now()


class Operator(Base):
    """Who signs in to the console: of level reader, who looks, or admin, who acts; of level none, who did.  No
    customer, and unknown to the role that serves customers."""

    __tablename__ = "operators"
    __table_args__ = (CheckConstraint("level IN ('reader', 'admin', 'none')"),)
    id = _key()
    email = Column(Text, nullable=False, unique=True)
    name = Column(Text, nullable=False)
    password_hash = Column(Text, nullable=False)
    level = Column(Text, nullable=False)
    created_at = _now()


class OperatorAction(Base):
    """What an operator did, stored in the transaction that did it; `key` makes sure that it is done once."""

    __tablename__ = "operator_actions"
    __table_args__ = (Index("operator_actions_subject", "subject", "id"),)
    id = _key()
    key = Column(Text, nullable=False, unique=True)
    operator_id = Column(BigInteger, ForeignKey(f"{SCHEMA}.operators.id"), nullable=False)
    action = Column(Text, nullable=False)
    subject = Column(Text)
    asked = Column(JSONB, nullable=False)
    outcome = Column(Text)
    at = _now()


class TrialTaken(Base):
    """Who has had their trial: `person` is a digest of the e-mail address, and outlives the account."""

    __tablename__ = "trials_taken"
    person = Column(LargeBinary, primary_key=True)
    workspace = Column(Text, nullable=False)
    at = _now()


class PaymentEvent(Base):
    """The receipt of a payment provider's callback: the same event is never carried out twice, and one that was
    `overtaken` by a later one not at all; see callbacks.py."""

    __tablename__ = "payment_events"
    __table_args__ = (Index("payment_events_newest", "workspace", "created"),)
    id = Column(Text, primary_key=True)
    workspace = Column(Text, nullable=False)
    plan = Column(Text, nullable=False)
    effective = Column(Text, nullable=False)
    created = Column(DateTime(timezone=True), nullable=False, server_default=func.now())  # at the provider's
    overtaken = Column(Boolean, nullable=False, server_default="false")
    at = _now()
