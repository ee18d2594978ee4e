/*
 * Caps that count from 0 again.
 */
CREATE OR REPLACE FUNCTION quota_internal._clear_caps(subject text, feature text) RETURNS int
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'quota_sql_clear_caps';
COMMENT ON FUNCTION quota_internal._clear_caps(text, text) IS
    'internal: clear_caps() without its event';

CREATE OR REPLACE FUNCTION quota.clear_caps(subject text, feature text) RETURNS int
    LANGUAGE quota_plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    cleared int := quota_internal._clear_caps(clear_caps.subject, clear_caps.feature);
BEGIN
    IF cleared > 0 THEN
        PERFORM quota_internal._record_event('caps_cleared', clear_caps.subject, (quota_internal._feature(clear_caps.feature)).id,
                                             jsonb_build_object('cleared', cleared));
    END IF;
    RETURN cleared;
END
$$;
COMMENT ON FUNCTION quota.clear_caps(text, text) IS
'Lets the caps of the subject''s own account count from 0 in their present windows; those that open with the first use are closed. Returns how many had counted something. What was charged or reserved before restores them no more when it comes back.
Errors: QT403 no account of its own; QT404 unknown feature; 22023 a feature that is not metered, which has no caps; 22004, 22001.';
