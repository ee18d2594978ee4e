/* Arguments of administration, checked; and names for what CREATE TYPE quota_internal.subject_range has made. */

COMMENT ON FUNCTION quota_internal.subject_range(text, text) IS 'internal: makes a range of subjects';
COMMENT ON FUNCTION quota_internal.subject_range(text, text, text) IS 'internal: makes a range of subjects with the bounds [), [] and so on';
COMMENT ON FUNCTION quota_internal.subject_multirange() IS 'internal: not used';
COMMENT ON FUNCTION quota_internal.subject_multirange(quota_internal.subject_range) IS 'internal: not used';
COMMENT ON FUNCTION quota_internal.subject_multirange(VARIADIC quota_internal.subject_range[]) IS 'internal: not used';

/*
 * Small checks of arguments.
 *
 * A text can be a gigabyte that is stored compressed, and must not be unpacked.
 * octet_length() does not.  A statement does, when it is planned with the
 * text as a parameter, and PERFORM is a statement; an expression (of IF, :=,
 * RAISE, the default of a variable) does not.  So the size of an argument is
 * looked at by expressions, before any statement has it, and the checks return
 * what they have checked.  (An expression that has raised an error runs as a
 * statement until its transaction ends.)
 */

CREATE OR REPLACE FUNCTION quota_internal._require(given boolean, argument text) RETURNS void
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT _require.given THEN
        RAISE EXCEPTION USING ERRCODE = '22004',
            MESSAGE = format('%s must not be null', _require.argument);
    END IF;
END
$$;
COMMENT ON FUNCTION quota_internal._require(boolean, text) IS 'internal: raises 22004 naming the argument when it was not given';

CREATE OR REPLACE FUNCTION quota_internal._require_word(word text, argument text, allowed text[]) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF _require_word.word IS NULL THEN
        PERFORM quota_internal._require(false, _require_word.argument);
    ELSIF octet_length(_require_word.word) > 32 OR _require_word.word <> ALL (_require_word.allowed) THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = format('%s is not known', _require_word.argument),
            DETAIL = format('It is one of %s.', array_to_string(_require_word.allowed, ', '));
    END IF;
    RETURN _require_word.word;
END
$$;
COMMENT ON FUNCTION quota_internal._require_word(text, text, text[]) IS 'internal: the argument, if it is one of the words; 22004 or 22023 if not';

CREATE OR REPLACE FUNCTION quota_internal._require_name(name text, argument text, most int) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF _require_name.name IS NULL THEN
        PERFORM quota_internal._require(false, _require_name.argument);
    ELSIF octet_length(_require_name.name) > _require_name.most THEN
        RAISE EXCEPTION USING ERRCODE = 'QT404',
            MESSAGE = format('%s does not exist', _require_name.argument),
            DETAIL = format('Its name is longer than the %s bytes that the name of a %s can have.',
                            _require_name.most, _require_name.argument);
    END IF;
    RETURN _require_name.name;
END
$$;
COMMENT ON FUNCTION quota_internal._require_name(text, text, int) IS 'internal: the argument; 22004 for NULL, QT404 for more bytes than such a name can have';

-- The same limit as quota_arg_metadata() in src/base/args.c.
CREATE OR REPLACE FUNCTION quota_internal._metadata(metadata jsonb) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF _metadata.metadata IS NULL THEN
        RETURN '{}';
    END IF;
    -- The stored size may be that of a compressed value: the second look is at
    -- a copy that is not, and the first keeps that copy small.
    IF pg_column_size(_metadata.metadata) <= 8196 THEN
        IF jsonb_typeof(_metadata.metadata) <> 'object' THEN
            RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'metadata must be a JSON object';
        END IF;
        IF pg_column_size(_metadata.metadata || '{}') <= 8196 THEN
            RETURN _metadata.metadata;
        END IF;
    END IF;
    RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'metadata is too large',
        DETAIL = 'At most 8192 bytes are allowed.';
END
$$;
COMMENT ON FUNCTION quota_internal._metadata(jsonb) IS 'internal: a subscription''s metadata, an object of at most 8 kB, {} for NULL; 22023 otherwise';

CREATE OR REPLACE FUNCTION quota_internal._external_id(external_id text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF octet_length(_external_id.external_id) > 255 THEN
        RAISE EXCEPTION USING ERRCODE = '22001', MESSAGE = 'external_id is too long',
            DETAIL = format('It has %s bytes, at most 255 are allowed.', octet_length(_external_id.external_id));
    ELSIF _external_id.external_id = '' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'external_id must not be empty',
            HINT = 'Pass null for none.';
    ELSIF _external_id.external_id ~ '[\u0001-\u001f\u007f]' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'external_id has a control character';
    END IF;
    RETURN _external_id.external_id;
END
$$;
COMMENT ON FUNCTION quota_internal._external_id(text) IS 'internal: another system''s id, 1 to 255 bytes without control characters, or NULL; 22001, 22023';

/*
 * Times beyond the year 9999 are as good as infinite to an application, and
 * drivers cannot read them.
 */
CREATE OR REPLACE FUNCTION quota_internal._require_time(at timestamptz, argument text) RETURNS void
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF _require_time.at < '0001-01-01 00:00:00+00' OR _require_time.at >= '10000-01-01 00:00:00+00' THEN
        RAISE EXCEPTION USING ERRCODE = '22008',
            MESSAGE = format('%s is out of range', _require_time.argument),
            DETAIL = 'It must lie in the years 1 to 9999.';
    END IF;
END
$$;
COMMENT ON FUNCTION quota_internal._require_time(timestamptz, text) IS 'internal: raises 22008 for a time outside the years 1 to 9999';

CREATE OR REPLACE FUNCTION quota_internal._trial_end(starts_at timestamptz, trial interval, timezone text) RETURNS timestamptz
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    days_part interval;
    time_part interval;
    ends      timestamptz := _trial_end.starts_at;
BEGIN
    IF NOT isfinite(_trial_end.trial) OR _trial_end.trial > '10 years' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'trial must not be longer than 10 years';
    END IF;
    days_part := make_interval(months => (extract(year FROM _trial_end.trial) * 12
                                          + extract(month FROM _trial_end.trial))::int,
                               days => extract(day FROM _trial_end.trial)::int);
    time_part := _trial_end.trial - days_part;
    -- also refuses signs that are mixed, like '1 mon -1 day'
    IF _trial_end.trial <= '0'
       OR extract(year FROM days_part) < 0 OR extract(month FROM days_part) < 0 OR extract(day FROM days_part) < 0
       OR time_part < '0' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'trial must be greater than 0';
    END IF;
    -- months and days in local time, hours as elapsed time, like a period
    IF days_part > '0' THEN
        ends := (ends AT TIME ZONE _trial_end.timezone + days_part) AT TIME ZONE _trial_end.timezone;
    END IF;
    RETURN ends + time_part;
END
$$;
COMMENT ON FUNCTION quota_internal._trial_end(timestamptz, interval, text) IS 'internal: when a trial ends; 22023 if it is not longer than 0 or over 10 years';
