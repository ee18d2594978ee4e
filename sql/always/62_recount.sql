/*
 * Counts against the rows of gates.
 */
CREATE OR REPLACE FUNCTION quota_internal._gate_rows(gated oid, arguments text[], member oid, warn boolean,
                                                     OUT subject text, OUT amount bigint, OUT rows bigint)
    RETURNS SETOF record
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE ROWS 1000 COST 10000
    AS 'MODULE_PATHNAME', 'quota_sql_gate_rows';
COMMENT ON FUNCTION quota_internal._gate_rows(oid, text[], oid, boolean) IS
    'internal: what the rows of one table alone are worth to each subject, by a gate''s expressions, which run as the owner of the gated table; as the statement sees them. Rows that are nobody''s have subject NULL, or with warn are a WARNING';

CREATE OR REPLACE FUNCTION quota_internal._gate_adjust(subject text, feature text, difference bigint, metadata jsonb) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'quota_sql_gate_adjust';
COMMENT ON FUNCTION quota_internal._gate_adjust(text, text, bigint, jsonb) IS
    'internal: charges a difference, never refused and without a denial, or gives it back as far as it is there; returns what it booked, negative if given back';

CREATE OR REPLACE FUNCTION quota_internal._require_read_committed(what text) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
        RAISE EXCEPTION USING ERRCODE = '0A000',
            MESSAGE = format('%s cannot be done at isolation level %s', what, current_setting('transaction_isolation')),
            DETAIL = 'Counts and rows that are committed meanwhile have to be seen.',
            HINT = 'Do it at isolation level read committed.';
    END IF;
END
$$;
COMMENT ON FUNCTION quota_internal._require_read_committed(text) IS
    'internal: 0A000 in a transaction that keeps its first snapshot';

/*
 * A capacity is counted at every prefix; what a subject has of its own is what
 * those right below it have not.  Open holds are left out: no row is there yet.
 */
CREATE OR REPLACE FUNCTION quota_internal._capacity_own(feature quota_internal.feature, OUT subject text, OUT own bigint)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH counted AS (
        -- an expired hold that nobody has given back yet is in both
        SELECT b.subject, b.used - coalesce(b.reserved, 0) AS used
        FROM quota_internal.window_use b WHERE b.feature_id = (_capacity_own.feature).id
    ), below AS (
        SELECT regexp_replace(c.subject, '/[^/]*$', '') COLLATE "C" AS subject, sum(c.used) AS used
        FROM counted c WHERE c.subject LIKE '%/%' GROUP BY 1
    )
    -- a correction of one subject is not counted above it, where then nothing may be
    SELECT coalesce(c.subject, b.subject), (coalesce(c.used, 0) - coalesce(b.used, 0))::bigint
    FROM counted c FULL JOIN below b ON b.subject = c.subject COLLATE "C"
$$;
COMMENT ON FUNCTION quota_internal._capacity_own(quota_internal.feature) IS
    'internal: how much of a capacity each subject has of its own, without those below it and without open holds';

CREATE OR REPLACE FUNCTION quota_internal._gate_difference(feature text, dry_run boolean, OUT subject text, OUT recorded bigint, OUT actual bigint)
    RETURNS SETOF record
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH actual AS (
        SELECT x.subject, sum(x.amount)::bigint AS amount
        FROM (SELECT r.subject, r.amount
              FROM quota_internal._gate_member(_gate_difference.feature) m, quota_internal._gate_rows(m.gated, m.arguments, m.member, true) r
              WHERE _gate_difference.dry_run OR m.remembered_by IS NULL
              UNION ALL
              SELECT c.subject, c.amount
              FROM quota_internal.gate_charge c JOIN quota_internal.feature f ON f.id = c.feature_id
              WHERE f.name = _gate_difference.feature AND NOT _gate_difference.dry_run) x
        GROUP BY 1
    ), recorded AS (
        SELECT o.subject, o.own AS amount
        FROM quota_internal.feature f, quota_internal._capacity_own(f) o WHERE f.name = _gate_difference.feature
    )
    SELECT subject, coalesce(r.amount, 0), coalesce(a.amount, 0)
    FROM actual a FULL JOIN recorded r USING (subject)
    WHERE coalesce(r.amount, 0) <> coalesce(a.amount, 0)
$$;
COMMENT ON FUNCTION quota_internal._gate_difference(text, boolean) IS
    'internal: the subjects of whose capacity the count is not what the rows of the gates are worth; unless dry_run, what is remembered is believed, for it has just been made';

/*
 * All that was ever charged for exactly these subjects, whatever accounts it was
 * charged to.  Open holds are left out: no row is there yet.
 */
CREATE OR REPLACE FUNCTION quota_internal._used_ever(feature_id int, subjects text[], OUT subject text, OUT used numeric)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT u.subject, sum(u.used)
    FROM (SELECT h.subject, h.used FROM quota_internal.usage_hour h
          WHERE h.feature_id = _used_ever.feature_id AND h.subject = ANY (_used_ever.subjects)
          UNION ALL
          SELECT e.subject, e.used
          FROM quota_internal._usage_of(format('e.feature_id = %s AND e.subject = ANY (%L::text[]) AND %s', _used_ever.feature_id,
                                      _used_ever.subjects, quota_internal._not_rolled_up())) e
          UNION ALL
          SELECT e.subject, -e.amount
          FROM quota_internal.hold h JOIN quota_internal.hold_part p ON p.hold_id = h.id AND p.feature_id = h.feature_id
              JOIN quota_internal.ledger_entry e ON e.debit_id = h.id AND e.account = p.account
          WHERE h.feature_id = _used_ever.feature_id AND h.subject = ANY (_used_ever.subjects)
            AND e.kind <> 'm' AND quota_internal._is_reported(e.account, e.levels)) u
    GROUP BY 1
$$;
COMMENT ON FUNCTION quota_internal._used_ever(int, text[]) IS
    'internal: what was ever charged for exactly these subjects, less what was given back and what open holds have';

/*
 * What has to be booked so that the rows of tables that have just got a gate are
 * counted.  Subjects without a row there are left alone: what they have may be
 * counted by calls.  A capacity is what there is now, so it becomes what all its
 * gates' rows are worth.  Metered rows have grown over time, so what was charged
 * at any time covers them, or a gate that is declared again would charge them again.
 */
CREATE OR REPLACE FUNCTION quota_internal._gate_owed(members oid[], feature text, subjects text[], amounts bigint[],
                                                     OUT subject text, OUT owed bigint)
    RETURNS SETOF record
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH known AS (
        SELECT f.id, f.kind FROM quota_internal.feature f WHERE f.name = _gate_owed.feature
    ), elsewhere AS (
        SELECT r.subject, sum(r.amount) AS amount
        FROM quota_internal._gate_member(_gate_owed.feature) m, quota_internal._gate_rows(m.gated, m.arguments, m.member, false) r
        WHERE m.member <> ALL (_gate_owed.members) AND (SELECT f.kind FROM known f) = 'capacity'
        GROUP BY 1
    ), recorded AS (
        SELECT o.subject, o.own::numeric AS amount
        FROM quota_internal.feature f, quota_internal._capacity_own(f) o WHERE f.name = _gate_owed.feature AND f.kind = 'capacity'
        UNION ALL
        SELECT u.subject, u.used FROM known f, quota_internal._used_ever(f.id, _gate_owed.subjects) u WHERE f.kind <> 'capacity'
    ), owed AS (
        SELECT h.subject, h.amount + coalesce(e.amount, 0) - coalesce(r.amount, 0) AS amount
        FROM unnest(_gate_owed.subjects, _gate_owed.amounts) h(subject, amount)
            LEFT JOIN elsewhere e USING (subject)
            LEFT JOIN recorded r USING (subject)
    )
    SELECT o.subject, o.amount::bigint
    FROM owed o, known f
    WHERE o.amount > 0 OR (o.amount < 0 AND f.kind = 'capacity')
$$;
COMMENT ON FUNCTION quota_internal._gate_owed(oid[], text, text[], bigint[]) IS
    'internal: what is to be charged to subjects, or if negative given back, whose rows in these tables are worth these amounts';

CREATE OR REPLACE FUNCTION quota_internal._gate_count_present(members oid[], feature text) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    tables CONSTANT text := (SELECT string_agg(m.member::regclass::text, ', ' ORDER BY m.member) FROM unnest(members) m(member));
    subjects text[];
    amounts bigint[];
    uncharged text[];
    counted bigint;
    nobodys bigint;
    charged numeric;
    given numeric;
    report text;
BEGIN
    LOCK TABLE quota_internal.bucket IN ROW EXCLUSIVE MODE;
    DELETE FROM quota_internal.gate_charge c USING quota_internal.feature f
    WHERE c.target = ANY (members) AND f.name = _gate_count_present.feature AND c.feature_id = f.id;
    WITH member AS (
        SELECT * FROM quota_internal._gate_member(_gate_count_present.feature) m WHERE m.member = ANY (members)
    ), charge AS MATERIALIZED (
        SELECT m.remembered_by AS target, r.key, r.subject, r.amount
        FROM member m, quota_internal._gate_charges(m.gated, m.arguments, m.member, _gate_count_present.feature) r
        WHERE m.remembered_by IS NOT NULL
    ), remembered AS (
        -- what is there already was a row's of a partition that has been dropped
        INSERT INTO quota_internal.gate_charge AS c (target, feature_id, key, subject, amount)
        SELECT r.target, f.id, r.key, r.subject, r.amount
        FROM charge r JOIN quota_internal.feature f ON f.name = _gate_count_present.feature WHERE r.subject IS NOT NULL
        ON CONFLICT ON CONSTRAINT gate_charge_pkey DO UPDATE SET subject = excluded.subject, amount = excluded.amount
    ), here AS (
        SELECT s.subject, sum(s.amount)::bigint AS amount, sum(s.rows) AS rows
        FROM (SELECT r.subject, r.amount, r.rows
              FROM member m, quota_internal._gate_rows(m.gated, m.arguments, m.member, false) r WHERE m.remembered_by IS NULL
              UNION ALL
              SELECT c.subject, sum(c.amount), count(*) FROM charge c GROUP BY 1) s
        GROUP BY 1
    )
    SELECT array_agg(h.subject ORDER BY h.subject COLLATE "C") FILTER (WHERE h.subject IS NOT NULL),
           array_agg(h.amount ORDER BY h.subject COLLATE "C") FILTER (WHERE h.subject IS NOT NULL),
           sum(h.rows) FILTER (WHERE h.subject IS NOT NULL), sum(h.rows) FILTER (WHERE h.subject IS NULL)
    INTO subjects, amounts, counted, nobodys
    FROM here h;
    IF subjects IS NOT NULL THEN
        -- a gate by hand may name one that is not there
        PERFORM quota_internal._feature(_gate_count_present.feature);
        PERFORM quota_internal._require_read_committed('counting the rows of a table');
        SELECT sum(b.booked) FILTER (WHERE b.booked > 0), -sum(b.booked) FILTER (WHERE b.booked < 0),
               array_agg(b.subject) FILTER (WHERE b.booked = 0 AND b.owed > 0)
        INTO charged, given, uncharged
        FROM (SELECT o.subject, o.owed, quota_internal._gate_adjust(o.subject, _gate_count_present.feature, o.owed,
                                        jsonb_build_object('counted', left(tables, 1000))) AS booked
              FROM (SELECT * FROM quota_internal._gate_owed(members, _gate_count_present.feature, subjects, amounts) x
                    ORDER BY x.subject COLLATE "C" OFFSET 0) o) b;
        PERFORM quota_internal._gate_uncharged(_gate_count_present.feature, uncharged,
                                               ARRAY(SELECT m.remembered_by FROM quota_internal._gate_member(_gate_count_present.feature) m
                                            WHERE m.member = ANY (members)));
    END IF;
    report := format('Counted: rows %s, subjects %s, amount %s; charged %s, given back %s.', coalesce(counted, 0),
                     coalesce(cardinality(subjects), 0), (SELECT coalesce(sum(a.amount), 0) FROM unnest(amounts) a(amount)),
                     coalesce(charged, 0), coalesce(given, 0));
    IF nobodys > 0 THEN
        RAISE WARNING USING
            MESSAGE = format('rows of table %s have no valid subject: nothing of feature "%s" is counted for them',
                             members[1]::regclass, _gate_count_present.feature),
            DETAIL = format('Rows without one: %s. %s', nobodys, report),
            HINT = 'An UPDATE that gives a row one charges it.';
    ELSIF counted > 0 THEN
        RAISE NOTICE USING
            MESSAGE = format('the rows of table %s are counted for feature "%s"', members[1]::regclass, _gate_count_present.feature),
            DETAIL = report;
    END IF;
END
$$;
COMMENT ON FUNCTION quota_internal._gate_count_present(oid[], text) IS
    'internal: counts the rows of tables that have got a gate, never refusing, and tells what it has counted; 0A000 above read committed, where there are rows';

CREATE OR REPLACE FUNCTION quota.recount(feature text, dry_run boolean = true,
                                         OUT subject text, OUT recorded bigint, OUT actual bigint)
    RETURNS SETOF record
    LANGUAGE quota_plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    known quota_internal.feature;
    member regclass;
    remembers boolean;
BEGIN
    known := quota_internal._feature(recount.feature);
    PERFORM quota_internal._require(recount.dry_run IS NOT NULL, 'dry_run');
    SELECT bool_or(m.remembered_by IS NOT NULL) INTO remembers FROM quota_internal._gate_member(known.name) m;
    IF known.kind <> 'capacity' AND NOT (known.kind = 'metered' AND coalesce(remembers, false)) THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = format('feature "%s" is of kind %s: its use cannot be counted from rows', known.name, known.kind),
            DETAIL = CASE known.kind WHEN 'metered'
                THEN 'What a metered feature was used for need not be there any more, and no gate of it remembers what rows were charged.'
                ELSE 'Nothing of it is counted.' END,
            HINT = 'Correct it with quota.set_usage().';
    END IF;
    IF remembers IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = format('feature "%s" has no gate: there are no rows to count', known.name),
            HINT = 'quota.set_usage() corrects what one subject has.';
    END IF;
    IF NOT recount.dry_run THEN
        IF current_setting('transaction_read_only')::boolean THEN
            RAISE EXCEPTION USING ERRCODE = '25006', MESSAGE = 'cannot repair a count in a read-only transaction';
        END IF;
        PERFORM quota_internal._require_read_committed('repairing a count');
        FOR member IN SELECT m.member FROM quota_internal._gate_member(known.name) m ORDER BY m.member LOOP
            EXECUTE format('LOCK TABLE ONLY %s IN SHARE ROW EXCLUSIVE MODE', member);
        END LOOP;
        LOCK TABLE quota_internal.bucket IN ROW EXCLUSIVE MODE;
        IF known.kind = 'capacity' AND remembers THEN
            PERFORM FROM quota_internal._gate_remember_anew(known.name);
        END IF;
    END IF;
    FOR recount.subject, recount.recorded, recount.actual IN
        SELECT d.* FROM (SELECT * FROM quota_internal._gate_difference(known.name, recount.dry_run) WHERE known.kind = 'capacity'
                         UNION ALL
                         SELECT * FROM quota_internal._gate_memory_difference(known.name, recount.dry_run) WHERE known.kind = 'metered') d
        ORDER BY d.subject COLLATE "C"
    LOOP
        IF NOT recount.dry_run
           AND quota_internal._gate_adjust(recount.subject, known.name, recount.actual - recount.recorded, '{"recount": true}') = 0
           AND recount.actual > recount.recorded THEN
            PERFORM quota_internal._gate_uncharged(known.name, ARRAY[recount.subject],
                                                   ARRAY(SELECT m.remembered_by FROM quota_internal._gate_member(known.name) m));
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION quota.recount(text, boolean) IS
'Compares what subjects have of a capacity with the rows of all its gates, and with dry_run => false makes the counts what the rows are worth. One row for each subject that differs, open holds left out.
Of a metered feature it compares what rows of gates that remember were charged with what they are worth now, and charges or gives back the difference; with refund never it charges alone. What is worth now is remembered.
What is counted of the feature by calls beside the gates has no row and goes, too. Repairing locks the tables (SHARE ROW EXCLUSIVE: they can be read, not written) until the transaction ends.
Errors: QT404 unknown feature; 22023 neither a capacity nor remembered, or without a gate; 0A000 repair above read committed; 22003; 25006; 22004.';
