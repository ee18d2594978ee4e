"""The application over HTTP, as people and a payment provider use it, against a server process of its own."""

import re
import subprocess
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import PASSWORD, Client, text_of
from docapp import chunking, parsing, tokenizer
from sqlalchemy import text
from sqlalchemy.engine import make_url

KEYS = {
    "code", "subject", "feature", "requested", "remaining", "allowance",
    "used", "plan", "blocked_by", "resets_at", "retry_after",
}  # fmt: skip


def tokens_of(name, content):
    return sum(c.tokens for c in chunking.chunk(parsing.parse(name, content).blocks))


def test_the_whole_story(person, callback, stored):
    ada = person("Ada")

    # who am I
    me = ada.me()
    workspace, subject = me["workspace"]["slug"], me["subject"]
    assert me["email"] == ada.email and subject.startswith(workspace + "/")
    assert me["quota"]["plan"]["name"] == "free"
    assert me["quota"]["features"]["documents"]["remaining"] == 5
    assert me["quota"]["features"]["seats"]["used"] == 1
    assert me["quota"]["features"]["mindmap"]["allowed"] is False

    # upload until the plan is used up
    charged = {"documents": 0, "storage_bytes": 0, "pages": 0}
    for number in range(5):
        content = text_of(f"engine{number}")
        answer = ada.upload(f"engine{number}.md", content)
        assert answer.status_code == 201, answer.text
        document = answer.json()
        assert document["size_bytes"] == len(content)
        assert document["tokens"] == tokens_of("x.md", content)
        charged["documents"] += 1
        charged["storage_bytes"] += len(content)
        charged["pages"] += document["pages"]
    before = stored(workspace)
    refused = ada.upload("sixth.md", text_of("sixth"))
    assert refused.status_code == 402
    assert refused.headers["Content-Type"] == "application/json"
    body = refused.json()
    assert set(body) == KEYS
    assert body | {"resets_at": None} == {
        "code": "quota_exceeded", "subject": subject, "feature": "documents", "requested": 1, "remaining": 0,
        "allowance": 5, "used": 5, "plan": "free", "blocked_by": workspace, "resets_at": None,
        "retry_after": None,
    }  # fmt: skip
    assert "Retry-After" not in refused.headers
    assert stored(workspace) == before  # no document, chunk, receipt or ledger entry

    # what the dialog asks
    offers = ada.get("/api/offers?feature=documents&amount=1").json()
    assert [(o["plan"], o["allowance"]) for o in offers["offers"]] == [("pro", 200), ("team", None)]

    # the payment provider calls, and it works again
    paid = callback(workspace, "pro")
    assert paid.status_code == 200 and paid.json()["carried_out"] is True
    features = ada.me()["quota"]["features"]
    assert (features["documents"]["used"], features["documents"]["remaining"]) == (5, 195)
    content = text_of("sixth")
    sixth = ada.upload("sixth.md", content)
    assert sixth.status_code == 201
    charged["documents"] += 1
    charged["storage_bytes"] += len(content)
    charged["pages"] += sixth.json()["pages"]

    # the history is what was charged, each with its reason
    entries = ada.get("/api/history").json()["entries"]
    for feature, total in charged.items():
        assert sum(e["amount"] for e in entries if e["feature"] == feature) == total
    features = ada.me()["quota"]["features"]
    assert features["documents"]["used"] == charged["documents"]
    assert features["storage_bytes"]["used"] == charged["storage_bytes"]
    assert features["pages"]["used"] == sixth.json()["pages"]  # a first subscription starts metered use at 0
    uploads = [e for e in entries if e["metadata"].get("action") == "upload"]
    assert len(uploads) == 6 and {(e["subject"], e["feature"]) for e in uploads} == {(subject, "pages")}
    assert {e["metadata"]["document"] for e in uploads} == {
        d["id"] for d in ada.get("/api/documents").json()["documents"]
    }
    by_table = [e for e in entries if e["metadata"] == {"table": "docapp.documents"}]
    assert len(by_table) == 12 and {e["subject"] for e in by_table} == {subject}
    # and its page tells an upload once, with all that it charged
    page = ada.get("/history").text
    lines = [line for line in re.findall(r"<tr>.*?</tr>", page, re.S) if "Uploaded" in line]
    assert len(lines) == 6 and "Stored" not in page
    assert all("Documents <b>" in line and "Storage <b>" in line and "Pages" in line for line in lines)


def test_work_is_charged_what_it_cost(person, callback):
    bob = person("Bob")
    content = text_of("turbine", 12)
    document = bob.upload("turbine.md", content).json()

    embedded = bob.post(f"/api/documents/{document['id']}/embed")
    assert embedded.status_code == 200 and embedded.json()["tokens"] == document["tokens"]
    assert bob.feature("embedding_tokens")["used"] == document["tokens"]
    again = bob.post(f"/api/documents/{document['id']}/embed")
    assert again.json()["tokens"] == 0  # nothing left to do, nothing charged
    assert bob.feature("embedding_tokens")["used"] == document["tokens"]

    answer = bob.post("/api/answers", json={"question": "How does the turbine number 3 work?"})
    assert answer.status_code == 201
    body = answer.json()
    assert body["citations"] and all(1 <= s["cite"] <= len(body["citations"]) for s in body["sentences"])
    written = " ".join(s["text"] for s in body["sentences"])
    assert body["tokens"] > tokenizer.count(body["question"]) + tokenizer.count(written)
    assert bob.feature("llm_tokens")["used"] == body["tokens"]

    nothing = bob.post("/api/answers", json={"question": "xylophone?"})
    assert (nothing.status_code, nothing.json()["found"]) == (200, False)
    assert bob.feature("llm_tokens")["used"] == body["tokens"]

    found = bob.get("/api/search", params={"q": '"turbine number 3"'}).json()["results"]
    assert found and "\x02" in found[0]["snippet"]
    similar = bob.get(f"/api/chunks/{found[0]['chunk']}/similar").json()["similar"]
    cosines = [row["cosine"] for row in similar]
    assert cosines == sorted(cosines, reverse=True) and 0 < cosines[0] <= 1.0

    refused = bob.post(f"/api/documents/{document['id']}/mindmap")
    assert refused.status_code == 403
    assert set(refused.json()) == KEYS and refused.json()["code"] == "not_entitled"
    assert bob.feature("llm_tokens")["used"] == body["tokens"]

    callback(bob.me()["workspace"]["slug"], "pro")
    assert bob.feature("llm_tokens")["used"] == 0  # a subscription begins with its own window
    drawn = bob.post(f"/api/documents/{document['id']}/mindmap")
    assert drawn.status_code == 201 and drawn.json()["tree"]["children"]
    assert drawn.json()["tokens"] > document["tokens"]
    assert bob.feature("llm_tokens")["used"] == drawn.json()["tokens"]
    page = bob.get(document["url"]).text
    assert '<svg class="mindmap"' in page
    assert bob.get(f"/api/documents/{document['id']}/file").content == content


def test_answers_until_402_store_nothing(person, stored):
    eve = person("Eve")
    eve.upload("pump.md", text_of("pump", 40))
    workspace = eve.me()["workspace"]["slug"]
    for _ in range(60):
        before = stored(workspace)
        answer = eve.post("/api/answers", data={"question": "How does a pump work and who changes a pump?"})
        if answer.status_code != 201:
            break
    assert answer.status_code == 402 and answer.json()["feature"] == "llm_tokens"
    body = answer.json()
    assert body["requested"] > body["remaining"] and body["resets_at"]
    assert answer.headers["Retry-After"] == str(body["retry_after"])
    assert 0 < body["retry_after"] <= 31 * 86400
    assert stored(workspace) == before
    assert eve.feature("llm_tokens")["remaining"] == body["remaining"]


def test_a_retry_is_charged_once_and_answered_twice(person, stored):
    gus = person("Gus")
    workspace, key, content = gus.me()["workspace"]["slug"], uuid.uuid4().hex, text_of("valve")
    first = gus.upload("valve.md", content, key=key)
    again = gus.upload("valve.md", content, key=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json() and again.headers["Idempotent-Replay"] == "true"
    assert gus.feature("documents")["used"] == 1 and stored(workspace)[0] == 1

    other = gus.upload("valve.md", content + b"more", key=key)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")

    # the form's request_id is the same thing, and the retry of the last unit is not refused
    for number in range(3):
        assert gus.upload(f"n{number}.md", text_of(f"n{number}")).status_code == 201
    for _ in range(2):
        last = gus.post("/api/documents", {"request_id": "last"}, files={"file": ("l.md", text_of("last"))})
        assert last.status_code == 201
    assert gus.feature("documents")["used"] == 5

    # a retry after the deletion answers, and stores nothing for free
    gus.delete(f"/api/documents/{first.json()['id']}")
    late = gus.upload("valve.md", content, key=key)
    assert late.json() == first.json() and gus.feature("documents")["used"] == 4

    # a refused request does not burn its key
    key = uuid.uuid4().hex
    assert gus.upload("five.md", text_of("five")).status_code == 201
    assert gus.upload("six.md", text_of("six"), key=key).status_code == 402
    gus.delete(f"/api/documents/{last.json()['id']}")
    assert gus.upload("six.md", text_of("six"), key=key).status_code == 201


def test_one_key_many_at_once(person, stored):
    hal = person("Hal")
    key, content = uuid.uuid4().hex, text_of("gear", 30)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: hal.upload("gear.md", content, key=key), range(6)))
    assert {a.status_code for a in answers} == {201}
    assert len({a.json()["id"] for a in answers}) == 1
    assert hal.feature("documents")["used"] == 1
    assert stored(hal.me()["workspace"]["slug"])[0] == 1


def test_two_uploads_at_the_last_document(person, stored):
    ivy = person("Ivy")
    for number in range(4):
        assert ivy.upload(f"a{number}.md", text_of(f"a{number}")).status_code == 201
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda n: ivy.upload(f"b{n}.md", text_of(f"b{n}", 30)), range(4)))
    assert sorted(a.status_code for a in answers) == [201, 402, 402, 402]
    assert ivy.feature("documents")["used"] == 5
    assert stored(ivy.me()["workspace"]["slug"])[0] == 5


def test_many_at_once_keep_the_books(person, callback, owner):
    jan = person("Jan")
    workspace = jan.me()["workspace"]["slug"]
    callback(workspace, "pro")

    def work(worker):
        seen = []
        for step in range(3):
            document = jan.upload(f"w{worker}-{step}.md", text_of(f"wheel{worker}x{step}", 4)).json()
            seen.append(jan.post(f"/api/documents/{document['id']}/embed").status_code)
            seen.append(jan.post(f"/api/documents/{document['id']}/mindmap").status_code)
            seen.append(jan.post("/api/answers", data={"question": "How does the wheel work?"}).status_code)
            if step != worker % 3:
                seen.append(jan.delete(f"/api/documents/{document['id']}").status_code)
        return seen

    with ThreadPoolExecutor(6) as pool:
        codes = {code for seen in pool.map(work, range(6)) for code in seen}
    assert codes <= {200, 201}  # no deadlock, no refusal
    features = jan.me()["quota"]["features"]
    kept = jan.get("/api/documents").json()["documents"]
    assert features["documents"]["used"] == len(kept) == 6
    assert features["storage_bytes"]["used"] == sum(d["size_bytes"] for d in kept)
    entries = jan.get("/api/history", params={"most": "500"}).json()["entries"]
    for feature in ("pages", "embedding_tokens", "llm_tokens"):
        assert features[feature]["used"] == sum(e["amount"] for e in entries if e["feature"] == feature)
    with owner.connect() as connection:  # and what was answered is what was charged
        answered = connection.execute(
            text(
                "SELECT sum(a.tokens) FROM docapp.answers a JOIN docapp.users u ON u.id = a.user_id"
                " JOIN docapp.workspaces w ON w.id = u.workspace_id WHERE w.slug = :slug"
            ),
            {"slug": workspace},
        ).scalar_one()
    # what a hold grew by carries no metadata
    asked = [e for e in entries if e["kind"] == "hold" or (e["metadata"] or {}).get("action") == "answer"]
    assert answered == sum(e["amount"] for e in asked) > 0


def test_deleting_gives_back(person):
    joe = person("Joe")
    content = text_of("lever")
    document = joe.upload("lever.md", content).json()
    pages = joe.feature("pages")["used"]
    assert joe.feature("storage_bytes")["used"] == len(content)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: joe.delete(f"/api/documents/{document['id']}"), range(2)))
    assert sorted(a.status_code for a in answers) == [200, 404]
    assert joe.feature("documents")["used"] == 0 and joe.feature("storage_bytes")["used"] == 0
    assert joe.feature("pages")["used"] == pages  # work that was done stays paid
    entries = joe.get("/api/history").json()["entries"]
    back = {e["feature"]: (e["amount"], e["metadata"]) for e in entries if e["amount"] < 0}
    by_table = {"table": "docapp.documents"}
    assert back == {"documents": (-1, by_table), "storage_bytes": (-len(content), by_table)}
    assert "Deleted a document" in joe.get("/history").text


def used(person):
    features = person.me()["quota"]["features"]
    return features["documents"]["used"], features["storage_bytes"]["used"]


COPY_OF_A_DOCUMENT = (
    "INSERT INTO docapp.documents (workspace_id, user_id, subject, title, filename, kind, size_bytes, sha256, pages, tokens)"
    " SELECT workspace_id, user_id, subject, title, filename, kind, size_bytes, sha256, pages, tokens"
    " FROM docapp.documents WHERE id = {}"
)


def psql(ready, *statements):
    """psql by hand as the application's role: (succeeded, its messages)."""
    url = make_url(ready["QUOTA_APP_URL"]).set(drivername="postgresql").render_as_string(hide_password=False)
    done = subprocess.run(
        ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", "-d", url],
        input=";\n".join(statements), capture_output=True, text=True,
    )  # fmt: skip
    return done.returncode == 0, done.stderr


def test_the_table_charges_whoever_writes_it(person, ready, stored):
    uma = person("Uma")
    content = text_of("pulley")
    first = uma.upload("pulley.md", content).json()["id"]
    assert used(uma) == (1, len(content))
    done, said = psql(ready, *[COPY_OF_A_DOCUMENT.format(first)] * 4)
    assert done, said
    assert used(uma) == (5, 5 * len(content))

    # a sixth is stopped, by psql with the same message as anywhere, and by the application
    before = stored(uma.me()["workspace"]["slug"])
    done, said = psql(ready, COPY_OF_A_DOCUMENT.format(first))
    assert not done and "QT402" in said and '"feature": "documents"' in said and '"remaining": 0' in said
    refused = uma.upload("pulley2.md", text_of("pulley2"))
    assert (refused.status_code, refused.json()["feature"]) == (402, "documents")
    assert stored(uma.me()["workspace"]["slug"]) == before

    # plain SQL gives room back; what a document grows by is charged, and stopped as well
    done, said = psql(ready, f"DELETE FROM docapp.documents WHERE sha256 = (SELECT sha256 FROM docapp.documents WHERE id = {first}) AND id <> {first}")
    assert done, said
    assert used(uma) == (1, len(content))
    assert "Deleted 4 documents" in uma.get("/history").text
    done, said = psql(ready, f"UPDATE docapp.documents SET size_bytes = size_bytes + 7 WHERE id = {first}")
    assert done and used(uma) == (1, len(content) + 7)
    done, said = psql(ready, f"UPDATE docapp.documents SET size_bytes = 2000001 WHERE id = {first}")
    assert not done and '"feature": "storage_bytes"' in said
    assert uma.upload("pulley2.md", text_of("pulley2")).status_code == 201


def test_a_cascade_gives_room_back(person, owner):
    vic = person("Vic")
    for number in range(2):
        assert vic.upload(f"v{number}.md", text_of(f"vane{number}")).status_code == 201
    subject = vic.me()["subject"]
    with owner.begin() as connection:
        before = connection.execute(text("SELECT used FROM quota.check(:s, 'documents')"), {"s": subject}).scalar_one()
        connection.execute(text("DELETE FROM docapp.workspaces WHERE slug = :slug"), {"slug": subject.split("/")[0]})
    with owner.connect() as connection:
        after = [
            connection.execute(text("SELECT used FROM quota.check(:s, :f)"), {"s": subject, "f": feature}).scalar_one()
            for feature in ("documents", "storage_bytes")
        ]
        off = text("SELECT count(*) FROM quota.recount('documents') WHERE subject IN (:s, split_part(:s, '/', 1))")
        assert connection.execute(off, {"s": subject}).scalar_one() == 0
        assert connection.execute(text("SELECT count(*) FROM quota.verify()")).scalar_one() == 0
    assert (before, after) == (2, [0, 0])


def test_files_that_are_too_large_or_no_documents(person, stored):
    kim = person("Kim")
    workspace = kim.me()["workspace"]["slug"]
    before = stored(workspace)
    large = kim.upload("large.txt", b"word " * 200_001)
    assert (large.status_code, large.json()["code"], large.json()["limit_bytes"]) == (
        413, "upload_too_large", 1_000_000,
    )  # fmt: skip
    assert kim.upload("a.exe", b"MZ").status_code == 415
    assert kim.upload("a.pdf", b"%PDF-1.4 broken").status_code == 422
    assert kim.post("/api/documents").status_code == 400
    assert kim.post("/api/answers", data={"question": "?"}).status_code == 422
    assert stored(workspace) == before


def test_storage_is_a_limit_of_its_own(person, stored):
    lea = person("Lea")
    heavy = [f"<p>Words of {n}.</p><!--{'x' * 900_000}-->".encode() for n in range(3)]  # one page each
    for number in range(2):
        assert lea.upload(f"{number}.html", heavy[number]).status_code == 201
    workspace = lea.me()["workspace"]["slug"]
    before = stored(workspace)
    refused = lea.upload("2.html", heavy[2])
    assert refused.status_code == 402
    assert (refused.json()["feature"], refused.json()["requested"]) == ("storage_bytes", len(heavy[2]))
    assert stored(workspace) == before  # documents was charged before it in the same transaction
    features = lea.me()["quota"]["features"]
    assert (features["documents"]["used"], features["pages"]["used"]) == (2, 2)


def test_csrf_and_sessions(person, client):
    liz = person("Liz")
    for headers in ({}, {"X-CSRF-Token": "wrong"}, {"X-CSRF-Token": ""}):
        answer = liz.http.post(liz.base + "/api/answers", data={"question": "Who am I?"}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf")
    assert liz.http.post(liz.base + "/sign-out", headers={"Accept": "text/html"}).status_code == 403
    cookie = next(c for c in liz.http.cookies if c.name == "docapp")
    assert cookie.has_nonstandard_attr("HttpOnly") and cookie.get_nonstandard_attr("SameSite") == "Lax"
    page = liz.get("/documents")
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert page.headers["Cache-Control"] == "no-store"

    assert client.get("/api/user/me").status_code == 401
    landed = client.get("/documents", headers={"Accept": "text/html"})
    assert landed.url.endswith("/sign-in?next=%2Fdocuments")
    forged = Client(liz.base)
    forged.http.cookies.set("docapp", cookie.value[:-4] + "AAAA")
    assert forged.get("/api/user/me").status_code == 401


def test_sign_in_and_its_brake(person, server):
    max_ = person("Max")
    client = Client(server)
    assert client.sign_in(max_.email.upper()).status_code == 200
    for _ in range(10):
        assert client.sign_in(max_.email, "wrong password").status_code == 401
    assert client.sign_in(max_.email).status_code == 429
    stranger = Client(server)
    assert stranger.sign_in("nobody@example.org").status_code == 401
    taken = stranger.http.post(
        server + "/sign-up",
        data={"name": "M", "email": max_.email, "password": PASSWORD, "csrf_token": stranger.csrf("/sign-up")},
    )
    assert taken.status_code == 422


def test_workspaces_do_not_see_each_other(person):
    ned, ona = person("Ned"), person("Ona")
    document = ned.upload("secret.md", text_of("secret")).json()
    assert ona.get(document["url"]).status_code == 404
    for path in ("embed", "mindmap"):
        answer = ona.post(f"/api/documents/{document['id']}/{path}")
        assert answer.status_code in (403, 404)
    assert ona.delete(f"/api/documents/{document['id']}").status_code == 404
    assert ona.get(f"/api/documents/{document['id']}/file").status_code == 404
    assert ona.get("/api/search?q=secret").json()["results"] == []
    chunk = ned.get("/api/search?q=secret").json()["results"][0]["chunk"]
    assert ona.get(f"/api/chunks/{chunk}/similar").status_code == 404
    assert ona.get("/api/history").json()["entries"][0]["metadata"]["action"] == "join"


def test_pages_without_javascript(person):
    pam = person("Pam")
    html = {"Accept": "text/html,application/xhtml+xml"}
    answer = pam.upload("p.md", text_of("plain"), headers=html)
    stored_id = pam.get("/api/documents").json()["documents"][0]["id"]
    assert answer.history[0].status_code == 303 and answer.url.endswith(f"/documents/{stored_id}")
    refused = pam.post(answer.url.replace(pam.base + "/", "/api/") + "/mindmap", headers=html)
    assert refused.status_code == 403 and refused.headers["Content-Type"].startswith("text/html")
    assert "Mind maps: not in your plan" in refused.text and "Pro" in refused.text
    asked = pam.post("/api/answers", data={"question": "How does plain work?"}, headers=html)
    assert asked.status_code == 200 and "/ask" in asked.url and 'class="citations"' in asked.text
    for path in ("documents", "documents?q=plain", "ask", "usage", "plans", "history", "team", "nowhere"):
        page = pam.get(f"/{path}", headers=html)
        assert page.status_code == (404 if path == "nowhere" else 200), path
        assert page.text.count("<h1") == 1 and 'href="#main"' in page.text


def test_a_document_title_cannot_inject(person):
    pit = person("Pit")
    title = "<script>alert(1)</script>"
    content = f"# {title}\n\nHarmless words & <img src=x onerror=alert(2)> here.".replace("<", "&lt;").encode()
    document = pit.upload("x.md", content).json()
    assert document["title"] == title
    for path in ("/documents", document["url"], "/history", "/documents?q=harmless"):
        page = pit.get(path).text
        assert "<script>alert" not in page and "<img" not in page


def test_odd_input_is_answered(person, client):
    ray = person("R\x00ay\x1b", workspace="W\x00")
    assert ray.me()["name"] == "R ay"
    document = ray.upload("r\x07.md", text_of("ratchet")).json()
    for path in (
        "/documents?q=%00%ff%27", "/documents?q=((:*&|!", "/api/search?q=%00", f"{document['url']}?from=-5",
        f"{document['url']}?from={10**30}", f"{document['url']}?from=x",
    ):  # fmt: skip
        assert ray.get(path).status_code == 200, path
    for path, status in (
        (f"/documents/{10**30}", 404), (f"/api/chunks/{10**30}/similar", 404), ("/api/offers?feature=x", 400),
        ("/api/offers?feature=documents&amount=-1", 400), (f"/api/offers?feature=documents&amount={10**18}", 400),
        ("/api/offers?feature=documents&amount=1e3", 400), ("/sign-up?invitation=rubbish", 422),
    ):  # fmt: skip
        assert ray.get(path).status_code == status, path
    for question in ("\ud800 lone surrogate in it?", "\x00\x00\x00", ["a", "list"], None):
        assert ray.post("/api/answers", json={"question": question}).status_code in (200, 422)
    assert ray.post("/api/answers", json=["no", "object"]).status_code == 422
    assert ray.post("/api/answers", data=b"{", headers={"Content-Type": "application/json"}).status_code == 400
    assert ray.upload("a.md", b"x", key="k" * 101).status_code == 400
    assert client.sign_in("\x00@example.org").status_code == 401
    assert ray.post("/checkout", {"plan": "\x00"}).status_code == 400


@pytest.mark.parametrize("path", ["/api/plans", "/healthz"])
def test_open_routes(client, path):
    answer = client.get(path)
    assert answer.status_code == 200
    if path == "/api/plans":
        plans = answer.json()["plans"]
        assert [p["plan"] for p in plans] == ["free", "pro", "team"] and plans[0]["default"]
        assert {"feature": "llm_tokens", "allowance": 500000, "period": "month"}.items() <= next(
            f for f in plans[1]["features"] if f["feature"] == "llm_tokens"
        ).items()


def test_history_since(person):
    quin = person("Quin")
    quin.upload("q.md", text_of("quill"))
    later = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() + 60))
    assert quin.get("/api/history", params={"since": later}).json()["entries"] == []
    assert len(quin.get("/api/history", params={"most": "2"}).json()["entries"]) == 2
    assert quin.get("/api/history", params={"since": "yesterday"}).status_code == 400
