/*
 * A subject that goes to another database: export_subject() there, import_subject()
 * here (68_import).
 *
 * The document has the rows as they are stored.  Features and plan versions have
 * other ids in each database, so it says what those ids mean.  All other ids stay, as
 * callers know them: debits, holds, grants, API keys.  So databases between which
 * subjects go must never draw the same id: their sequences take steps of the same
 * size, each from another number.
 */

-- What is carried beside the ledger, and the condition on a row t that it is $1's or somebody's below.
CREATE OR REPLACE FUNCTION quota_internal._carried(OUT relation name, OUT condition text) RETURNS SETOF record
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT n.relation, format('quota_internal._is_below(t.%I, $1)', n.attribute) FROM quota_internal._named() n
    UNION ALL VALUES
        ('grant_use', 'EXISTS (SELECT FROM quota_internal.credit_grant g WHERE g.id = t.grant_id AND quota_internal._is_below(g.subject, $1))'),
        ('api_key_use', 'EXISTS (SELECT FROM quota_internal.api_key k WHERE k.id = t.key_id AND quota_internal._is_below(k.subject, $1))'),
        ('ledger_entry', 'quota_internal._is_below(t.subject, $1)')
$$;
COMMENT ON FUNCTION quota_internal._carried() IS 'internal: the tables whose rows go along with a subject, and which rows';

CREATE OR REPLACE FUNCTION quota_internal._drawn_ids(OUT relation name, OUT sequence regclass) RETURNS SETOF record
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    VALUES ('ledger_entry'::name, 'quota_internal.ledger_id_seq'::regclass), ('subscription', 'quota_internal.subscription_id_seq'),
           ('credit_grant', 'quota_internal.credit_grant_id_seq'), ('api_key', 'quota_internal.api_key_id_seq'), ('event', 'quota_internal.event_id_seq')
$$;
COMMENT ON FUNCTION quota_internal._drawn_ids() IS 'internal: the sequences of the ids that a subject keeps when it goes to another database';

/*
 * Who draws the ids of a table: step is how far apart they are, rest what is left of
 * each when it is divided by that.
 */
CREATE OR REPLACE FUNCTION quota_internal._spacing(OUT step bigint, OUT rest bigint)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    drawn record;
    found_step bigint;
    found_rest bigint;
BEGIN
    FOR drawn IN SELECT d.sequence FROM quota_internal._drawn_ids() d LOOP
        EXECUTE format('SELECT q.seqincrement, s.last_value %% q.seqincrement FROM pg_sequence q, %s s WHERE q.seqrelid = $1', drawn.sequence)
            INTO found_step, found_rest USING drawn.sequence;
        IF (found_step, found_rest) <> (step, rest) THEN
            RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format('%s takes other steps than the other sequences', drawn.sequence),
                DETAIL = format('It takes steps of %s with a remainder of %s, another one steps of %s with a remainder of %s.', found_step, found_rest, step, rest),
                HINT = 'docs/scale.md says how the sequences of databases between which subjects go are set.';
        END IF;
        step := found_step;
        rest := found_rest;
    END LOOP;
END
$$;
COMMENT ON FUNCTION quota_internal._spacing() IS 'internal: which ids this database draws; 55000 where its sequences differ';

CREATE OR REPLACE FUNCTION quota_internal._this_database() RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT jsonb_build_object('system', c.system_identifier, 'oid', d.oid, 'step', s.step, 'rest', s.rest,
                              'version', (SELECT e.extversion FROM pg_extension e WHERE e.extname = 'quota'))
    FROM pg_control_system() c, pg_database d, quota_internal._spacing() s
    WHERE d.datname = current_database()
$$;
COMMENT ON FUNCTION quota_internal._this_database() IS 'internal: what a document says of where it comes from';

CREATE OR REPLACE FUNCTION quota_internal._version_meaning(version_id int) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT jsonb_build_object(
               'plan', p.name, 'version', v.version,
               'period', ARRAY[v.period_months, v.period_days, v.period_us], 'grace', ARRAY[v.grace_months, v.grace_days, v.grace_us],
               'entitlements', (SELECT coalesce(jsonb_object_agg(f.name, jsonb_build_object(
                                           'terms', to_jsonb(quota_internal._terms_meaning(e.terms)), 'members', to_jsonb(quota_internal._terms_meaning(e.members)))), '{}')
                                FROM quota_internal.entitlement e JOIN quota_internal.feature f ON f.id = e.feature_id
                                WHERE e.plan_version_id = v.id))
    FROM quota_internal.plan_version v JOIN quota_internal.plan p ON p.id = v.plan_id
    WHERE v.id = _version_meaning.version_id
$$;
COMMENT ON FUNCTION quota_internal._version_meaning(int) IS 'internal: a version of a plan in words that mean the same in every database';

CREATE OR REPLACE FUNCTION quota_internal._rows_of(relation name, condition text, whom text) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found_rows jsonb;
BEGIN
    EXECUTE format('SELECT jsonb_agg(%s) FROM quota_internal.%I t WHERE %s',
                   CASE _rows_of.relation WHEN 'ledger_entry' THEN 't::text' ELSE 'to_jsonb(t)' END, _rows_of.relation, _rows_of.condition)
        INTO found_rows USING _rows_of.whom;
    RETURN coalesce(found_rows, '[]');
END
$$;
COMMENT ON FUNCTION quota_internal._rows_of(name, text, text) IS 'internal: a subject''s rows of one table, as they are stored: objects; entries of the ledger, of which there are many, as the text of a row, a third as long';

-- The rollup as it will be when it has come to the end: there, the entries are rolled up.
CREATE OR REPLACE FUNCTION quota_internal._whole_usage(whom text) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(jsonb_agg(to_jsonb(u)), '[]')
    FROM (SELECT h.subject, h.feature_id, h.hour, sum(h.used) AS used, sum(h.debits)::bigint AS debits
          FROM (SELECT t.subject, t.feature_id, t.hour, t.used, t.debits FROM quota_internal.usage_hour t
                WHERE quota_internal._is_below(t.subject, _whole_usage.whom)
                UNION ALL
                SELECT n.subject, n.feature_id, n.hour, n.used, n.debits
                FROM quota_internal._usage_of(format('quota_internal._is_below(e.subject, %L) AND %s', _whole_usage.whom, quota_internal._not_rolled_up())) n) h
          GROUP BY 1, 2, 3) u
$$;
COMMENT ON FUNCTION quota_internal._whole_usage(text) IS 'internal: a subject''s rows of usage_hour, with what has not been added to them';

/*
 * STABLE, so all its statements have the snapshot of the one that calls it.  Rows of
 * features that are no more say nothing there, but for events.
 */
CREATE OR REPLACE FUNCTION quota_internal._document(whom text) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    entries jsonb;
    others jsonb;
    features jsonb;
    versions jsonb;
BEGIN
    SELECT quota_internal._rows_of(c.relation, c.condition, whom) INTO entries FROM quota_internal._carried() c WHERE c.relation = 'ledger_entry';
    SELECT jsonb_object_agg(c.relation, CASE c.relation WHEN 'usage_hour' THEN quota_internal._whole_usage(whom)
                                                        ELSE quota_internal._rows_of(c.relation, c.condition, whom) END)
        INTO others FROM quota_internal._carried() c WHERE c.relation <> 'ledger_entry';
    SELECT coalesce(jsonb_object_agg(f.id, jsonb_build_object('name', f.name, 'kind', f.kind)), '{}') INTO features
        FROM quota_internal.feature f
        WHERE f.id IN (SELECT (r.value ->> 'feature_id')::int FROM jsonb_each(others) p, jsonb_array_elements(p.value) r
                       UNION SELECT e.feature_id FROM quota_internal.ledger_entry e WHERE quota_internal._is_below(e.subject, whom));
    SELECT coalesce(jsonb_object_agg(v.id, quota_internal._version_meaning(v.id)), '{}') INTO versions
        FROM quota_internal.plan_version v
        WHERE v.id IN (SELECT i.id FROM jsonb_array_elements((others -> 'subscription') || (others -> 'bucket')) r,
                           LATERAL (VALUES ((r.value ->> 'plan_version_id')::int), ((r.value ->> 'next_version_id')::int)) i(id));
    RETURN jsonb_build_object('subject', whom, 'database', quota_internal._this_database(),
                              'dropped_before', (SELECT p.dropped_before FROM quota_internal.posting p),
                              'features', features, 'plan_versions', versions, 'rows', others || jsonb_build_object('ledger_entry', entries));
END
$$;
COMMENT ON FUNCTION quota_internal._document(text) IS 'internal: all of a subject and below, as import_subject() takes it';

-- A part of a path depends on what is above.
CREATE OR REPLACE FUNCTION quota_internal._first_segment(subject text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    whom text := quota_internal._subject(_first_segment.subject);
BEGIN
    IF position('/' IN whom) > 0 THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'subject has more than one segment',
            DETAIL = 'Its charges are charges of what is above it, too.',
            HINT = format('"%s" can go as a whole.', split_part(whom, '/', 1));
    END IF;
    RETURN whom;
END
$$;
COMMENT ON FUNCTION quota_internal._first_segment(text) IS 'internal: the subject, if it is one segment; 22004, 22001, 22023';

CREATE OR REPLACE FUNCTION quota.export_subject(subject text) RETURNS jsonb
    LANGUAGE quota_plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
    SET DateStyle = 'ISO'
AS $$
DECLARE
    whom text := quota_internal._first_segment(export_subject.subject);
    document jsonb;
BEGIN
    LOCK TABLE quota_internal.bucket IN ROW EXCLUSIVE MODE;
    PERFORM quota_internal._write_refusals(false);
    PERFORM quota_internal._close_leases(ARRAY[whom], below => true);
    document := quota_internal._document(whom);
    IF jsonb_path_exists(document #> '{rows,bucket}', '$[*] ? (@.lease_id != null)') THEN
        RAISE EXCEPTION USING ERRCODE = '55006', MESSAGE = format('"%s" is charged at this moment', whom),
            HINT = 'Keep calls for it away until it is in the other database; then export it again.';
    END IF;
    RETURN document;
END
$$;
COMMENT ON FUNCTION quota.export_subject(text) IS
'All of a subject of one segment and of everything below it, as quota.import_subject() takes it in another database: subscriptions with the version of their plan, overrides, grants, holds, counters, what rows of gates were charged, keys, API keys, denials, events, usage and the ledger. All ids stay. Changes nothing but that it ends leases; what is charged afterwards is not in it.
Left out are features that have been removed, and of rates what shared memory knows.
Errors: 22023 more than one segment, 55006 it is charged at this moment, 55000 sequences that differ in their steps, 54000 where the document would be larger than a jsonb can be; 22004, 22001.';
