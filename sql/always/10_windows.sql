/*
 * Periods, zones and windows as the C side computes them (src/base/window.c).
 * Internal: granted to nobody.
 */
CREATE OR REPLACE FUNCTION quota_internal._period(period text, OUT months int, OUT days int, OUT us bigint)
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 10
    AS 'MODULE_PATHNAME', 'quota_sql_period';
COMMENT ON FUNCTION quota_internal._period(text) IS
    'internal: the parts of a period (hour, day, week, month, quarter, year, or an interval of at least one minute); NULL, a lifetime, is all zero; 22023 if it is none';

CREATE OR REPLACE FUNCTION quota_internal._rate_per(per text)
    RETURNS bigint
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 10
    AS 'MODULE_PATHNAME', 'quota_sql_rate_per';
COMMENT ON FUNCTION quota_internal._rate_per(text) IS
    'internal: the microseconds of what a rate is per (hour, day, week, or an interval without months of at least one second; days have 24 hours); 22023 if it is none';

-- STABLE, not IMMUTABLE: the zone data of the operating system changes.
CREATE OR REPLACE FUNCTION quota_internal._timezone(name text)
    RETURNS text
    LANGUAGE c STABLE PARALLEL SAFE COST 10
    AS 'MODULE_PATHNAME', 'quota_sql_timezone';
COMMENT ON FUNCTION quota_internal._timezone(text) IS
    'internal: the canonical spelling of a time zone''s name; 22023 if it is not one of pg_timezone_names';

CREATE OR REPLACE FUNCTION quota_internal._window(period text, anchor text, anchor_at timestamptz, starts_at timestamptz,
                                                  timezone text, at timestamptz,
                                                  OUT window_start timestamptz, OUT window_end timestamptz)
    LANGUAGE c STABLE PARALLEL SAFE COST 20
    AS 'MODULE_PATHNAME', 'quota_sql_window';
COMMENT ON FUNCTION quota_internal._window(text, text, timestamptz, timestamptz, text, timestamptz) IS
    'internal: the window [window_start, window_end) that a time lies in; anchor is calendar, subscription (counts from starts_at; without one as calendar) or timestamp (counts from anchor_at); a NULL period is the lifetime from starts_at on';

CREATE OR REPLACE FUNCTION quota_internal._window_now(account text, feature_id int, source_id bigint,
                                                      period_start timestamptz, period_end timestamptz, entry_id bigint,
                                                      OUT begins timestamptz, OUT ends timestamptz, OUT generation int)
    LANGUAGE c STABLE STRICT PARALLEL SAFE COST 20
    AS 'MODULE_PATHNAME', 'quota_sql_window_now';
COMMENT ON FUNCTION quota_internal._window_now(text, int, bigint, timestamptz, timestamptz, bigint) IS
    'internal: the window, and the generation of it, that now has the use which a ledger entry took from a window: moves that came after it are followed';
