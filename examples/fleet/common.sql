/*
 * On the router and on every shard: where a tenant lives.  A tenant is the first
 * segment of a subject.
 *
 * psql variables: founders, how many shards the fleet began with (never changes).
 */
CREATE SCHEMA fleet;
GRANT USAGE ON SCHEMA fleet TO PUBLIC;
COMMENT ON SCHEMA fleet IS 'tenants over several databases: where each lives';

CREATE FUNCTION fleet.founders() RETURNS int LANGUAGE sql IMMUTABLE RETURN :founders;
COMMENT ON FUNCTION fleet.founders() IS 'how many shards there were in the beginning, over which tenants that are not listed lie by hash; a shard that comes later gets those that are moved there';

/*
 * The exceptions from the hash.  The router lists every tenant that has moved, a
 * shard those that came or went.
 */
CREATE TABLE fleet.tenant (
    name   text COLLATE "C" PRIMARY KEY CHECK (name <> '' AND position('/' IN name) = 0),
    shard  int NOT NULL,
    moving bool NOT NULL DEFAULT false,
    since  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE fleet.tenant IS 'tenants that do not live where their hash says, or once did not';
COMMENT ON COLUMN fleet.tenant.moving IS 'on its way to that shard: it is still in this database, and nobody charges it';

-- '' for what is no subject: the shard that gets it says so.
CREATE FUNCTION fleet.tenant_of(subject text) RETURNS text LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN octet_length(subject) <= 255 THEN split_part(subject, '/', 1) ELSE '' END;
COMMENT ON FUNCTION fleet.tenant_of(text) IS 'the first segment of a subject';

-- md5, since it is the same everywhere and for ever; hashtext() promises that for one release of PostgreSQL.
CREATE FUNCTION fleet.home(tenant text) RETURNS int LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce((SELECT t.shard FROM fleet.tenant t WHERE t.name = home.tenant COLLATE "C"),
                    ('x' || left(md5(home.tenant), 7))::bit(28)::int % fleet.founders())
$$;
COMMENT ON FUNCTION fleet.home(text) IS 'the shard that a tenant lives on, as far as this database knows';

-- Whoever acts for a tenant shares the lock; a move has it alone.
CREATE FUNCTION fleet.lock(tenant text, alone boolean DEFAULT false) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF alone THEN
        PERFORM pg_advisory_xact_lock(hashtext('quota fleet'), hashtext(tenant));
    ELSE
        PERFORM pg_advisory_xact_lock_shared(hashtext('quota fleet'), hashtext(tenant));
    END IF;
END
$$;
COMMENT ON FUNCTION fleet.lock(text, boolean) IS 'locks a tenant in this database until the transaction ends';
