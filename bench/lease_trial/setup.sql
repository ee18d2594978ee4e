-- The tables of bench/lease_trial/run.
\set ON_ERROR_STOP on

CREATE FUNCTION take(parts int4, subject text, amount int8) RETURNS int8
    LANGUAGE C STRICT AS 'lease_trial', 'lease_trial_take';
CREATE FUNCTION drain(subject text) RETURNS void
    LANGUAGE C STRICT AS 'lease_trial', 'lease_trial_drain';

CREATE TABLE bucket (
    subject  text COLLATE "C" PRIMARY KEY,
    used     int8 NOT NULL DEFAULT 0,
    max_used int8 NOT NULL DEFAULT 1000000000000000,
    leased   int8,
    lease_id int8
) WITH (fillfactor = 70);
INSERT INTO bucket (subject, lease_id) SELECT 's' || n, 1 FROM generate_series(0, 100000) n;

-- a month of quota's ledger, with a key on id in place of the index on debit_id
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
    occurred_at  timestamptz,
    lease_id     int8
);
CREATE INDEX entry_subject ON entry (subject, feature_id, at);
CREATE INDEX entry_brin ON entry USING brin (id, at, period_end) WITH (pages_per_range = 16, autosummarize = on);

CREATE FUNCTION debit_by_hand(p text, OUT remaining int8) LANGUAGE plpgsql AS $$
BEGIN
    UPDATE bucket SET used = used + 1 WHERE subject = p AND used + 1 <= max_used
        RETURNING max_used - used INTO remaining;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no room for %', p;
    END IF;
    INSERT INTO entry (subject, account) VALUES (p, p);
END
$$;

-- microseconds that reading the row of a subject takes
CREATE FUNCTION read_us(p text, n int) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
    started timestamptz := clock_timestamp();
BEGIN
    FOR i IN 1 .. n LOOP
        PERFORM take(4, p, 1);
    END LOOP;
    RETURN round((extract(epoch FROM clock_timestamp() - started) * 1e6 / n)::numeric, 1);
END
$$;
