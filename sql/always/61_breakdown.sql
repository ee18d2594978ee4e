/*
 * Use by what is below a subject, or by what callers noted.
 */

CREATE OR REPLACE FUNCTION quota_internal._breakdown_name(by text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF _breakdown_name.by IS NULL THEN
        PERFORM quota_internal._require(false, 'by');
    ELSIF octet_length(_breakdown_name.by) > 8192 THEN
        NULL;
    ELSIF _breakdown_name.by = 'child' THEN
        RETURN $name$split_part(substr(e.subject, length($1) + 2), '/', 1)$name$;
    ELSIF _breakdown_name.by ~ '^metadata\..' THEN
        RETURN format('e.metadata ->> %L', substr(_breakdown_name.by, 10));
    END IF;
    RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'by is not known',
        DETAIL = 'It is child, or a key of metadata such as metadata.action.';
END
$$;
COMMENT ON FUNCTION quota_internal._breakdown_name(text) IS
    'internal: the expression, over a ledger entry e of subject $1, that breakdown() groups by; 22004, 22023';

/*
 * An operation is known by its first entry, which bears the metadata that it was
 * called with; what comes back later has its id.  A transaction that gives back can
 * be older than the one that charged: a day is taken for the longest.
 */
CREATE OR REPLACE FUNCTION quota_internal._breakdown(whose text, whose_feature int, since timestamptz, until timestamptz,
        name_of text, max_rows int, OUT name text, OUT used bigint, OUT entries bigint)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 100
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY EXECUTE format($query$
        SELECT o.name, least(greatest(sum(o.used), -9223372036854775808), 9223372036854775807)::bigint, count(*)
        FROM (SELECT max(%s) FILTER (WHERE e.id = e.debit_id) COLLATE "C" AS name,
                     coalesce(sum(e.amount) FILTER (WHERE quota_internal._is_reported(e.account, e.levels)), 0) AS used
              FROM quota_internal.ledger_entry e
              WHERE (e.subject = $1 OR (e.subject > $1 || '/' AND e.subject < $1 || '0')) AND e.feature_id = $2
                AND e.at >= $3 - interval '1 day' AND e.kind NOT IN ('t', 'm')
              GROUP BY e.debit_id
              HAVING min(e.at) FILTER (WHERE e.id = e.debit_id AND e.at >= $3 AND e.at < $4) IS NOT NULL) o
        GROUP BY o.name
        ORDER BY 2 DESC, 1
        LIMIT $5
        $query$, _breakdown.name_of)
        USING whose, whose_feature, since, until, max_rows;
END
$$;
COMMENT ON FUNCTION quota_internal._breakdown(text, int, timestamptz, timestamptz, text, int) IS
    'internal: breakdown(), its arguments checked';

CREATE OR REPLACE FUNCTION quota.breakdown(subject text, feature text, since timestamptz, until timestamptz = NULL,
        by text = 'child', max_rows int = 100, OUT name text, OUT used bigint, OUT entries bigint)
    RETURNS SETOF record
    LANGUAGE quota_plpgsql STABLE PARALLEL SAFE SECURITY DEFINER ROWS 100
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    whose text := quota_internal._subject(breakdown.subject);
    whose_feature int := (quota_internal._feature(breakdown.feature)).id;
    past timestamptz := quota_internal._report_end(breakdown.since, breakdown.until);
    name_of text := quota_internal._breakdown_name(breakdown.by);
BEGIN
    RETURN QUERY SELECT b.* FROM quota_internal._breakdown(whose, whose_feature, breakdown.since, past, name_of,
                                                           quota_internal._positive(breakdown.max_rows, 'max_rows')::int) b;
END
$$;
COMMENT ON FUNCTION quota.breakdown(text, text, timestamptz, timestamptz, text, int) IS
'What the subject and everything below it used of a feature in [since, until) (NULL: until now), by child (the next segment below the subject; the subject itself as an empty name) or by a key of metadata, as metadata.action (name NULL where it is missing); the largest first, then by name, at most max_rows.
Each debit, hold, correction or give-back counts once, in entries too; what comes back of one counts with it, in its group and at its time. Of what the ledger keeps, see quota.retention.
Errors: QT404 unknown feature, 22004, 22023 (also since after until), 22001 bad arguments.';
