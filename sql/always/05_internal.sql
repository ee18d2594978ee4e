/*
 * What administration written in SQL shares with the C side.  Internal: granted
 * to nobody.
 */

/*
 * PL/pgSQL and SQL for the functions that are called from outside: the error of
 * one tells nothing of the functions and statements that it came through.
 *
 * The validators are theirs under names of ours.  Of a language that has a function in
 * pg_catalog, pg_dump names no function at all, and then pg_upgrade could not make it.
 */
CREATE OR REPLACE FUNCTION quota_internal._plpgsql_handler() RETURNS language_handler
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'quota_plpgsql_handler';
COMMENT ON FUNCTION quota_internal._plpgsql_handler() IS 'internal: of language quota_plpgsql';
CREATE OR REPLACE FUNCTION quota_internal._plpgsql_validator(oid) RETURNS void
    LANGUAGE c
    AS '$libdir/plpgsql', 'plpgsql_validator';
COMMENT ON FUNCTION quota_internal._plpgsql_validator(oid) IS 'internal: of language quota_plpgsql';
CREATE OR REPLACE LANGUAGE quota_plpgsql HANDLER quota_internal._plpgsql_handler VALIDATOR quota_internal._plpgsql_validator;
COMMENT ON LANGUAGE quota_plpgsql IS 'PL/pgSQL whose errors have none of its own lines in CONTEXT; for quota alone';

CREATE OR REPLACE FUNCTION quota_internal._sql_handler() RETURNS language_handler
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'quota_sql_handler';
COMMENT ON FUNCTION quota_internal._sql_handler() IS 'internal: of language quota_sql';
CREATE OR REPLACE FUNCTION quota_internal._sql_validator(oid) RETURNS void
    LANGUAGE internal
    AS 'fmgr_sql_validator';
COMMENT ON FUNCTION quota_internal._sql_validator(oid) IS 'internal: of language quota_sql';
CREATE OR REPLACE LANGUAGE quota_sql HANDLER quota_internal._sql_handler VALIDATOR quota_internal._sql_validator;
COMMENT ON LANGUAGE quota_sql IS 'SQL whose errors have none of its own lines in CONTEXT; for quota alone';

CREATE OR REPLACE FUNCTION quota_internal._now() RETURNS timestamptz
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'quota_sql_now';
COMMENT ON FUNCTION quota_internal._now() IS
    'internal: the transaction''s start, or the test clock quota.clock';

CREATE OR REPLACE FUNCTION quota_internal._clock_now() RETURNS timestamptz
    LANGUAGE c VOLATILE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'quota_sql_clock_now';
COMMENT ON FUNCTION quota_internal._clock_now() IS
    'internal: the time of day, which holds expire by, or the test clock quota.clock';

CREATE OR REPLACE FUNCTION quota_internal._subject(subject text) RETURNS text
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'quota_sql_subject';
COMMENT ON FUNCTION quota_internal._subject(text) IS
    'internal: the subject, if it is valid; 22004, 22001 or 22023 if not';

CREATE OR REPLACE FUNCTION quota_internal._windows(subject text, at timestamptz,
        OUT feature_id int4, OUT source_id int8, OUT period_start timestamptz, OUT period_end timestamptz,
        OUT plan_version_id int4, OUT allowance int8, OUT series text, OUT overridden bool, OUT of_members bool)
    RETURNS SETOF record
    LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 10
    AS 'MODULE_PATHNAME', 'quota_sql_windows';
COMMENT ON FUNCTION quota_internal._windows(text, timestamptz) IS
    'internal: the window that a time (NULL: now) lies in of every metered account of exactly this prefix, as the newest committed state has it, and its terms: allowance (NULL: unlimited), series (the same text for the same period and anchor, NULL for a lifetime), overridden (they are not those of the prefix''s own plan), of_members (they are what the prefix above gives its members)';

CREATE OR REPLACE FUNCTION quota_internal._positive(value bigint, argument text) RETURNS bigint
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF value IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = format('%s must not be null', argument);
    ELSIF value <= 0 THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('%s must be greater than 0', argument);
    END IF;
    RETURN value;
END
$$;
COMMENT ON FUNCTION quota_internal._positive(bigint, text) IS
    'internal: the value, if it is above 0; 22004 or 22023 naming the argument if not';

CREATE OR REPLACE FUNCTION quota_internal._require_size(value jsonb, max_bytes int, argument text) RETURNS jsonb
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'quota_sql_require_size';
COMMENT ON FUNCTION quota_internal._require_size(jsonb, int, text) IS
    'internal: the value; 22023 naming the argument if it has more bytes, for which it is not unpacked; NULL has none';

/* The words that stand for the one-letter codes of quota_internal.ledger_entry. */
CREATE OR REPLACE FUNCTION quota_internal._entry_kind(kind "char") RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE kind WHEN 'd' THEN 'debit' WHEN 'r' THEN 'refund' WHEN 'b' THEN 'give_back'
                     WHEN 'c' THEN 'correction' WHEN 'm' THEN 'correction' WHEN 't' THEN 'transfer'
                     WHEN 'h' THEN 'hold' WHEN 's' THEN 'settle' WHEN 'l' THEN 'release' WHEN 'x' THEN 'expiry' END;
COMMENT ON FUNCTION quota_internal._entry_kind("char") IS
    'internal: the kind of a ledger entry as a word';

CREATE OR REPLACE FUNCTION quota_internal._entry_source(source "char") RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE source WHEN 'a' THEN 'allowance' WHEN 'g' THEN 'grant' WHEN 'v' THEN 'overage'
                       WHEN 'o' THEN 'overdrawn' WHEN 'c' THEN 'capacity' WHEN 'C' THEN 'capacity' END;
COMMENT ON FUNCTION quota_internal._entry_source("char") IS
    'internal: the bucket of a ledger entry as a word';

/*
 * Where the rollup of the ledger begins.  Called by apply_catalog(), since there
 * are no entries before there is a catalog; and a restored one brings its own.
 */
CREATE OR REPLACE FUNCTION quota_internal._begin_posting() RETURNS void
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO quota_internal.posting (epoch, system_identifier, snapshot)
        SELECT 0, c.system_identifier, '1:1:' FROM pg_control_system() c
        ON CONFLICT (one) DO NOTHING
$$;
COMMENT ON FUNCTION quota_internal._begin_posting() IS
    'internal: makes the row of quota_internal.posting, if there is none, as one that has seen nothing';

/*
 * A debit has entries of every account on its path.  A report takes those of one
 * account, which is the same for all entries of an operation, whatever came to the
 * path or left it while it went on: their levels say what it began with.
 */
CREATE OR REPLACE FUNCTION quota_internal._level(prefix text) RETURNS int
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'quota_sql_level';
COMMENT ON FUNCTION quota_internal._level(text) IS
    'internal: the level of a subject''s prefix, 0 for the first segment';

CREATE OR REPLACE FUNCTION quota_internal._is_reported(account text, levels int2, level int DEFAULT 7) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'quota_sql_is_reported';
COMMENT ON FUNCTION quota_internal._is_reported(text, int2, int) IS
    'internal: do a ledger entry''s account and levels make it one that a report on a subject of that level takes? Of each operation those of that level''s account are, else of the nearest above, else of the highest below; by default those of the deepest';

CREATE OR REPLACE FUNCTION quota_internal._levels_above(levels int2, level int) RETURNS int2
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN coalesce(nullif(_levels_above.levels & ((1 << _levels_above.level) - 1), 0), (1 << _levels_above.level) >> 1)::int2;
COMMENT ON FUNCTION quota_internal._levels_above(int2, int) IS
    'internal: the levels of a ledger entry whose subject is cut to what is above a level; if the operation began with none of those, the last';
