/*
 * On the router, after common.sql: the functions of schema quota under their own
 * names, passed on to the shard of their subject.  The database has no extension quota.
 *
 * Whoever may connect may call; what a role may do, the shard says, on which it is the
 * role of the same name.
 */
CREATE EXTENSION IF NOT EXISTS plproxy;

CREATE SCHEMA fleet_remote;
GRANT USAGE ON SCHEMA fleet_remote TO PUBLIC;
COMMENT ON SCHEMA fleet_remote IS 'what runs on a shard, by its number';

CREATE TABLE fleet.shard (
    number     int PRIMARY KEY CHECK (number BETWEEN 0 AND 63),
    connection text NOT NULL
);
COMMENT ON TABLE fleet.shard IS 'the shards: partition pN of the PL/Proxy cluster fleet';
ALTER TABLE fleet.tenant ADD FOREIGN KEY (shard) REFERENCES fleet.shard;

CREATE TABLE fleet.catalog (
    number     int PRIMARY KEY,
    document   jsonb NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE fleet.catalog IS 'every catalog that there ever was, for the shards to come';

-- What runs on one shard, or on all.

CREATE FUNCTION fleet_remote.fence(int, text, int) RETURNS text LANGUAGE plproxy AS $$
    CLUSTER 'fleet'; RUN ON $1; SELECT fleet.fence($2, $3); $$;
CREATE FUNCTION fleet_remote.unfence(int, text) RETURNS void LANGUAGE plproxy AS $$
    CLUSTER 'fleet'; RUN ON $1; SELECT fleet.unfence($2); $$;
CREATE FUNCTION fleet_remote.pack(int, text) RETURNS jsonb LANGUAGE plproxy AS $$
    CLUSTER 'fleet'; RUN ON $1; SELECT fleet.pack($2); $$;
CREATE FUNCTION fleet_remote.arrive(int, text, jsonb) RETURNS boolean LANGUAGE plproxy AS $$
    CLUSTER 'fleet'; RUN ON $1; SELECT fleet.arrive($2, $3); $$;
CREATE FUNCTION fleet_remote.leave(int, text) RETURNS bigint LANGUAGE plproxy AS $$
    CLUSTER 'fleet'; RUN ON $1; SELECT fleet.leave($2); $$;
CREATE FUNCTION fleet_remote.is_home(int, text) RETURNS boolean LANGUAGE plproxy AS $$
    CLUSTER 'fleet'; RUN ON $1; SELECT fleet.home($2) = fleet.self(); $$;
CREATE FUNCTION fleet_remote.whose(int, text, bigint) RETURNS text LANGUAGE plproxy AS $$
    CLUSTER 'fleet'; RUN ON $1; SELECT fleet.whose($2, $3); $$;
CREATE FUNCTION fleet_remote.take_catalog(int, int, jsonb) RETURNS boolean LANGUAGE plproxy AS $$
    CLUSTER 'fleet'; RUN ON $1; SELECT fleet.take_catalog($2, $3); $$;
CREATE TYPE fleet_remote.call AS (name text, about text, arguments text, types text[], columns text, value text);
CREATE FUNCTION fleet_remote.calls(int) RETURNS SETOF fleet_remote.call LANGUAGE plproxy AS $$
    CLUSTER 'fleet'; RUN ON $1; SELECT c.* FROM fleet.calls() c; $$;
CREATE TYPE fleet_remote.state AS (shard int, founders int, catalogs int, catalog jsonb, versions jsonb, ids text);
CREATE FUNCTION fleet_remote.state(int) RETURNS SETOF fleet_remote.state LANGUAGE plproxy AS $$
    CLUSTER 'fleet'; RUN ON $1; SELECT s.* FROM fleet.state() s; $$;
CREATE FUNCTION fleet_remote.states() RETURNS SETOF fleet_remote.state LANGUAGE plproxy AS $$
    CLUSTER 'fleet'; RUN ON ALL; SELECT s.* FROM fleet.state() s; $$;
CREATE FUNCTION fleet_remote.take_catalogs(int, jsonb, boolean) RETURNS SETOF boolean LANGUAGE plproxy AS $$
    CLUSTER 'fleet'; RUN ON ALL; SELECT fleet.take_catalog($1, $2, $3); $$;

/*
 * Reports: SELECT * FROM fleet.everywhere('SELECT ...') AS (column type, ...).  All shards
 * work at once; if one is down, there is no report.
 */
CREATE FUNCTION fleet.everywhere(query text) RETURNS SETOF record LANGUAGE plproxy AS $$
    CLUSTER 'fleet'; RUN ON ALL; TARGET fleet.query; $$;
COMMENT ON FUNCTION fleet.everywhere(text) IS 'the rows that a query has on all shards, with the rights of the caller there';

/*
 * An error of a shard comes with words of PL/Proxy around everything that it says, so
 * the JSON in DETAIL would be none.
 */
CREATE FUNCTION fleet.fail(state text, message text, detail text, hint text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF message ~ '^PL/Proxy function |^\S+ \[[^]]*\] REMOTE (FATAL|PANIC): ' THEN
        RAISE EXCEPTION USING ERRCODE = '08006', MESSAGE = format('database "%s" cannot be reached', (regexp_match(message, '\[([^]]*)\]'))[1]),
            DETAIL = regexp_replace(rtrim(message, E'\n'), '^.*?\[[^]]*\] ', ''),
            HINT = 'What was under way may have been charged: repeat it with the same key.';
    END IF;
    message := regexp_replace(message, '^\S+ \[[^]]*\] REMOTE [A-Z]+: ', '');
    detail := regexp_replace(detail, '^Remote detail: ', '');
    hint := regexp_replace(hint, '^Remote hint: ', '');
    IF detail = '' AND hint = '' THEN
        RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message;
    ELSIF detail = '' THEN
        RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message, HINT = hint;
    ELSIF hint = '' THEN
        RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message, DETAIL = detail;
    END IF;
    RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message, DETAIL = detail, HINT = hint;
END
$$;
COMMENT ON FUNCTION fleet.fail(text, text, text, text) IS 'raises what a shard said, in its own words; 08006 where PL/Proxy has reached none';

-- Where

CREATE FUNCTION fleet.route(subject text) RETURNS int LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    tenant text := coalesce(fleet.tenant_of(subject), '');
    shard int;
BEGIN
    PERFORM fleet.lock(tenant);
    SELECT fleet.home(tenant) INTO shard;       -- a statement of its own, which sees what the lock has waited for
    RETURN shard;
END
$$;
COMMENT ON FUNCTION fleet.route(text) IS 'the shard of a subject; waits while its tenant moves, and lets none move until the transaction ends';

/*
 * An id leaves the number of the shard that drew it when it is divided by 64.  Most are
 * still there; the others have moved with their tenant.
 */
CREATE FUNCTION fleet.subject_of(what text, id bigint) RETURNS text LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    place record;
    subject text;
    state text;
    problem text;
BEGIN
    FOR place IN SELECT s.number FROM fleet.shard s ORDER BY s.number <> subject_of.id % 64, s.number LOOP
        BEGIN
            subject := fleet_remote.whose(place.number, subject_of.what, subject_of.id);
            EXIT WHEN subject IS NOT NULL;
        EXCEPTION WHEN OTHERS THEN      -- that shard is down; perhaps it is on another
            state := SQLSTATE;
            problem := SQLERRM;
        END;
    END LOOP;
    IF subject IS NULL AND problem IS NOT NULL THEN
        PERFORM fleet.fail(state, problem, '', '');
    END IF;
    RETURN subject;
END
$$;
COMMENT ON FUNCTION fleet.subject_of(text, bigint) IS 'whose a debit (or hold), grant or API key is; NULL: nobody''s';

CREATE FUNCTION fleet.route(what text, id bigint) RETURNS int LANGUAGE sql
    RETURN fleet.route(coalesce(fleet.subject_of(what, id), ''));
COMMENT ON FUNCTION fleet.route(text, bigint) IS 'the shard of a debit (or hold), grant or API key; of an unknown one any, which says so';

-- An API key reads qk_ID_HEX.
CREATE FUNCTION fleet.route(what text, secret text) RETURNS int LANGUAGE sql
    RETURN fleet.route(what, (regexp_match(CASE WHEN octet_length(secret) <= 255 THEN secret END, '^qk_([0-9]{1,18})_'))[1]::bigint);
COMMENT ON FUNCTION fleet.route(text, text) IS 'the shard of an API key by its secret';

/*
 * The functions of schema quota, each in two parts: fleet_call has what PL/Proxy runs,
 * quota what is called, which finds the shard and takes PL/Proxy's words out of errors.
 */
CREATE FUNCTION fleet.make_call(call fleet_remote.call) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    n int := cardinality(call.types);
    -- the first argument of what runs there is the shard
    there text := (SELECT string_agg('$' || i + 1, ', ' ORDER BY i) FROM generate_series(1, n) i);
    here text := (SELECT string_agg('$' || i, ', ' ORDER BY i) FROM generate_series(1, n) i);
    route text := CASE call.about WHEN 'subject' THEN '$1' ELSE format('%L, $1', call.about) END;
    answer text := call.value;
BEGIN
    IF call.about = 'subject' THEN
        there := regexp_replace(there, '^\$2', 'fleet.here($2)');
    ELSIF call.types[1] = 'bigint' THEN
        there := regexp_replace(there, '^\$2', format('fleet.here(%L, $2)', call.about));
    END IF;
    IF call.columns IS NOT NULL THEN
        EXECUTE format('CREATE TYPE fleet_call.%I AS (%s)', call.name, call.columns);
        answer := format('SETOF fleet_call.%I', call.name);
    END IF;
    EXECUTE format('CREATE FUNCTION fleet_call.%I(int, %s) RETURNS %s LANGUAGE plproxy AS %L', call.name, array_to_string(call.types, ', '), answer,
                   format('CLUSTER ''fleet''; RUN ON $1; SELECT %s quota.%I(%s)%s;', CASE WHEN call.columns IS NULL THEN '' ELSE 'r.* FROM' END,
                          call.name, there, CASE WHEN call.columns IS NULL THEN '' ELSE ' r' END));
    EXECUTE format($function$
        CREATE FUNCTION quota.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L
        $function$, call.name, call.arguments, answer, format($body$
        DECLARE
            message text; detail text; hint text;
        BEGIN
            %s fleet_call.%I(fleet.route(%s), %s);
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
            PERFORM fleet.fail(SQLSTATE, message, detail, hint);
        END
        $body$, CASE WHEN call.columns IS NOT NULL THEN 'RETURN QUERY SELECT * FROM' WHEN call.value = 'void' THEN 'PERFORM' ELSE 'RETURN' END,
        call.name, route, here));
END
$$;
COMMENT ON FUNCTION fleet.make_call(fleet_remote.call) IS 'makes one function of schema quota';

CREATE FUNCTION fleet.make_calls() RETURNS bigint LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET client_min_messages = warning
AS $$
BEGIN
    DROP SCHEMA IF EXISTS quota, fleet_call CASCADE;
    CREATE SCHEMA quota;
    CREATE SCHEMA fleet_call;
    GRANT USAGE ON SCHEMA quota, fleet_call TO PUBLIC;
    COMMENT ON SCHEMA quota IS 'the functions of the extension quota, passed on to the shard of their subject';
    COMMENT ON SCHEMA fleet_call IS 'what the functions of schema quota run on a shard';
    RETURN (SELECT count(fleet.make_call(c)) FROM fleet_remote.calls(0) c);
END
$$;
COMMENT ON FUNCTION fleet.make_calls() IS 'makes the functions of schema quota that shard 0 has, in place of those that are there; returns how many';

-- Administration

CREATE FUNCTION fleet.add_shard(connection text) RETURNS int LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    coming int;
    there fleet_remote.state;
BEGIN
    IF add_shard.connection ~ '\muser\s*=' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'the connection of a shard must not name a user',
            DETAIL = 'Everybody would have the rights of that one.';
    END IF;
    LOCK TABLE fleet.shard IN SHARE ROW EXCLUSIVE MODE;
    coming := (SELECT count(*) FROM fleet.shard);
    IF coming = 0 THEN
        EXECUTE format('CREATE SERVER fleet FOREIGN DATA WRAPPER plproxy OPTIONS (modular_mapping ''1'', p0 %L)', add_shard.connection);
        CREATE USER MAPPING FOR PUBLIC SERVER fleet;
        GRANT USAGE ON FOREIGN SERVER fleet TO PUBLIC;
    ELSE
        EXECUTE format('ALTER SERVER fleet OPTIONS (ADD p%s %L)', coming, add_shard.connection);
    END IF;
    SELECT s.* INTO there FROM fleet_remote.state(coming) s;
    IF (there.shard, there.founders) IS DISTINCT FROM (coming, fleet.founders()) THEN
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'that is not the next shard of this fleet',
            DETAIL = format('It is shard %s of a fleet that began with %s; the next one here is %s of a fleet that began with %s.',
                            there.shard, there.founders, coming, fleet.founders());
    END IF;
    INSERT INTO fleet.shard VALUES (coming, add_shard.connection);
    PERFORM fleet_remote.take_catalog(coming, c.number, c.document) FROM (SELECT * FROM fleet.catalog ORDER BY number) c;
    IF coming = 0 THEN
        PERFORM fleet.make_calls();
    END IF;
    RETURN coming;
END
$$;
COMMENT ON FUNCTION fleet.add_shard(text) IS 'adds a shard that common.sql and shard.sql have prepared, and gives it every catalog; nobody moves; returns its number';

CREATE FUNCTION fleet.apply_catalog(catalog jsonb) RETURNS int LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    coming int;
BEGIN
    LOCK TABLE fleet.shard, fleet.catalog IN SHARE ROW EXCLUSIVE MODE;
    coming := (SELECT count(*) + 1 FROM fleet.catalog);
    PERFORM fleet_remote.take_catalogs(coming, apply_catalog.catalog, true);
    PERFORM fleet_remote.take_catalogs(coming, apply_catalog.catalog, false);
    INSERT INTO fleet.catalog VALUES (coming, apply_catalog.catalog);
    RETURN coming;
END
$$;
COMMENT ON FUNCTION fleet.apply_catalog(jsonb) IS 'applies a catalog to every shard, each in a transaction, after all of them have tried it; if it fails in between, repeat it';

CREATE FUNCTION fleet.differences() RETURNS TABLE (shard int, problem text) LANGUAGE sql AS $$
    WITH state AS MATERIALIZED (SELECT * FROM fleet_remote.states())
    SELECT s.shard, p.problem FROM state s JOIN state f ON f.shard = 0,
        LATERAL (SELECT format('%s catalogs were applied to it, %s to the fleet', s.catalogs, (SELECT count(*) FROM fleet.catalog))
                 WHERE s.catalogs <> (SELECT count(*) FROM fleet.catalog)
                 UNION ALL
                 SELECT format('its catalog differs from that of shard 0 in %s', string_agg(format('%s "%s"', d.part, d.key), ', ' ORDER BY d.part, d.key))
                 FROM (SELECT part, coalesce(a.key, b.key) AS key
                       FROM unnest('{features,plans,actions}'::text[]) part,
                           LATERAL (SELECT * FROM jsonb_each(s.catalog -> part)) a FULL JOIN LATERAL (SELECT * FROM jsonb_each(f.catalog -> part)) b USING (key)
                       WHERE a.value IS DISTINCT FROM b.value) d
                 HAVING count(*) > 0
                 UNION ALL
                 SELECT format('its plan "%s" has come to version %s, that of shard 0 to %s', key, coalesce(a.value, '0'), coalesce(b.value, '0'))
                 FROM jsonb_each(s.versions) a FULL JOIN jsonb_each(f.versions) b USING (key) WHERE a.value IS DISTINCT FROM b.value
                 UNION ALL
                 SELECT format('its ids are %s; they should be 64 apart: SELECT fleet.space_ids() there', s.ids) WHERE s.ids <> '64 apart') p(problem)
    ORDER BY 1, 2
$$;
COMMENT ON FUNCTION fleet.differences() IS 'what is not the same on all shards; no row: all is well';

CREATE FUNCTION fleet.require_tenant(tenant text, shard int) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF num_nulls(tenant, shard) > 0 THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'tenant and shard must not be null';
    ELSIF fleet.tenant_of(tenant) = '' OR fleet.tenant_of(tenant) <> tenant THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'a tenant is the first segment of a subject';
    ELSIF NOT EXISTS (SELECT FROM fleet.shard s WHERE s.number = require_tenant.shard) THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('there is no shard %s', require_tenant.shard);
    END IF;
END
$$;
COMMENT ON FUNCTION fleet.require_tenant(text, int) IS 'checks the arguments of a move; 22004, 22023';

/*
 * Each step commits on its shard at once; ours commits last.  If it stops half-way,
 * call it again.
 */
CREATE FUNCTION fleet.move(tenant text, shard int) RETURNS boolean LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET lock_timeout = '10s'        -- while it waits, the tenant's calls wait behind it
AS $$
DECLARE
    source int;
    message text; detail text; hint text;
BEGIN
    PERFORM fleet.require_tenant(tenant, shard);
    PERFORM fleet.lock(tenant, alone => true);
    SELECT fleet.home(tenant) INTO source;
    IF source = shard THEN
        RETURN false;
    END IF;
    PERFORM fleet_remote.is_home(shard, tenant);        -- is it there at all?
    IF fleet_remote.fence(source, tenant, shard) = 'fenced' THEN
        BEGIN
            PERFORM fleet_remote.arrive(shard, tenant, fleet_remote.pack(source, tenant));
        EXCEPTION WHEN OTHERS THEN
            IF SQLERRM ~ '\] REMOTE ERROR: ' THEN       -- it was refused, so it did not arrive
                PERFORM fleet_remote.unfence(source, tenant);
            END IF;
            RAISE;
        END;
        PERFORM fleet_remote.leave(source, tenant);
    END IF;
    INSERT INTO fleet.tenant (name, shard) VALUES (tenant, move.shard)
        ON CONFLICT (name) DO UPDATE SET shard = excluded.shard, since = now();
    RETURN true;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    PERFORM fleet.fail(SQLSTATE, message, detail, hint);
END
$$;
COMMENT ON FUNCTION fleet.move(text, int) IS 'moves a tenant to a shard; false: it lives there. Its calls wait meanwhile. After an error call it again, or fleet.stay()';

CREATE FUNCTION fleet.stay(tenant text) RETURNS boolean LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    place record;
    source int;
BEGIN
    PERFORM fleet.require_tenant(tenant, 0);
    PERFORM fleet.lock(tenant, alone => true);
    SELECT fleet.home(tenant) INTO source;
    IF fleet_remote.is_home(source, tenant) THEN
        RETURN false;
    END IF;
    FOR place IN SELECT s.number FROM fleet.shard s WHERE s.number <> source LOOP
        IF fleet_remote.is_home(place.number, tenant) THEN
            RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format('"%s" has arrived on shard %s', tenant, place.number),
                HINT = format('SELECT fleet.move(%L, %s) ends the move.', tenant, place.number);
        END IF;
    END LOOP;
    PERFORM fleet_remote.unfence(source, tenant);
    RETURN true;
END
$$;
COMMENT ON FUNCTION fleet.stay(text) IS 'gives up a move that has not come to its end; false: there is none';

REVOKE EXECUTE ON FUNCTION fleet.make_call, fleet.make_calls, fleet.add_shard, fleet.apply_catalog, fleet.move, fleet.stay FROM PUBLIC;
