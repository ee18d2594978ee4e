/*
 * Usage over time.  maintain() adds up the ledger by hour and remembers the
 * snapshot that it saw, as PgQ does; usage() adds what that snapshot did not see.
 */

/*
 * Transaction numbers of another cluster are older than all of this one, whatever
 * they say: those that the last snapshot there did not see are still to come, and
 * so is everything that was written here.
 */
CREATE OR REPLACE FUNCTION quota_internal._not_rolled_up() RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce((
        SELECT CASE WHEN p.system_identifier = (pg_control_system()).system_identifier THEN c.unseen
                    ELSE format('(%s OR e.epoch > %s)', c.unseen, p.epoch) END
        FROM quota_internal.posting p,
             format('(e.epoch = %s AND e.xid >= %L::xid8 AND NOT pg_visible_in_snapshot(e.xid, %L::pg_snapshot))',
                    p.epoch, pg_snapshot_xmin(p.snapshot), p.snapshot) c(unseen)), 'true')
$$;
COMMENT ON FUNCTION quota_internal._not_rolled_up() IS
    'internal: the condition, as SQL, that a ledger entry e has not been added to usage_hour';

/*
 * Transfers are no use, and neither is what was missing when it came back: the
 * refund or settlement itself counts whole.
 */
CREATE OR REPLACE FUNCTION quota_internal._usage_of(condition text, cut text = NULL, bucket text = $$date_trunc('hour', e.at, 'UTC')$$,
        OUT subject text, OUT feature_id int, OUT hour timestamptz, OUT used numeric, OUT debits bigint)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    whose text := 'e.subject';
    levels text := 'e.levels';
    wanted text := 'true';
BEGIN
    IF _usage_of.cut IS NOT NULL THEN
        whose := 'e.account';
        levels := format('quota_internal._levels_above(e.levels, %s)', quota_internal._level(_usage_of.cut));
        wanted := format('NOT (e.account = %1$L OR (e.account > %1$L || ''/'' AND e.account < %1$L || ''0''))', _usage_of.cut);
    END IF;
    RETURN QUERY EXECUTE format($query$
        SELECT j.subject, j.feature_id, j.hour, coalesce(sum(j.amount) FILTER (WHERE j.counts), 0),
               count(*) FILTER (WHERE j.is_debit)
        FROM (
            SELECT %s AS subject, e.feature_id, %s AS hour, e.amount,
                   quota_internal._is_reported(e.account, %s) AS counts,
                   e.id = e.debit_id AND e.kind IN ('d', 'h') AS is_debit
            FROM quota_internal.ledger_entry e
            WHERE e.kind NOT IN ('t', 'm') AND %s AND %s
        ) j
        WHERE j.counts OR j.is_debit
        GROUP BY 1, 2, 3
        $query$, whose, _usage_of.bucket, levels, _usage_of.condition, wanted);
END
$$;
COMMENT ON FUNCTION quota_internal._usage_of(text, text, text) IS
    'internal: use and debits by exact subject, feature and hour, or another expression of time, of the ledger entries e that meet a condition; with cut, as it is once that subject has been erased';

-- A NULL end is now, what this very transaction has charged included.
CREATE OR REPLACE FUNCTION quota_internal._report_end(since timestamptz, until timestamptz) RETURNS timestamptz
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM quota_internal._require(_report_end.since IS NOT NULL, 'since');
    IF _report_end.until IS NULL THEN
        RETURN greatest(quota_internal._now() + interval '1 microsecond', _report_end.since);
    ELSIF _report_end.since > _report_end.until THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'since must not be after until';
    END IF;
    RETURN _report_end.until;
END
$$;
COMMENT ON FUNCTION quota_internal._report_end(timestamptz, timestamptz) IS
    'internal: where a report on [since, until) ends; 22004 without since, 22023 when it begins after its end';

/*
 * Does an hour of the rollup lie in two steps?  Then the ledger has to say what belongs
 * where.  Zones off by half an hour have such hours, and only at their boundaries.
 */
CREATE OR REPLACE FUNCTION quota_internal._is_split(hour timestamptz, step text, timezone text) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT date_trunc(_is_split.step, _is_split.hour, _is_split.timezone)
           <> date_trunc(_is_split.step, _is_split.hour + interval '59 minutes 59.999999 seconds', _is_split.timezone);
END;
COMMENT ON FUNCTION quota_internal._is_split(timestamptz, text, text) IS
    'internal: whether an hour (of UTC) lies in more than one step in a time zone';

CREATE OR REPLACE FUNCTION quota.usage(subject text, feature text, since timestamptz, until timestamptz = NULL,
        step text = 'day', timezone text = 'UTC', OUT bucket timestamptz, OUT used bigint, OUT debits bigint)
    RETURNS SETOF record
    LANGUAGE quota_plpgsql STABLE PARALLEL SAFE SECURITY DEFINER ROWS 100
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
AS $$
DECLARE
    whose text := quota_internal._subject(usage.subject);
    whose_feature int := (quota_internal._feature(usage.feature)).id;
    wanted text := quota_internal._require_word(usage.step, 'step', '{hour,day,week,month}');
    zone text := quota_internal._timezone(usage.timezone);
    past timestamptz := quota_internal._report_end(usage.since, usage.until);
    dropped timestamptz := (SELECT p.dropped_before FROM quota_internal.posting p);
    -- whole hours come from the rollup: [first_hour, last_hour)
    first_hour timestamptz := date_trunc('hour', usage.since);
    last_hour timestamptz := date_trunc('hour', past);
    local_step text := format('date_trunc(%L, e.at, %L)', wanted, zone);
    not_rolled_up text := quota_internal._not_rolled_up();
    first_split timestamptz;
    entries text;
BEGIN
    IF first_hour < usage.since AND (dropped IS NULL OR usage.since >= dropped) THEN
        first_hour := first_hour + interval '1 hour';
    END IF;
    IF last_hour < past AND last_hour < dropped THEN
        last_hour := last_hour + interval '1 hour';
    END IF;
    IF zone <> 'UTC' THEN       -- whose hours are those of the rollup
        -- of months that have been dropped nothing but the rollup is left: an hour counts where it begins
        SELECT min(h.hour) INTO first_split
        FROM quota_internal.usage_hour h
        WHERE (h.subject = whose OR (h.subject > whose || '/' AND h.subject < whose || '0'))
          AND h.feature_id = whose_feature AND h.hour >= greatest(first_hour, dropped) AND h.hour < last_hour
          AND quota_internal._is_split(h.hour, wanted, zone);
    END IF;
    -- the rest, and what is not rolled up, from the ledger
    entries := format('(e.subject = %1$L OR (e.subject > %1$L || ''/'' AND e.subject < %1$L || ''0'')) AND e.feature_id = %2$s '
                      'AND e.at >= %3$L AND e.at < %4$L', whose, whose_feature, usage.since, past);
    RETURN QUERY
        SELECT u.step_start, least(greatest(sum(u.used), -9223372036854775808), 9223372036854775807)::bigint,
               sum(u.debits)::bigint
        FROM (
            SELECT date_trunc(wanted, h.hour, zone) AS step_start, h.used, h.debits
            FROM quota_internal.usage_hour h
            WHERE (h.subject = whose OR (h.subject > whose || '/' AND h.subject < whose || '0'))
              AND h.feature_id = whose_feature AND h.hour >= first_hour AND h.hour < last_hour
              AND (first_split IS NULL OR h.hour < first_split OR NOT quota_internal._is_split(h.hour, wanted, zone))
            UNION ALL
            SELECT t.hour, t.used, t.debits
            FROM quota_internal._usage_of(format('%s AND e.at >= %L AND e.at < %L AND %s', entries, first_hour, last_hour, not_rolled_up),
                                          bucket => local_step) t
            UNION ALL
            SELECT t.hour, t.used, t.debits
            FROM quota_internal._usage_of(format('%s AND e.at >= %L AND e.at < %L AND NOT (%s) AND quota_internal._is_split(date_trunc(''hour'', e.at, ''UTC''), %L, %L)',
                                                 entries, first_split, last_hour, not_rolled_up, wanted, zone), bucket => local_step) t
            WHERE first_split IS NOT NULL
            UNION ALL
            SELECT t.hour, t.used, t.debits
            FROM quota_internal._usage_of(format('%s AND NOT (e.at >= %L AND e.at < %L)', entries, first_hour, last_hour),
                                          bucket => local_step) t
        ) u
        GROUP BY 1
        ORDER BY 1;
END
$$;
COMMENT ON FUNCTION quota.usage(text, text, timestamptz, timestamptz, text, text) IS
'What the subject and everything below it used of a feature in [since, until) (NULL: until now), by hour, day, week (from Monday) or month of a time zone. Each debit counts once, whatever accounts it was charged to; only steps in which something was booked. bucket is when the step begins, also where since is later: of that step only what lies in [since, until) counts.
used: taken less given back, where each was booked; corrections by set_usage included. debits: the number of debits and holds.
Errors: QT404 unknown feature, 22004, 22023 (also since after until, an unknown time zone), 22001 bad arguments.';
