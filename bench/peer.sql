-- The peer: what a careful user writes by hand in PL/pgSQL.
-- psql variables: subjects
--
-- Every choice is the friendlier one to the peer: the limit is in the counter
-- row (no plan to look up), text compares byte by byte, the function has no SET
-- and no SECURITY DEFINER, the month is computed without a time zone of the
-- customer's, and there is one level only.
\set ON_ERROR_STOP on

-- fillfactor as quota_internal.bucket's, so that updates are HOT
CREATE TABLE usage_counter (
    subject      text COLLATE "C" NOT NULL,
    feature      text COLLATE "C" NOT NULL,
    period_start date NOT NULL,
    used         bigint NOT NULL DEFAULT 0,
    max_used     bigint NOT NULL,
    PRIMARY KEY (subject, feature, period_start)
) WITH (fillfactor = 70);

-- The index on (subject, feature, at): a ledger nobody can query is no ledger.
CREATE TABLE usage_ledger (
    id       bigserial PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT now(),
    subject  text COLLATE "C" NOT NULL,
    feature  text COLLATE "C" NOT NULL,
    amount   bigint NOT NULL,
    metadata jsonb
);
CREATE INDEX usage_ledger_subject ON usage_ledger (subject, feature, at);

CREATE TABLE usage_key (
    subject   text COLLATE "C" NOT NULL,
    key       text COLLATE "C" NOT NULL,
    feature   text COLLATE "C" NOT NULL,
    amount    bigint NOT NULL,
    ledger_id bigint NOT NULL,
    PRIMARY KEY (subject, key)
);

CREATE FUNCTION debit_by_hand(p_subject text, p_feature text, p_amount bigint,
                              OUT id bigint, OUT remaining bigint)
    LANGUAGE plpgsql AS $$
BEGIN
    UPDATE usage_counter c
        SET used = c.used + p_amount
        WHERE c.subject = p_subject AND c.feature = p_feature
            AND c.period_start = date_trunc('month', now() AT TIME ZONE 'UTC')::date
            AND c.used + p_amount <= c.max_used
        RETURNING c.max_used - c.used INTO remaining;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no room for % of % for %', p_amount, p_feature, p_subject;
    END IF;
    INSERT INTO usage_ledger AS l (subject, feature, amount)
        VALUES (p_subject, p_feature, p_amount)
        RETURNING l.id INTO id;
END
$$;

-- The same at most once per key.
CREATE FUNCTION debit_by_hand_once(p_subject text, p_feature text, p_amount bigint, p_key text,
                                   OUT id bigint, OUT remaining bigint)
    LANGUAGE plpgsql AS $$
DECLARE
    earlier usage_key;
BEGIN
    id := nextval('usage_ledger_id_seq');
    INSERT INTO usage_key (subject, key, feature, amount, ledger_id)
        VALUES (p_subject, p_key, p_feature, p_amount, id)
        ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        SELECT * INTO STRICT earlier FROM usage_key k WHERE k.subject = p_subject AND k.key = p_key;
        IF (earlier.feature, earlier.amount) IS DISTINCT FROM (p_feature, p_amount) THEN
            RAISE EXCEPTION 'key % was used with other arguments', p_key;
        END IF;
        id := earlier.ledger_id;
        RETURN;
    END IF;
    UPDATE usage_counter c
        SET used = c.used + p_amount
        WHERE c.subject = p_subject AND c.feature = p_feature
            AND c.period_start = date_trunc('month', now() AT TIME ZONE 'UTC')::date
            AND c.used + p_amount <= c.max_used
        RETURNING c.max_used - c.used INTO remaining;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no room for % of % for %', p_amount, p_feature, p_subject;
    END IF;
    INSERT INTO usage_ledger AS l (id, subject, feature, amount)
        VALUES (debit_by_hand_once.id, p_subject, p_feature, p_amount);
END
$$;

-- the counters of the same subjects as on our side, charged once as there
CREATE TEMP TABLE subject AS
    SELECT n::text AS name FROM generate_series(10000001, 10000000 + :subjects) n
    UNION ALL SELECT n::text FROM generate_series(20000001, 20000000 + :subjects) n
    UNION ALL SELECT n::text FROM generate_series(30000001, 30000000 + :subjects / 100) n
    UNION ALL SELECT n || '/' || m FROM generate_series(30000001, 30000000 + :subjects / 100) n,
                                        generate_series(1, 10) m
    UNION ALL SELECT '1';
INSERT INTO usage_counter (subject, feature, period_start, max_used)
    SELECT name, 'tokens', date_trunc('month', now() AT TIME ZONE 'UTC')::date, 1000000000000000 FROM subject;
-- an organisation is charged by each of its members
SELECT count(d.id) AS warmed FROM subject, debit_by_hand(name, 'tokens', 1) d;
SELECT count(d.id) AS warmed_again
    FROM subject, generate_series(1, 9), debit_by_hand(name, 'tokens', 1) d
    WHERE name LIKE '3_______';
