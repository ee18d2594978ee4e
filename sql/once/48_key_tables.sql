/*
 * API keys.  The time of the last use is in a table of its own: the request that
 * notes it has that row locked until its transaction ends, and revoking a key must
 * not wait for a request that uses it.
 */
CREATE SEQUENCE quota_internal.api_key_id_seq;
CREATE TABLE quota_internal.api_key (
    id         int8 PRIMARY KEY DEFAULT nextval('quota_internal.api_key_id_seq'),
    subject    text COLLATE "C" NOT NULL,
    name       text NOT NULL,
    scopes     text[] NOT NULL DEFAULT '{}',
    digest     bytea NOT NULL CHECK (octet_length(digest) = 32),
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz
);
ALTER SEQUENCE quota_internal.api_key_id_seq OWNED BY quota_internal.api_key.id;
CREATE INDEX api_key_subject ON quota_internal.api_key (subject);
COMMENT ON TABLE quota_internal.api_key IS 'a secret by which a program proves that it acts for a subject; read the view quota.api_keys';
COMMENT ON COLUMN quota_internal.api_key.digest IS 'SHA-256 of the secret, which is stored nowhere: 32 random bytes need neither salt nor a slow hash';
COMMENT ON COLUMN quota_internal.api_key.expires_at IS 'NULL = never';

CREATE TABLE quota_internal.api_key_use (
    key_id       int8 PRIMARY KEY,
    last_used_at timestamptz
) WITH (fillfactor = 50);
COMMENT ON TABLE quota_internal.api_key_use IS 'when each API key was last used, to the minute; the row comes with the key';
