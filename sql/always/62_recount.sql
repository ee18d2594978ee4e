/*
 * Counts of a capacity against the rows of its gates.
 */
CREATE OR REPLACE FUNCTION quota._gate_rows(gated oid, arguments text[], member oid, OUT subject text, OUT amount bigint)
    RETURNS SETOF record
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE ROWS 1000 COST 10000
    AS 'MODULE_PATHNAME', 'quota_sql_gate_rows';
COMMENT ON FUNCTION quota._gate_rows(oid, text[], oid) IS
    'internal: what the rows of one table alone are worth to each subject, by a gate''s expressions, which run as the owner of the gated table; as the statement sees them';

CREATE OR REPLACE FUNCTION quota._gate_adjust(subject text, feature text, difference bigint, metadata jsonb) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'quota_sql_gate_adjust';
COMMENT ON FUNCTION quota._gate_adjust(text, text, bigint, jsonb) IS
    'internal: charges a difference, never refused, or gives it back as far as it is there';

CREATE OR REPLACE FUNCTION quota._require_read_committed(what text) RETURNS void
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
COMMENT ON FUNCTION quota._require_read_committed(text) IS
    'internal: 0A000 in a transaction that keeps its first snapshot';

CREATE OR REPLACE FUNCTION quota._capacity_without_holds(subject text, feature text) RETURNS bigint
    LANGUAGE c STABLE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'quota_sql_capacity_without_holds';
COMMENT ON FUNCTION quota._capacity_without_holds(text, text) IS
    'internal: what is counted of a capacity at a subject but for open holds, expired ones that nobody has given back yet being given back';

/*
 * A capacity is counted at every prefix; what a subject has of its own is what
 * those right below it have not.  Open holds are left out: no row is there yet.
 * What comes back of an expired one depends on what is there at several levels.
 */
CREATE OR REPLACE FUNCTION quota._capacity_own(feature quota.feature, OUT subject text, OUT own bigint)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH expired AS (
        SELECT DISTINCT p.account FROM quota.hold_part p
        WHERE p.feature_id = (_capacity_own.feature).id AND p.expires_at <= quota._clock_now()
    ), counted AS (
        SELECT b.subject, CASE WHEN x.account IS NULL THEN b.used - coalesce(b.reserved, 0)
                               ELSE quota._capacity_without_holds(b.subject, (_capacity_own.feature).name) END AS used
        FROM quota.bucket b LEFT JOIN expired x ON x.account = b.subject
        WHERE b.feature_id = (_capacity_own.feature).id
    ), below AS (
        SELECT regexp_replace(c.subject, '/[^/]*$', '') COLLATE "C" AS subject, sum(c.used) AS used
        FROM counted c WHERE c.subject LIKE '%/%' GROUP BY 1
    )
    -- a correction of one subject is not counted above it, where then nothing may be
    SELECT coalesce(c.subject, b.subject), (coalesce(c.used, 0) - coalesce(b.used, 0))::bigint
    FROM counted c FULL JOIN below b ON b.subject = c.subject COLLATE "C"
$$;
COMMENT ON FUNCTION quota._capacity_own(quota.feature) IS
    'internal: how much of a capacity each subject has of its own, without those below it and without open holds';

CREATE OR REPLACE FUNCTION quota._gate_difference(feature text, OUT subject text, OUT recorded bigint, OUT actual bigint)
    RETURNS SETOF record
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH actual AS (
        SELECT r.subject, sum(r.amount)::bigint AS amount
        FROM quota._gate_member(_gate_difference.feature) m, quota._gate_rows(m.gated, m.arguments, m.member) r
        GROUP BY 1
    ), recorded AS (
        SELECT o.subject, o.own AS amount
        FROM quota.feature f, quota._capacity_own(f) o WHERE f.name = _gate_difference.feature
    )
    SELECT subject, coalesce(r.amount, 0), coalesce(a.amount, 0)
    FROM actual a FULL JOIN recorded r USING (subject)
    WHERE coalesce(r.amount, 0) <> coalesce(a.amount, 0)
$$;
COMMENT ON FUNCTION quota._gate_difference(text) IS
    'internal: the subjects of whose capacity the count is not what the rows of the gates are worth';

/*
 * The rows of tables that have just got a gate.  Subjects without a row there are
 * left alone: what they have may be counted by calls.
 */
CREATE OR REPLACE FUNCTION quota._gate_count_present(members oid[], feature text) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    is_capacity CONSTANT boolean := (SELECT f.kind = 'capacity' FROM quota.feature f WHERE f.name = _gate_count_present.feature);
    tables CONSTANT text := (SELECT string_agg(m.member::regclass::text, ', ' ORDER BY m.member) FROM unnest(members) m(member));
    subjects text[];
    amounts bigint[];
BEGIN
    SELECT array_agg(s.subject ORDER BY s.subject COLLATE "C"), array_agg(s.amount ORDER BY s.subject COLLATE "C")
    INTO subjects, amounts
    FROM (SELECT r.subject, sum(r.amount)::bigint AS amount
          FROM quota._gate_member(_gate_count_present.feature) m, quota._gate_rows(m.gated, m.arguments, m.member) r
          WHERE m.member = ANY (members) GROUP BY 1) s;
    IF subjects IS NULL THEN
        RETURN;
    END IF;
    PERFORM quota._require_read_committed('counting the rows of a table');
    IF is_capacity THEN
        PERFORM quota._gate_adjust(d.subject, _gate_count_present.feature, d.actual - d.recorded,
                                   jsonb_build_object('counted', left(tables, 1000)))
        FROM (SELECT * FROM quota._gate_difference(_gate_count_present.feature) x
              WHERE x.subject = ANY (subjects) ORDER BY x.subject COLLATE "C" OFFSET 0) d;
    ELSE
        PERFORM quota._gate_adjust(d.subject, _gate_count_present.feature, d.amount - d.used,
                                   jsonb_build_object('counted', left(tables, 1000)))
        FROM (SELECT x.subject, x.amount, s.used
              FROM unnest(subjects, amounts) x(subject, amount), quota.status(x.subject) s
              WHERE s.feature = _gate_count_present.feature AND x.amount > s.used
              ORDER BY x.subject COLLATE "C" OFFSET 0) d;
    END IF;
END
$$;
COMMENT ON FUNCTION quota._gate_count_present(oid[], text) IS
    'internal: counts the rows of tables that have got a gate, never refusing; a capacity becomes what its subject''s rows are worth, metered use at least that; 0A000 above read committed, where there are rows';

CREATE OR REPLACE FUNCTION quota.recount(feature text, dry_run boolean = true,
                                         OUT subject text, OUT recorded bigint, OUT actual bigint)
    RETURNS SETOF record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    known quota.feature;
    member regclass;
BEGIN
    PERFORM quota._require(recount.feature IS NOT NULL, 'feature');
    PERFORM quota._require(recount.dry_run IS NOT NULL, 'dry_run');
    known := quota._feature(recount.feature);
    IF known.kind <> 'capacity' THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = format('feature "%s" is of kind %s: its use cannot be counted from rows', known.name, known.kind),
            DETAIL = 'What a metered feature was used for need not be there any more.',
            HINT = 'Correct it with quota.set_usage().';
    END IF;
    IF NOT EXISTS (SELECT FROM quota._gate_member(known.name)) THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = format('feature "%s" has no gate: there are no rows to count', known.name),
            HINT = 'quota.set_usage() corrects what one subject has.';
    END IF;
    IF NOT recount.dry_run THEN
        IF current_setting('transaction_read_only')::boolean THEN
            RAISE EXCEPTION USING ERRCODE = '25006', MESSAGE = 'cannot repair a count in a read-only transaction';
        END IF;
        PERFORM quota._require_read_committed('repairing a count');
        FOR member IN SELECT m.member FROM quota._gate_member(known.name) m ORDER BY m.member LOOP
            EXECUTE format('LOCK TABLE ONLY %s IN SHARE ROW EXCLUSIVE MODE', member);
        END LOOP;
    END IF;
    FOR recount.subject, recount.recorded, recount.actual IN
        SELECT d.subject, d.recorded, d.actual FROM quota._gate_difference(known.name) d ORDER BY d.subject COLLATE "C"
    LOOP
        IF NOT recount.dry_run THEN
            PERFORM quota._gate_adjust(recount.subject, known.name, recount.actual - recount.recorded, '{"recount": true}');
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION quota.recount(text, boolean) IS
'Compares what subjects have of a capacity with the rows of all its gates, and with dry_run => false makes the counts what the rows are worth. One row for each subject that differs, open holds left out.
What is counted of the feature by calls beside the gates has no row and goes, too. Repairing locks the tables (SHARE ROW EXCLUSIVE: they can be read, not written) until the transaction ends.
Errors: QT404 unknown feature; 22023 no capacity, or without a gate; 0A000 repair above read committed; 25006; 22004.';
