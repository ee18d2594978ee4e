"""The application behind its paywall, driven through Peewee and through SQLAlchemy."""

import json
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest
from conftest import register


def refusal(error):
    """The driver's error inside the ORM's: (SQLSTATE, DETAIL as a dict)."""
    assert isinstance(error.orig, psycopg2.DatabaseError)
    return error.orig.pgcode, json.loads(error.orig.diag.message_detail)


def used(database, tenant, feature):
    return database.one("SELECT used FROM quota.check(%s, %s)", tenant, feature)


def ledger(database, tenant, feature):
    """What was taken, in order."""
    sql = "SELECT amount FROM quota.ledger WHERE subject = %s AND feature = %s ORDER BY id"
    return [amount for (amount,) in database.all(sql, tenant, feature)]


def count(database, table, **equal):
    where = " AND ".join(f"{name} = %s" for name in equal)
    return database.one(f"SELECT count(*) FROM {table} WHERE {where}", *equal.values())


def upload(app, kb, count, size=1000, start=0):
    return app.FileService.upload_document(kb, [(f"{n}.pdf", b"x" * size) for n in range(start, start + count)])


def test_upload_within_the_plan(app, database, tenant, kb):
    stored, errors = upload(app, kb, 3)
    assert len(stored) == 3 and errors == []
    assert used(database, tenant, "documents") == 3
    assert used(database, tenant, "storage_bytes") == 3000
    assert used(database, tenant, "knowledge_bases") == 1
    assert used(database, tenant, "seats") == 1


def test_refused_at_the_limit(app, database, tenant, kb):
    """The sixth of five: the ORM raises, QT402 and its JSON are inside, and nothing is stored."""
    upload(app, kb, 5)
    row = dict(kb_id=kb, created_by=tenant, name="sixth.pdf", location="sixth.pdf", size=7)
    with pytest.raises(app.Refused) as raised:
        app.DocumentService.insert(**row)
    code, detail = refusal(raised.value)
    assert code == "QT402"
    assert detail | {"resets_at": None} == {
        "code": "quota_exceeded", "subject": tenant, "feature": "documents", "requested": 1, "remaining": 0,
        "allowance": 5, "used": 5, "plan": "free", "blocked_by": tenant, "resets_at": None, "retry_after": None,
    }  # fmt: skip
    assert type(raised.value).__name__ == "DatabaseError"
    assert count(database, "document", kb_id=kb) == 5
    assert database.one("SELECT doc_num FROM knowledgebase WHERE id = %s", kb) == 5
    assert used(database, tenant, "documents") == 5
    assert used(database, tenant, "storage_bytes") == 5000


def test_the_application_goes_on(app, database, tenant, kb):
    """Three files where two fit: two are stored, the third is an error like any other, and the pool is sound."""
    upload(app, kb, 3)
    stored, errors = upload(app, kb, 3, start=3)
    assert len(stored) == 2 and len(errors) == 1
    assert errors[0].startswith("5.pdf: ") and "quota of" in errors[0] and '"documents"' in errors[0]
    assert count(database, "document", kb_id=kb) == count(database, "file", parent_id=kb) == 5
    app.DocumentService.remove_document(stored[0])
    assert upload(app, kb, 1, start=6)[1] == []


def test_bytes_are_limited_too(app, database, tenant, kb):
    upload(app, kb, 1, size=900_000)
    assert upload(app, kb, 1, size=100_001, start=1)[0] == []
    assert len(upload(app, kb, 1, size=100_000, start=2)[0]) == 1
    assert used(database, tenant, "storage_bytes") == 1_000_000
    assert used(database, tenant, "documents") == 2  # the refused one took no place


def test_delete_gives_back(app, database, tenant, kb):
    stored, _ = upload(app, kb, 5)
    app.DocumentService.remove_document(stored[2])
    assert used(database, tenant, "documents") == 4
    assert used(database, tenant, "storage_bytes") == 4000
    assert len(upload(app, kb, 1, start=5)[0]) == 1


def test_tokens_are_charged_by_growth(app, database, tenant, kb):
    """Each task adds what it embedded; a second run is work again; deleting gives no work back."""
    (doc,), _ = upload(app, kb, 1)
    tasks = app.DocumentService.run(doc, pages=30)
    assert len(tasks) == 3
    for task in tasks:
        app.TaskService.work(task, tokens=500, chunks=4)
    assert database.one("SELECT token_num, chunk_num, run FROM document WHERE id = %s", doc) == (1500, 12, "3")
    assert database.one("SELECT token_num FROM knowledgebase WHERE id = %s", kb) == 1500
    assert ledger(database, tenant, "embedding_tokens") == [1, 500, 500, 500]  # the run itself costs one
    (task,) = app.DocumentService.run(doc)
    assert database.one("SELECT token_num FROM document WHERE id = %s", doc) == 0
    app.TaskService.work(task, tokens=700, chunks=5)
    assert used(database, tenant, "embedding_tokens") == 2202
    app.DocumentService.remove_document(doc)
    assert used(database, tenant, "embedding_tokens") == 2202
    assert used(database, tenant, "documents") == 0


def test_work_done_is_counted_and_the_next_start_refused(app, database, tenant, kb):
    """The counters pass the limit, for the vectors are stored; the next run does not begin and loses nothing."""
    (first, second), _ = upload(app, kb, 2)
    (task,) = app.DocumentService.run(first)
    app.TaskService.work(task, tokens=25_000, chunks=60)
    assert database.one("SELECT token_num FROM document WHERE id = %s", first) == 25_000
    assert used(database, tenant, "embedding_tokens") == 25_001
    assert database.one(
        "SELECT overdrawn FROM quota.periods WHERE subject = %s AND feature = 'embedding_tokens'", tenant
    ) == 5001
    for doc in (first, second):
        before = database.all("SELECT * FROM document WHERE id = %s", doc), count(database, "task", doc_id=doc)
        with pytest.raises(app.Refused) as raised:
            app.DocumentService.run(doc)
        code, detail = refusal(raised.value)
        assert (code, detail["feature"], detail["remaining"]) == ("QT402", "embedding_tokens", 0)
        assert (database.all("SELECT * FROM document WHERE id = %s", doc), count(database, "task", doc_id=doc)) == before


def test_upsert_is_charged_by_what_is_stored(app, database, tenant, kb):
    """Many rows in one INSERT ... ON CONFLICT: new ones are charged, replaced ones by their difference."""
    def row(n, size):
        return {"id": f"{kb[:30]}{n:02}", "name": f"{n}.html", "size": size}

    app.FileService.sync(kb, [row(1, 100), row(2, 200), row(3, 300)])
    assert used(database, tenant, "documents") == 3
    assert used(database, tenant, "storage_bytes") == 600
    app.FileService.sync(kb, [row(2, 50), row(3, 400), row(4, 1000)])
    assert used(database, tenant, "documents") == 4
    assert used(database, tenant, "storage_bytes") == 100 + 50 + 400 + 1000
    with pytest.raises(app.Refused) as raised:
        app.FileService.sync(kb, [row(1, 1), row(5, 1), row(6, 1)])
    code, detail = refusal(raised.value)
    assert (code, detail["feature"], detail["requested"], detail["remaining"]) == ("QT402", "documents", 2, 1)
    assert count(database, "document", kb_id=kb) == 4
    assert used(database, tenant, "storage_bytes") == 1550


def test_upgrade_lets_it_through(app, database, tenant, kb):
    upload(app, kb, 5)
    assert upload(app, kb, 1, start=5)[0] == []
    database.all("SELECT quota.subscribe(%s, 'pro')", tenant)
    assert len(upload(app, kb, 20, start=5)[0]) == 20
    assert used(database, tenant, "documents") == 25
    database.all("SELECT quota.cancel(%s, 'now')", tenant)
    assert upload(app, kb, 1, start=30)[0] == []  # nothing is taken away, and nothing more fits
    assert count(database, "document", kb_id=kb) == 25


def test_knowledgebase_deleted_before_its_documents(app, database, tenant, kb):
    """In one transaction, and the documents' tenant is known only through the row that went first."""
    stored, _ = upload(app, kb, 4)
    app.DocumentService.run(stored[0])
    app.KnowledgebaseService.delete(kb)
    assert count(database, "document", kb_id=kb) == count(database, "task", doc_id=stored[0]) == 0
    assert used(database, tenant, "documents") == 0
    assert used(database, tenant, "storage_bytes") == 0
    assert used(database, tenant, "knowledge_bases") == 0
    assert database.all("SELECT * FROM quota.recount('documents') WHERE subject = %s", tenant) == []


def test_knowledge_bases_are_limited(app, database, tenant, kb):
    second = app.KnowledgebaseService.create(tenant, "Second")
    with pytest.raises(app.Refused) as raised:
        app.KnowledgebaseService.create(tenant, "Third")
    assert refusal(raised.value)[1]["feature"] == "knowledge_bases"
    app.KnowledgebaseService.delete(second)
    app.KnowledgebaseService.create(tenant, "Third")
    assert used(database, tenant, "knowledge_bases") == 2


def test_seats(app, database, tenant):
    """Invitations are free, members are not: the second who agrees is refused and stays invited."""
    guests = [register(app, n) for n in ("Bob", "Cid")]
    for guest in guests:
        app.UserTenantService.invite(tenant, guest)
    assert used(database, tenant, "seats") == 1
    app.UserTenantService.agree(tenant, guests[0])
    with pytest.raises(app.Refused) as raised:
        app.UserTenantService.agree(tenant, guests[1])
    assert refusal(raised.value)[1]["feature"] == "seats"
    assert database.one(
        "SELECT role FROM user_tenant WHERE tenant_id = %s AND user_id = %s", tenant, guests[1]
    ) == "invite"
    app.UserTenantService.leave(tenant, guests[0])
    app.UserTenantService.agree(tenant, guests[1])
    assert used(database, tenant, "seats") == 2


def test_conversations(app, database, tenant):
    """Answers are counted as they come; with nothing left no conversation begins, and one that goes on does."""
    dialog = app.DialogService.save(tenant_id=tenant, name="Assistant")
    conversation = app.ConversationService.start(dialog, "First")
    app.ConversationService.answer(conversation, "Why?", "Because.", tokens=9_000)
    assert used(database, tenant, "llm_tokens") == 9_001
    app.ConversationService.answer(conversation, "Really?", "Yes.", tokens=3_000)
    assert used(database, tenant, "llm_tokens") == 12_001
    with pytest.raises(app.Refused) as raised:
        app.ConversationService.start(dialog, "Second")
    assert refusal(raised.value)[1]["feature"] == "llm_tokens"
    app.ConversationService.answer(conversation, "So?", "So.", tokens=10)  # no statement comes before the answer
    assert used(database, tenant, "llm_tokens") == 12_011


def test_embedding_models_do_not_count_as_answers(app, database, tenant):
    database.all("UPDATE tenant_llm SET used_tokens = used_tokens + 5000 WHERE tenant_id = %s", tenant)
    assert used(database, tenant, "llm_tokens") == 5000  # of two rows, the chat model's


def test_many_uploads_at_the_last_places(app, database, tenant, kb):
    """Two places are left and eight come at once: two are stored, whoever they are."""
    upload(app, kb, 3)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: upload(app, kb, 1, start=n), range(10, 18)))
    assert sum(len(stored) for stored, _ in answers) == 2
    assert sum("quota of" in error for _, errors in answers for error in errors) == 6
    assert count(database, "document", kb_id=kb) == used(database, tenant, "documents") == 5


def test_tenants_do_not_meet(app, database, tenant, kb):
    other = register(app, "Eve")
    upload(app, kb, 5)
    assert used(database, other, "documents") == 0
    assert len(upload(app, app.KnowledgebaseService.create(other, "Hers"), 5)[0]) == 5


def test_every_invariant_holds(database):
    """After all of the above."""
    assert database.all("SELECT * FROM quota.verify()") == []
    for feature in ("documents", "storage_bytes", "seats", "knowledge_bases"):
        assert database.all("SELECT * FROM quota.recount(%s)", feature) == []
