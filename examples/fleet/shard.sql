/*
 * On every shard, after common.sql and the extension: who is here, and the shard's
 * part of a move.  The shard decides, whatever the router believes.
 *
 * psql variable: shard, its number from 0 to 63.
 */
CREATE FUNCTION fleet.self() RETURNS int LANGUAGE sql IMMUTABLE RETURN :shard;
COMMENT ON FUNCTION fleet.self() IS 'the number of this shard';

/*
 * Ids of two shards never meet: shard n draws those that leave n when divided by 64.
 * So a tenant can take its ids along, and an id says where it was drawn.  A dump
 * does not carry a sequence's steps: call it again after a restore.
 */
CREATE FUNCTION fleet.space_ids(beyond bigint DEFAULT 0) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    drawn text;
    last bigint;
BEGIN
    FOREACH drawn IN ARRAY '{ledger_id_seq,subscription_id_seq,credit_grant_id_seq,api_key_id_seq,event_id_seq}'::text[] LOOP
        EXECUTE format('ALTER SEQUENCE quota_internal.%I INCREMENT BY 64', drawn);      -- nobody draws until we commit
        EXECUTE format('SELECT greatest(s.last_value, $1) FROM quota_internal.%I s', drawn) INTO last USING beyond;
        EXECUTE format('ALTER SEQUENCE quota_internal.%I RESTART WITH %s', drawn, (last / 64 + 1) * 64 + fleet.self());
    END LOOP;
END
$$;
COMMENT ON FUNCTION fleet.space_ids(bigint) IS 'lets this shard draw ids of its own; beyond: larger ones than that';
SELECT fleet.space_ids() \gset ignored_

/*
 * The fence.  Every transaction that charges begins with it, or has it around the
 * subject: quota.debit(fleet.here('acme/alice'), ...).  Whoever has passed it holds the
 * tenant here until the transaction ends.
 */
CREATE FUNCTION fleet.here(subject text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    tenant text := fleet.tenant_of(here.subject);
    shard int;
    moving boolean;
BEGIN
    IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
        RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = 'fleet.here() works at isolation level read committed',
            DETAIL = 'An older snapshot does not see that a tenant has left.';
    ELSIF tenant <> '' THEN     -- else quota says what is wrong
        PERFORM fleet.lock(tenant);
        SELECT fleet.home(tenant) INTO shard;   -- a statement of its own, which sees what the lock has waited for
        IF shard <> fleet.self() THEN
            SELECT t.moving INTO moving FROM fleet.tenant t WHERE t.name = tenant COLLATE "C";
            RAISE EXCEPTION USING ERRCODE = 'QT421',
                MESSAGE = format(CASE WHEN moving THEN '"%s" is moving to shard %s' ELSE '"%s" lives on shard %s' END, tenant, shard),
                DETAIL = jsonb_build_object('code', 'misdirected', 'tenant', tenant, 'shard', shard, 'moving', coalesce(moving, false)),
                HINT = 'Ask the router again (fleet.route), and repeat the whole transaction there.';
        END IF;
    END IF;
    RETURN here.subject;
END
$$;
COMMENT ON FUNCTION fleet.here(text) IS 'the subject, if its tenant lives here, where it stays until the transaction ends; QT421 if not, with the shard in DETAIL; 0A000 above READ COMMITTED';

CREATE FUNCTION fleet.whose(what text, id bigint) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE whose.what
        WHEN 'debit' THEN (SELECT l.subject FROM quota.ledger l WHERE l.debit_id = whose.id LIMIT 1)
        WHEN 'grant' THEN (SELECT g.subject FROM quota_internal.credit_grant g WHERE g.id = whose.id)   -- no view finds one by its id
        WHEN 'API key' THEN (SELECT k.subject FROM quota.api_keys k WHERE k.id = whose.id) END
$$;
COMMENT ON FUNCTION fleet.whose(text, bigint) IS 'the subject of a debit (or hold), grant or API key that is here';

CREATE FUNCTION fleet.here(what text, id bigint) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    PERFORM fleet.here(fleet.whose(what, id));
    RETURN id;
END
$$;
COMMENT ON FUNCTION fleet.here(text, bigint) IS 'the id of a debit (or hold), grant or API key, if its tenant lives here, as fleet.here(subject); an unknown one as it is';

/*
 * A move, in the order of its steps; each is a transaction, and each may be repeated:
 *   fence    source   the tenant is on its way, and nobody charges it any more
 *   pack     source   all that there is of it
 *   arrive   target   it is stored, and lives there; this is the moment of the move
 *   leave    source   what is left behind is erased
 */
CREATE FUNCTION fleet.fence(tenant text, target int) RETURNS text LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET lock_timeout = '10s'        -- while it waits, all wait behind it
AS $$
DECLARE
    listed fleet.tenant;
BEGIN
    PERFORM fleet.lock(tenant, alone => true);
    SELECT t.* INTO listed FROM fleet.tenant t WHERE t.name = tenant COLLATE "C";
    IF fleet.home(tenant) = target AND NOT coalesce(listed.moving, false) THEN
        RETURN 'left';
    ELSIF fleet.home(tenant) NOT IN (fleet.self(), target) THEN
        RAISE EXCEPTION USING ERRCODE = '55000',
            MESSAGE = format(CASE WHEN listed.moving THEN '"%s" is moving to shard %s already' ELSE '"%s" lives on shard %s' END, tenant, fleet.home(tenant));
    END IF;
    INSERT INTO fleet.tenant (name, shard, moving) VALUES (tenant, target, true)
        ON CONFLICT (name) DO UPDATE SET shard = excluded.shard, moving = true, since = now();
    RETURN 'fenced';
END
$$;
COMMENT ON FUNCTION fleet.fence(text, int) IS 'waits until nobody acts for a tenant, and lets nobody begin; "left": it has gone there before';

CREATE FUNCTION fleet.require_moving(tenant text) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM fleet.lock(tenant, alone => true);
    IF NOT EXISTS (SELECT FROM fleet.tenant t WHERE t.name = tenant COLLATE "C" AND t.moving) THEN
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format('"%s" is not on its way', tenant);
    END IF;
END
$$;
COMMENT ON FUNCTION fleet.require_moving(text) IS '55000 unless a tenant is between fence() and leave()';

CREATE FUNCTION fleet.pack(tenant text) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM fleet.require_moving(tenant);
    RETURN quota.export_subject(tenant);
END
$$;
COMMENT ON FUNCTION fleet.pack(text) IS 'all of a tenant that is on its way';

CREATE FUNCTION fleet.arrive(tenant text, document jsonb) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM fleet.lock(tenant, alone => true);
    IF fleet.home(tenant) = fleet.self() THEN
        RETURN false;
    ELSIF document ->> 'subject' IS DISTINCT FROM tenant THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'the document is another tenant''s';
    END IF;
    PERFORM quota.import_subject(document);
    INSERT INTO fleet.tenant (name, shard) VALUES (tenant, fleet.self())
        ON CONFLICT (name) DO UPDATE SET shard = excluded.shard, moving = false, since = now();
    RETURN true;
END
$$;
COMMENT ON FUNCTION fleet.arrive(text, jsonb) IS 'a tenant lives here from now on; false: it did already';

CREATE FUNCTION fleet.leave(tenant text) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET lock_timeout = '10s'
AS $$
DECLARE
    erased bigint;
BEGIN
    PERFORM fleet.require_moving(tenant);
    erased := quota.forget(tenant);
    UPDATE fleet.tenant t SET moving = false WHERE t.name = tenant COLLATE "C";
    RETURN erased;
END
$$;
COMMENT ON FUNCTION fleet.leave(text) IS 'erases what a tenant that has arrived elsewhere left behind; call it when arrive() has committed';

-- The way back, while the tenant has not arrived.
CREATE FUNCTION fleet.unfence(tenant text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM fleet.require_moving(tenant);
    UPDATE fleet.tenant t SET shard = fleet.self(), moving = false WHERE t.name = tenant COLLATE "C";
END
$$;
COMMENT ON FUNCTION fleet.unfence(text) IS 'a tenant stays after all; only if it has not arrived anywhere';

/*
 * Every catalog that there ever was, in order, so that a plan has the same versions
 * everywhere.
 */
CREATE TABLE fleet.catalog (
    number   int PRIMARY KEY,
    document jsonb NOT NULL
);
COMMENT ON TABLE fleet.catalog IS 'the catalogs that were applied here';

CREATE FUNCTION fleet.take_catalog(number int, document jsonb, dry_run boolean DEFAULT false) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    last int;
BEGIN
    LOCK TABLE fleet.catalog IN SHARE ROW EXCLUSIVE MODE;
    SELECT coalesce(max(c.number), 0) INTO last FROM fleet.catalog c;
    IF EXISTS (SELECT FROM fleet.catalog c WHERE c.number = take_catalog.number AND c.document = take_catalog.document) THEN
        RETURN false;
    ELSIF take_catalog.number <> last + 1 THEN
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format('catalog %s cannot be applied to shard %s', take_catalog.number, fleet.self()),
            DETAIL = format(CASE WHEN take_catalog.number <= last THEN 'It has another catalog of that number.' ELSE 'It has %s so far.' END, last),
            HINT = 'SELECT * FROM fleet.differences() on the router says which shard has what.';
    END IF;
    PERFORM quota.apply_catalog(take_catalog.document, take_catalog.dry_run);
    INSERT INTO fleet.catalog SELECT take_catalog.number, take_catalog.document WHERE NOT take_catalog.dry_run;
    RETURN true;
END
$$;
COMMENT ON FUNCTION fleet.take_catalog(int, jsonb, boolean) IS 'applies the next catalog; false: it was applied before';

CREATE FUNCTION fleet.state(OUT shard int, OUT founders int, OUT catalogs int, OUT catalog jsonb, OUT versions jsonb, OUT ids text) LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    shard := fleet.self();
    founders := fleet.founders();
    catalogs := (SELECT count(*) FROM fleet.catalog);
    catalog := quota.export_catalog();
    versions := (SELECT coalesce(jsonb_object_agg(v.name, v.newest), '{}')
                 FROM (SELECT p.name, max(v.version) AS newest
                       FROM quota_internal.plan p JOIN quota_internal.plan_version v ON v.plan_id = p.id GROUP BY 1) v);
    ids := (SELECT format('%s apart', string_agg(DISTINCT q.seqincrement::text, ', '))
            FROM pg_sequence q JOIN pg_class c ON c.oid = q.seqrelid
            WHERE c.relnamespace = 'quota_internal'::regnamespace
              AND c.relname = ANY ('{ledger_id_seq,subscription_id_seq,credit_grant_id_seq,api_key_id_seq,event_id_seq}'));
END
$$;
COMMENT ON FUNCTION fleet.state() IS 'what must be the same on all shards';

-- With the rights of the caller's role on this shard.
CREATE FUNCTION fleet.query(query text) RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE query;
END
$$;
COMMENT ON FUNCTION fleet.query(text) IS 'what a query answers here';

/*
 * What the router has to offer: the functions about a subject, or about something that
 * has an id.
 */
CREATE FUNCTION fleet.calls(OUT name text, OUT about text, OUT arguments text, OUT types text[], OUT columns text, OUT value text)
    RETURNS SETOF record LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT p.proname,
           CASE WHEN p.proargnames[1] = 'subject' THEN 'subject' WHEN p.proname = 'revoke' THEN 'grant'
                WHEN p.proname ~ 'api_key|authenticate' THEN 'API key' ELSE 'debit' END,
           regexp_replace(pg_get_function_arguments(p.oid), ', OUT .*', ''),
           ARRAY(SELECT format_type(a, NULL) FROM unnest(p.proargtypes) a),
           coalesce((SELECT string_agg(format('%I %s', a.attname, format_type(a.atttypid, NULL)), ', ' ORDER BY a.attnum)
                     FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0),
                    (SELECT string_agg(format('%I %s', o.name, format_type(o.type, NULL)), ', ' ORDER BY o.n)
                     FROM unnest(p.proargnames, p.proargmodes, p.proallargtypes) WITH ORDINALITY o(name, mode, type, n) WHERE o.mode IN ('o', 't'))),
           format_type(p.prorettype, NULL)
    FROM pg_proc p JOIN pg_type t ON t.oid = p.prorettype
    WHERE p.pronamespace = 'quota'::regnamespace
      AND (p.proargnames[1] = 'subject' AND p.proname NOT IN ('export_subject', 'forget', 'rename')
           OR p.proname IN ('refund', 'extend', 'settle', 'release', 'revoke', 'revoke_api_key', 'authenticate'))
$$;
COMMENT ON FUNCTION fleet.calls() IS 'the functions of schema quota that a router passes on, by what they are about; columns: of the rows that they answer with, NULL: it is a value';

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA fleet FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fleet.here(text), fleet.here(text, bigint), fleet.whose, fleet.query, fleet.self, fleet.tenant_of TO PUBLIC;
