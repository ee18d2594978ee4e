/*
 * API keys.  A secret reads qk_ID_HEX: the id leads to the row, so that nothing is
 * looked up by what must be kept secret.
 */
CREATE OR REPLACE FUNCTION quota_internal._random_bytes(bytes int) RETURNS bytea
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'quota_sql_random_bytes';
COMMENT ON FUNCTION quota_internal._random_bytes(int) IS 'internal: 1 to 1024 bytes that nobody can guess';

CREATE OR REPLACE FUNCTION quota_internal._require_size(value text[], max_bytes int, argument text) RETURNS text[]
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'quota_sql_require_size';
COMMENT ON FUNCTION quota_internal._require_size(text[], int, text) IS
    'internal: the value; 22023 naming the argument if it has more bytes, for which it is not unpacked; NULL has none';

CREATE OR REPLACE FUNCTION quota_internal._key_name(name text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF _key_name.name IS NULL THEN
        PERFORM quota_internal._require(false, 'name');
    ELSIF octet_length(_key_name.name) > 255 THEN
        RAISE EXCEPTION USING ERRCODE = '22001', MESSAGE = 'name is too long',
            DETAIL = format('It has %s bytes, at most 255 are allowed.', octet_length(_key_name.name));
    ELSIF _key_name.name = '' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'name must not be empty';
    ELSIF _key_name.name ~ '[\u0001-\u001f\u007f]' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'name has a control character';
    END IF;
    RETURN _key_name.name;
END
$$;
COMMENT ON FUNCTION quota_internal._key_name(text) IS 'internal: the name of an API key, 1 to 255 bytes without control characters; 22004, 22001, 22023';

CREATE OR REPLACE FUNCTION quota_internal._key_scopes(scopes text[]) RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM quota_internal._require(_key_scopes.scopes IS NOT NULL, 'scopes');
    IF array_ndims(_key_scopes.scopes) > 1 OR cardinality(_key_scopes.scopes) > 100 THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'scopes must be a list of at most 100';
    ELSIF EXISTS (SELECT FROM unnest(_key_scopes.scopes) s WHERE s IS NULL OR s = '' OR octet_length(s) > 255 OR s ~ '[\u0001-\u001f\u007f]') THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'scopes has an element that is no scope',
            DETAIL = 'A scope has 1 to 255 bytes and no control character.';
    END IF;
    RETURN _key_scopes.scopes;
END
$$;
COMMENT ON FUNCTION quota_internal._key_scopes(text[]) IS 'internal: the scopes of an API key, at most 100 of 1 to 255 bytes; 22004, 22023';

CREATE OR REPLACE FUNCTION quota_internal._create_api_key(subject text, name text, expires_at timestamptz, scopes text[], OUT id bigint, OUT secret text)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    who    text := quota_internal._subject(_create_api_key.subject);
    called text := quota_internal._key_name(_create_api_key.name);
    may    text[] := quota_internal._key_scopes(_create_api_key.scopes);
    ends   timestamptz := nullif(_create_api_key.expires_at, 'infinity');
    at     timestamptz := quota_internal._now();
BEGIN
    IF ends <= at THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'expires_at is not in the future';
    END IF;
    PERFORM quota_internal._require_time(ends, 'expires_at');
    -- as administration of a subject does: forget() and rename() hold it
    LOCK TABLE quota_internal.bucket IN ROW EXCLUSIVE MODE;
    _create_api_key.id := nextval('quota_internal.api_key_id_seq');
    _create_api_key.secret := format('qk_%s_%s', _create_api_key.id, encode(quota_internal._random_bytes(32), 'hex'));
    INSERT INTO quota_internal.api_key (id, subject, name, scopes, digest, created_at, expires_at)
        VALUES (_create_api_key.id, who, called, may, sha256(convert_to(_create_api_key.secret, 'UTF8')), at, ends);
    INSERT INTO quota_internal.api_key_use (key_id) VALUES (_create_api_key.id);
    PERFORM quota_internal._record_event('api_key_created', who, NULL,
        jsonb_build_object('key_id', _create_api_key.id, 'name', called, 'scopes', may, 'expires_at', ends));
END
$$;
COMMENT ON FUNCTION quota_internal._create_api_key(text, text, timestamptz, text[]) IS
    'internal: create_api_key() with scopes that are not too large to unpack';

-- PL/pgSQL unpacks an array before anything can look at its size.
CREATE OR REPLACE FUNCTION quota.create_api_key(subject text, name text, expires_at timestamptz = NULL, scopes text[] = '{}',
        OUT id bigint, OUT secret text)
    LANGUAGE quota_sql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
    SET plan_cache_mode = force_generic_plan    -- 18 plans for each value, which unpacks it
AS $$
    SELECT k.id, k.secret
    FROM quota_internal._create_api_key(create_api_key.subject, create_api_key.name, create_api_key.expires_at,
                                        quota_internal._require_size(create_api_key.scopes, 8192, 'scopes')) k
$$;
COMMENT ON FUNCTION quota.create_api_key(text, text, timestamptz, text[]) IS
'Makes an API key for a subject and returns its secret, which is shown this once: only a digest is stored. name is for people and need not be unique; scopes are the application''s words, which authenticate() hands back.
expires_at NULL: never.
Errors: 22004, 22023, 22001 a bad subject, name or scope (at most 100), 22023 an end that is past, 22008.';

CREATE OR REPLACE FUNCTION quota.revoke_api_key(id bigint) RETURNS void
    LANGUAGE quota_plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
AS $$
DECLARE
    found_key quota_internal.api_key;
BEGIN
    PERFORM quota_internal._require(revoke_api_key.id IS NOT NULL, 'id');
    SELECT k.* INTO found_key FROM quota_internal.api_key k WHERE k.id = revoke_api_key.id FOR NO KEY UPDATE;
    IF found_key.id IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'QT404', MESSAGE = format('API key "%s" does not exist', revoke_api_key.id);
    ELSIF found_key.revoked_at IS NOT NULL THEN
        RETURN;
    END IF;
    UPDATE quota_internal.api_key k SET revoked_at = quota_internal._now() WHERE k.id = found_key.id;
    PERFORM quota_internal._record_event('api_key_revoked', found_key.subject, NULL,
        jsonb_build_object('key_id', found_key.id, 'name', found_key.name));
END
$$;
COMMENT ON FUNCTION quota.revoke_api_key(bigint) IS
'Ends an API key: from the commit on, authenticate() refuses it. Waits for no request that uses it. One that was revoked before stays as it was.
Errors: QT404 unknown key, 22004.';

CREATE OR REPLACE FUNCTION quota.authenticate(secret text) RETURNS quota.authenticate_result
    LANGUAGE c VOLATILE PARALLEL UNSAFE COST 100
    AS 'MODULE_PATHNAME', 'quota_sql_authenticate';
COMMENT ON FUNCTION quota.authenticate(text) IS
'Whose API key it is, and what it may do. Any other text is QT401, one answer for all: unknown, malformed, expired, revoked. The error logs no statement; pass the secret as a parameter, so that no other log has it.
Notes the last use, at most once a minute and waiting for nobody; where nothing can be written (a standby, a read-only transaction) it only looks.
Errors: QT401, 22004.';

CREATE OR REPLACE VIEW quota.api_keys AS
    SELECT k.id, k.subject, k.name, k.scopes, k.created_at, k.expires_at, u.last_used_at, k.revoked_at
    FROM quota_internal.api_key k LEFT JOIN quota_internal.api_key_use u ON u.key_id = k.id;
COMMENT ON VIEW quota.api_keys IS 'every API key, also those that have ended; never a secret';
COMMENT ON COLUMN quota.api_keys.id IS 'what create_api_key() returned; the number in the secret, between the underscores';
COMMENT ON COLUMN quota.api_keys.subject IS 'for whom it acts';
COMMENT ON COLUMN quota.api_keys.name IS 'what people call it';
COMMENT ON COLUMN quota.api_keys.scopes IS 'what it may do, in the application''s words';
COMMENT ON COLUMN quota.api_keys.created_at IS 'when it was made';
COMMENT ON COLUMN quota.api_keys.expires_at IS 'from then on it is refused; NULL: never';
COMMENT ON COLUMN quota.api_keys.last_used_at IS 'to the minute; NULL: never';
COMMENT ON COLUMN quota.api_keys.revoked_at IS 'when it was revoked; NULL: it was not';
