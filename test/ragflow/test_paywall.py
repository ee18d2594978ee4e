"""The paywall itself: what it needs of the application, what was there before it, its trial run, the pitfalls."""

import re

import psycopg2
import pytest
from app.with_peewee.models import MODELS
from conftest import EXAMPLE, register
from scratch import psql

SIZES = [("1.pdf", b"x" * 100), ("2.pdf", b"x" * 200)]


def test_the_application_knows_nothing_of_it():
    files = [*EXAMPLE.glob("app/**/*.py"), EXAMPLE / "schema.sql"]
    assert len(files) >= 8
    for file in files:
        assert not re.search(r"\bquota\b|QT4|\bpaywall\.\w", file.read_text(encoding="utf-8")), file


def test_models_are_the_tables(bare, connected):
    """Peewee's models have the columns that schema.sql has.  (SQLAlchemy reads them from the database.)"""
    connected(bare, "peewee")
    columns = {}
    for table, column in bare.all(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
    ):
        columns.setdefault(table, set()).add(column)
    assert {m._meta.table_name: {f.column_name for f in m._meta.sorted_fields} for m in MODELS} == columns


def test_the_application_has_no_right_on_it(database):
    """Gates need none: the role that is limited can neither charge nor look nor forge a payer."""
    connection = psycopg2.connect(database.app)
    for statement in (
        "SELECT * FROM quota.debit('x', 'documents')",
        "SELECT * FROM quota.check('x', 'documents')",
        "UPDATE quota_internal.gate_charge SET subject = 'y'",
        "SELECT paywall.start_run()",
    ):
        with connection, connection.cursor() as cursor:
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(statement)
            connection.rollback()
    connection.close()


@pytest.mark.parametrize("driver", ["peewee", "sqlalchemy"])
def test_what_was_there_counts(bare, connected, driver):
    """Seven documents before the paywall, where the plan has five: they stay, and the eighth is refused."""
    app = connected(bare, driver)
    tenant = register(app)
    kb = app.KnowledgebaseService.create(tenant, "Engines")
    app.FileService.upload_document(kb, [(f"{n}.pdf", b"x") for n in range(7)])
    bare.run("paywall.sql")
    assert bare.one("SELECT used, remaining FROM quota.check(%s, 'documents')", tenant) == (7, 0)
    stored, errors = app.FileService.upload_document(kb, [("8.pdf", b"x")])
    assert stored == [] and "exceeded" in errors[0]
    app.KnowledgebaseService.delete(kb)
    assert bare.one("SELECT used FROM quota.check(%s, 'documents')", tenant) == 0
    assert bare.all("SELECT * FROM quota.verify()") == []


def test_tokens_of_the_past_are_not_charged(bare, connected):
    """What was embedded and answered before the paywall was not sold by it."""
    app = connected(bare, "peewee")
    tenant = register(app)
    kb = app.KnowledgebaseService.create(tenant, "Engines")
    (doc,), _ = app.FileService.upload_document(kb, SIZES[:1])
    app.TaskService.work(app.DocumentService.run(doc)[0], tokens=30_000, chunks=10)
    app.TenantLLMService.increase_usage(tenant, "chat", 50_000)
    bare.run("paywall.sql")
    assert bare.one("SELECT used FROM quota.check(%s, 'embedding_tokens')", tenant) == 0
    assert bare.one("SELECT used FROM quota.check(%s, 'llm_tokens')", tenant) == 0
    app.DocumentService.increment_chunk_num(doc, kb, 500, 1)
    assert bare.one("SELECT used FROM quota.check(%s, 'embedding_tokens')", tenant) == 500


@pytest.mark.parametrize("driver", ["peewee", "sqlalchemy"])
def test_trial_run(bare, connected, driver):
    """observe, set for the application's role: everything is stored and counted, what would be refused is recorded."""
    bare.run("paywall.sql")
    name = bare.one("SELECT current_database()")
    bare.all(f"ALTER ROLE {bare.role} IN DATABASE {name} SET quota.enforcement = 'observe'")
    app = connected(bare, driver)
    tenant = register(app)
    kb = app.KnowledgebaseService.create(tenant, "Engines")
    stored, errors = app.FileService.upload_document(kb, [(f"{n}.pdf", b"x") for n in range(7)])
    assert len(stored) == 7 and errors == []
    app.TaskService.work(app.DocumentService.run(stored[0])[0], tokens=30_000, chunks=10)
    app.DocumentService.run(stored[1])
    assert bare.one("SELECT used FROM quota.check(%s, 'documents')", tenant) == 7
    denials = bare.all("SELECT feature, reason, times FROM quota.denials WHERE subject = %s ORDER BY feature", tenant)
    assert denials[0] == ("documents", "quota_exceeded", 2)
    assert denials[1][:2] == ("embedding_tokens", "quota_exceeded")


def test_a_subject_that_goes_first(bare, connected):
    """The sub-select that comes to mind: its row goes before the document's.  The document goes all the same, nothing
    comes back, the server warns; recount() repairs."""
    bare.run("paywall.sql")
    naive = "(SELECT k.tenant_id FROM public.knowledgebase k WHERE k.id = r.kb_id)"
    bare.all("SELECT quota.unprotect('public.document', 'documents')")
    bare.all("SELECT quota.protect('public.document', 'documents', %s)", naive)
    app = connected(bare, "peewee")
    tenant = register(app)
    kb = app.KnowledgebaseService.create(tenant, "Engines")
    app.FileService.upload_document(kb, SIZES)
    said = psql(
        bare.app,
        "-c", f"BEGIN; DELETE FROM knowledgebase WHERE id = '{kb}'; DELETE FROM document WHERE kb_id = '{kb}'; COMMIT",
    )  # fmt: skip
    assert "WARNING" in said
    assert bare.one("SELECT count(*) FROM document") == 0
    assert bare.one("SELECT used FROM quota.check(%s, 'documents')", tenant) == 2
    assert bare.one("SELECT used FROM quota.check(%s, 'storage_bytes')", tenant) == 0  # its gate remembers
    assert bare.all("SELECT * FROM quota.recount('documents')") == [(tenant, 2, 0)]
    bare.all("SELECT * FROM quota.recount('documents', dry_run => false)")
    assert bare.one("SELECT used FROM quota.check(%s, 'documents')", tenant) == 0
    assert bare.all("SELECT * FROM quota.recount('documents')") == []


def test_unprotect_leaves_the_application_as_it_was(bare, connected):
    bare.run("paywall.sql")
    bare.run("remove.sql")
    app = connected(bare, "peewee")
    kb = app.KnowledgebaseService.create(register(app), "Engines")
    stored, errors = app.FileService.upload_document(kb, [(f"{n}.pdf", b"x") for n in range(7)])
    assert len(stored) == 7 and errors == []
    assert bare.all("SELECT * FROM quota.gates") == []
    assert bare.all("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgrelid::regclass::text !~ '^quota'") == []


def test_the_applications_migrations_go_on(database, connected):
    """What it does at its start: makes its tables if they are missing, alters types and adds columns."""
    for statement in (
        "ALTER TABLE document ALTER COLUMN size TYPE numeric; ALTER TABLE document ALTER COLUMN size TYPE bigint",
        "ALTER TABLE document ALTER COLUMN run TYPE varchar(2)",
        "ALTER TABLE document ADD COLUMN pipeline_id varchar(32); ALTER TABLE document DROP COLUMN pipeline_id",
    ):
        psql(database.app, "-c", statement)
    app = connected(database, "peewee")
    kb = app.KnowledgebaseService.create(register(app), "Engines")
    assert app.FileService.upload_document(kb, SIZES)[1] == []
