-- Both sides of bench/leases: hot accounts of ours, and what is inserted or written by hand.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE EXTENSION quota CASCADE;

SELECT quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "documents": {"kind": "capacity"}},
    "plans": {
        "plain": {"entitlements": {"tokens": {"allowance": 1000000000000}, "documents": {"allowance": 1000000000000}}},
        "larger": {"entitlements": {"tokens": {"allowance": 2000000000000}, "documents": {"allowance": 1000000000000}}},
        "rich": {"entitlements": {"tokens": {"allowance": 1000000000000, "notify": [10, 50, 80, 100],
                                             "rate": {"limit": 1000000000, "per": "1 day", "burst": 1000000000}}}}}}');
SELECT quota.subscribe('hot', 'plain'), quota.subscribe('held', 'plain'), quota.subscribe('team', 'plain'),
       quota.subscribe('rich', 'rich'), quota.subscribe('tenant', 'plain'), quota.subscribe('checked', 'plain'),
       quota.subscribe('changing', 'plain');
SELECT quota.credit('rich', 'tokens', 1000000);

CREATE TABLE document (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant text NOT NULL, title text);
CREATE TABLE document_without (LIKE document INCLUDING ALL);
SELECT quota.protect('document', 'documents', 'tenant');

-- a month of our ledger, with a key on id in place of the index on debit_id
CREATE SEQUENCE entry_id_seq;
CREATE TABLE entry (
    id           int8 PRIMARY KEY DEFAULT nextval('entry_id_seq'),
    at           timestamptz NOT NULL DEFAULT now(),
    xid          xid8 NOT NULL DEFAULT pg_current_xact_id(),
    subject      text COLLATE "C" NOT NULL,
    account      text COLLATE "C" NOT NULL,
    feature_id   int4 NOT NULL DEFAULT 1,
    kind         "char" NOT NULL DEFAULT 'd',
    source       "char" NOT NULL DEFAULT 'a',
    epoch        int2 NOT NULL DEFAULT 0,
    levels       int2 NOT NULL DEFAULT 1,
    source_id    int8 NOT NULL DEFAULT 7,
    period_start timestamptz NOT NULL DEFAULT '2026-11-01',
    period_end   timestamptz NOT NULL DEFAULT '2026-12-01',
    amount       int8 NOT NULL DEFAULT 1,
    debit_id     int8 NOT NULL DEFAULT currval('entry_id_seq'),
    grant_id     int8,
    key          text COLLATE "C",
    metadata     jsonb,
    occurred_at  timestamptz
);
CREATE INDEX entry_subject ON entry (subject, at);

CREATE TABLE counter (subject text COLLATE "C" PRIMARY KEY, used int8 NOT NULL DEFAULT 0, max_used int8 NOT NULL)
    WITH (fillfactor = 50);
INSERT INTO counter SELECT 'hot' || n, 0, 1000000000000 FROM generate_series(0, 100000) n;
CREATE FUNCTION debit_by_hand(p text, OUT remaining int8) LANGUAGE plpgsql AS $$
BEGIN
    UPDATE counter SET used = used + 1 WHERE subject = p AND used + 1 <= max_used
        RETURNING max_used - used INTO remaining;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no room for %', p;
    END IF;
    INSERT INTO entry (subject, account) VALUES (p, p);
END
$$;
