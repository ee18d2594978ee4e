/*
 * import_subject(): see 68_export.
 *
 * Entries of the ledger come with epoch -1, so they count as rolled up, which their
 * usage is; and they and events with the first number that a transaction can have, so
 * nobody who reads on from where he was is told of them again.
 */
COMMENT ON COLUMN quota_internal.ledger_entry.epoch IS 'counts up when the data has come to another cluster, where transaction numbers begin again; -1: the entry came with import_subject()';

CREATE OR REPLACE FUNCTION quota_internal._bad_document(problem text, hint text = 'It must be what quota.export_subject() answered.', code text = '22023') RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = _bad_document.code, MESSAGE = 'document cannot be imported', DETAIL = _bad_document.problem, HINT = _bad_document.hint;
END
$$;
COMMENT ON FUNCTION quota_internal._bad_document(text, text, text) IS 'internal: refuses a document of import_subject()';

CREATE OR REPLACE FUNCTION quota_internal._require_document(document jsonb) RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    here jsonb := quota_internal._this_database();
    there jsonb;
    missing text;
BEGIN
    PERFORM quota_internal._require(_require_document.document IS NOT NULL, 'document');
    there := _require_document.document -> 'database';
    SELECT string_agg(k.key, ', ') INTO missing FROM unnest('{database,features,plan_versions,rows}'::text[]) k(key)
        WHERE jsonb_typeof(_require_document.document -> k.key) IS DISTINCT FROM 'object';
    IF jsonb_typeof(_require_document.document -> 'subject') IS DISTINCT FROM 'string' OR missing IS NOT NULL THEN
        PERFORM quota_internal._bad_document(format('It lacks %s.', coalesce(missing, 'subject')));
    ELSIF EXISTS (SELECT FROM jsonb_each(_require_document.document -> 'features') f
                  WHERE f.key !~ '^[0-9]{1,9}$' OR jsonb_typeof(f.value -> 'name') IS DISTINCT FROM 'string')
          OR EXISTS (SELECT FROM jsonb_each(_require_document.document -> 'plan_versions') v
                     WHERE v.key !~ '^[0-9]{1,9}$' OR jsonb_typeof(v.value -> 'plan') IS DISTINCT FROM 'string' OR (v.value ->> 'version' ~ '^[0-9]{1,9}$') IS NOT TRUE) THEN
        PERFORM quota_internal._bad_document('It does not say what its features and versions of plans are called.');
    ELSIF there ->> 'version' IS DISTINCT FROM here ->> 'version' THEN
        PERFORM quota_internal._bad_document(format('It comes from version %s of the extension, this is %s.', there ->> 'version', here ->> 'version'),
                                             'Update the older one first.');
    ELSIF (there -> 'system', there -> 'oid') IS DISTINCT FROM (here -> 'system', here -> 'oid')
          AND (there -> 'step' IS DISTINCT FROM here -> 'step' OR there -> 'rest' IS NOT DISTINCT FROM here -> 'rest') THEN
        PERFORM quota_internal._bad_document(
            format('The ids of the two databases overlap: theirs are %s apart with a remainder of %s, ours %s apart with a remainder of %s.',
                   there -> 'step', there -> 'rest', here -> 'step', here -> 'rest'),
            'docs/scale.md says how the sequences of databases between which subjects go are set.');
    END IF;
    RETURN quota_internal._first_segment(_require_document.document ->> 'subject');
END
$$;
COMMENT ON FUNCTION quota_internal._require_document(jsonb) IS 'internal: the subject of a document of import_subject(), if it may come here; 22004, 22023';

/*
 * What features and plan versions are called here, or a clear word on what is missing.
 */
CREATE OR REPLACE FUNCTION quota_internal._features_here(features jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    theirs record;
    ours quota_internal.feature;
    found_ids jsonb := '{}';
BEGIN
    FOR theirs IN SELECT e.key, e.value ->> 'name' AS name, e.value ->> 'kind' AS kind FROM jsonb_each(_features_here.features) e LOOP
        ours := quota_internal._lock_feature(theirs.name);
        IF ours.kind IS DISTINCT FROM theirs.kind THEN
            PERFORM quota_internal._bad_document(format('There, feature "%s" is of kind %s; here, of kind %s.', theirs.name, theirs.kind, ours.kind),
                                                 'Apply the same catalog to both databases first.');
        END IF;
        found_ids := found_ids || jsonb_build_object(theirs.key, ours.id);
    END LOOP;
    RETURN found_ids;
END
$$;
COMMENT ON FUNCTION quota_internal._features_here(jsonb) IS 'internal: ids here for ids there, of features; QT404, 22023';

CREATE OR REPLACE FUNCTION quota_internal._versions_here(versions jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    theirs record;
    ours int;
    found_ids jsonb := '{}';
BEGIN
    FOR theirs IN SELECT e.key, e.value ->> 'plan' AS plan, (e.value ->> 'version')::int AS version, e.value FROM jsonb_each(_versions_here.versions) e LOOP
        SELECT v.id INTO ours FROM quota_internal.plan_version v JOIN quota_internal.plan p ON p.id = v.plan_id
            WHERE p.name = theirs.plan AND v.version = theirs.version FOR SHARE OF v;
        IF NOT FOUND THEN
            PERFORM quota_internal._bad_document(format('Plan "%s" has no version %s here.', theirs.plan, theirs.version),
                                                 'Apply every catalog that the other database has had, in the same order.', 'QT404');
        ELSIF quota_internal._version_meaning(ours) <> theirs.value THEN
            PERFORM quota_internal._bad_document(format('Version %s of plan "%s" gives something else here.', theirs.version, theirs.plan),
                                                 'Apply every catalog that the other database has had, in the same order.');
        END IF;
        found_ids := found_ids || jsonb_build_object(theirs.key, ours);
    END LOOP;
    RETURN found_ids;
END
$$;
COMMENT ON FUNCTION quota_internal._versions_here(jsonb) IS 'internal: ids here for ids there, of plan versions; QT404, 22023';

CREATE OR REPLACE FUNCTION quota_internal._row_here(relation name, stored jsonb, features jsonb, versions jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT _row_here.stored
        || CASE WHEN _row_here.stored ? 'feature_id' THEN jsonb_build_object('feature_id', _row_here.features -> (_row_here.stored ->> 'feature_id')) ELSE '{}' END
        || CASE WHEN _row_here.stored ? 'plan_version_id' THEN jsonb_build_object('plan_version_id', _row_here.versions -> (_row_here.stored ->> 'plan_version_id')) ELSE '{}' END
        || CASE WHEN _row_here.stored ? 'next_version_id' THEN jsonb_build_object('next_version_id', _row_here.versions -> (_row_here.stored ->> 'next_version_id')) ELSE '{}' END
        || CASE _row_here.relation WHEN 'event' THEN '{"xid": "3"}' ELSE '{}'::jsonb END
$$;
COMMENT ON FUNCTION quota_internal._row_here(name, jsonb, jsonb, jsonb) IS 'internal: a row of a document as it is stored here';

CREATE OR REPLACE FUNCTION quota_internal._require_rows(relation name, rows jsonb, type text) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF jsonb_typeof(_require_rows.rows) IS DISTINCT FROM 'array' THEN
        PERFORM quota_internal._bad_document(format('It lacks the rows of %s.', _require_rows.relation));
    ELSIF EXISTS (SELECT FROM jsonb_array_elements(_require_rows.rows) r WHERE jsonb_typeof(r.value) <> _require_rows.type) THEN
        PERFORM quota_internal._bad_document(format('A row of %s is no %s.', _require_rows.relation, _require_rows.type));
    END IF;
END
$$;
COMMENT ON FUNCTION quota_internal._require_rows(name, jsonb, text) IS 'internal: refuses a document without the rows of a table, or with others than objects or strings';

CREATE OR REPLACE FUNCTION quota_internal._raise_others(relation name, whom text) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT quota_internal._bad_document(format('It has rows of %s that are not of "%s".', _raise_others.relation, _raise_others.whom))
$$;
COMMENT ON FUNCTION quota_internal._raise_others(name, text) IS 'internal: refuses a document with rows of others';

-- Entries of features that are no more stay behind.
CREATE OR REPLACE FUNCTION quota_internal._take_entries(whom text, entries quota_internal.ledger_entry[], features jsonb) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    taken bigint;
    anothers bigint;
BEGIN
    IF EXISTS (SELECT FROM unnest(entries) e WHERE (quota_internal._is_below(e.subject, whom) AND quota_internal._is_below(e.account, whom)) IS NOT TRUE) THEN
        PERFORM quota_internal._raise_others('ledger_entry', whom);
    ELSIF EXISTS (SELECT FROM unnest(entries) e WHERE isfinite(e.at) IS NOT TRUE) THEN
        PERFORM quota_internal._bad_document('An entry of the ledger has no time.');
    END IF;
    -- ids that were drawn before the sequences took steps
    SELECT l.debit_id INTO anothers FROM quota_internal.ledger_entry l WHERE l.debit_id = ANY (ARRAY(SELECT DISTINCT e.debit_id FROM unnest(entries) e)) LIMIT 1;
    IF anothers IS NOT NULL THEN
        PERFORM quota_internal._bad_document(format('Its id %s is another subject''s here.', anothers), 'Ids that both databases drew before their sequences were set apart stay in the way.');
    END IF;
    PERFORM quota_internal._make_leaves_for(ARRAY(SELECT DISTINCT date_trunc('month', e.at) FROM unnest(entries) e));
    INSERT INTO quota_internal.ledger_entry
        SELECT r.* FROM unnest(entries) e, jsonb_each_text(features) f,
            LATERAL jsonb_populate_record(e, jsonb_build_object('feature_id', f.value, 'xid', '3', 'epoch', -1, 'lease_id', NULL)) r
        WHERE f.key::int = e.feature_id;
    GET DIAGNOSTICS taken = ROW_COUNT;
    RETURN taken;
END
$$;
COMMENT ON FUNCTION quota_internal._take_entries(text, quota_internal.ledger_entry[], jsonb) IS 'internal: stores a document''s ledger entries, which must be the subject''s; returns how many';

CREATE OR REPLACE FUNCTION quota_internal._take_rows(relation name, condition text, whom text, rows jsonb, features jsonb, versions jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    taken bigint;
    given bigint;
BEGIN
    PERFORM quota_internal._require_rows(_take_rows.relation, _take_rows.rows, 'object');
    EXECUTE format($query$
        WITH stored AS MATERIALIZED (
            SELECT r.value FROM jsonb_array_elements($2) r
            -- what was about a feature that is no more
            WHERE $5 = 'event' OR NOT r.value ? 'feature_id' OR $3 ? (r.value ->> 'feature_id')
        ), taken AS (
            INSERT INTO quota_internal.%1$I
            SELECT t.* FROM stored s, LATERAL jsonb_populate_record(NULL::quota_internal.%1$I, quota_internal._row_here($5, s.value, $3, $4)) t WHERE %2$s
            -- a use of an API key stays a while when the key has been forgotten
            %3$s RETURNING 1
        )
        SELECT (SELECT count(*) FROM taken), (SELECT count(*) FROM stored)
        $query$, _take_rows.relation, _take_rows.condition,
        CASE _take_rows.relation WHEN 'api_key_use' THEN 'ON CONFLICT (key_id) DO UPDATE SET last_used_at = excluded.last_used_at' ELSE '' END)
        INTO taken, given USING _take_rows.whom, _take_rows.rows, _take_rows.features, _take_rows.versions, _take_rows.relation;
    IF taken <> given THEN
        PERFORM quota_internal._raise_others(_take_rows.relation, _take_rows.whom);
    END IF;
END
$$;
COMMENT ON FUNCTION quota_internal._take_rows(name, text, text, jsonb, jsonb, jsonb) IS 'internal: stores a document''s rows of one table, which must be the subject''s';

/*
 * Marks and leases compare ids by age, so what is drawn from now on must be larger than
 * what has come.  Another session may be drawing, so the jump is far larger than what
 * it can draw meanwhile.
 */
CREATE OR REPLACE FUNCTION quota_internal._pass_ids(rows jsonb, last_entry bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    drawn record;
    largest bigint;
    last bigint;
    spacing record := quota_internal._spacing();
BEGIN
    FOR drawn IN SELECT d.relation, d.sequence FROM quota_internal._drawn_ids() d LOOP
        SELECT max(i.id) INTO largest
            FROM jsonb_array_elements(CASE drawn.relation WHEN 'ledger_entry' THEN '[]' ELSE _pass_ids.rows -> drawn.relation END) r,
                LATERAL (VALUES ((r.value ->> 'id')::bigint), ((r.value ->> 'source_id')::bigint), ((r.value ->> 'next_source_id')::bigint)) i(id)
            WHERE drawn.relation = 'subscription' OR i.id = (r.value ->> 'id')::bigint;
        IF drawn.relation = 'ledger_entry' THEN
            largest := last_entry;
        END IF;
        IF largest > 1::bigint << 62 THEN
            PERFORM quota_internal._bad_document(format('It has the id %s, which would leave few to be drawn.', largest));
        END IF;
        EXECUTE format('SELECT s.last_value FROM %s s', drawn.sequence) INTO last;
        IF largest >= last THEN
            PERFORM setval(drawn.sequence, largest - largest % spacing.step + spacing.rest + spacing.step * 10000);
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION quota_internal._pass_ids(jsonb, bigint) IS 'internal: sets the sequences beyond the ids in a document''s rows';

CREATE OR REPLACE FUNCTION quota.import_subject(document jsonb) RETURNS bigint
    LANGUAGE quota_plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
    SET DateStyle = 'ISO'
AS $$
DECLARE
    whom text := quota_internal._require_document(import_subject.document);
    rows jsonb := import_subject.document -> 'rows';
    dropped timestamptz := import_subject.document ->> 'dropped_before';
    features jsonb;
    versions jsonb;
    entries quota_internal.ledger_entry[];
    place record;
    taken bigint;
BEGIN
    PERFORM quota_internal._hold_posting('import_subject');     -- the same subject twice at once, or beside a rename
    LOCK TABLE quota_internal.bucket, quota_internal.subscription, quota_internal.subject_override IN ROW EXCLUSIVE MODE;
    IF quota_internal._is_somebody(whom) THEN
        RAISE EXCEPTION USING ERRCODE = '23505', MESSAGE = format('"%s" is somebody already', whom),
            DETAIL = 'There are subscriptions, counters, ledger entries, events or other rows of that subject, or below it.',
            HINT = 'Two histories cannot be put together; quota.forget() erases one.';
    END IF;
    IF dropped > quota_internal._now() THEN
        PERFORM quota_internal._bad_document(format('It says that the ledger has been dropped up to %s.', dropped));
    END IF;
    features := quota_internal._features_here(import_subject.document -> 'features');
    versions := quota_internal._versions_here(import_subject.document -> 'plan_versions');
    -- grants and API keys before their uses
    FOR place IN SELECT c.relation, c.condition FROM quota_internal._carried() c WHERE c.relation <> 'ledger_entry' LOOP
        PERFORM quota_internal._take_rows(place.relation, place.condition, whom, rows -> place.relation, features, versions);
    END LOOP;
    PERFORM quota_internal._require_rows('ledger_entry', rows -> 'ledger_entry', 'string');
    entries := ARRAY(SELECT v.value::quota_internal.ledger_entry FROM jsonb_array_elements_text(rows -> 'ledger_entry') v);
    taken := quota_internal._take_entries(whom, entries, features);
    PERFORM quota_internal._pass_ids(rows, (SELECT max(greatest(e.id, e.debit_id)) FROM unnest(entries) e));
    -- of a time before, the ledger says as little as it did there
    UPDATE quota_internal.posting p SET dropped_before = dropped WHERE dropped > coalesce(p.dropped_before, '-infinity');
    RETURN taken;
END
$$;
COMMENT ON FUNCTION quota.import_subject(jsonb) IS
'Stores a subject, with everything below it, that quota.export_subject() has taken from another database; returns how many ledger entries came. Nothing of it may be here yet, and nobody may charge it meanwhile. Ids stay, so holds, refunds, idempotency keys, grants and API keys go on.
Its features and the versions of its plans must be here with the same meaning: apply every catalog that the other database has had, in the same order. Tables that gates have remembered rows of must be here under the same names.
What came is not told again to those that read on in quota.events and quota.ledger by xid.
Errors: 22023 no document, one of another version, ids that overlap, other features or plans; QT404 no such feature or version; 23505 it is somebody already; 42P01 no such table; 0A000 above READ COMMITTED; 22004.';
