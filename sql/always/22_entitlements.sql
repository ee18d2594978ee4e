/*
 * Entitlements: what their JSON says, as the typed terms that plans
 * and overrides have, and back.  For plans (21_catalog_given) and for
 * overrides (32_overrides).
 *
 * Each key has a function that reads it; rules between keys are checked last, on the
 * terms.  Combinations without a meaning are refused: an administrator that writes
 * one expects something.
 */

-- ---------------------------------------------------------------------------
-- One key each
-- ---------------------------------------------------------------------------

/*
 * An anchor's time must mean the same in every session, so it has to be
 * ISO 8601 and say its offset: neither DateStyle nor TimeZone is then asked.
 * Years of four digits, so that export_catalog() can write it the same way.
 */
CREATE OR REPLACE FUNCTION quota_internal._catalog_anchor(path text, value jsonb, OUT anchor text, OUT anchor_at timestamptz)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given CONSTANT text := value #>> '{}';
BEGIN
    IF given IN ('calendar', 'subscription') THEN
        anchor := given;
        RETURN;
    END IF;

    anchor := 'timestamp';
    IF given ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)$' THEN
        BEGIN
            anchor_at := given::timestamptz;
        EXCEPTION WHEN data_exception THEN
            NULL;               -- such as 30 February; refused below
        END;
    END IF;
    IF anchor_at IS NULL OR extract(year FROM anchor_at AT TIME ZONE 'UTC') NOT BETWEEN 1 AND 9999 THEN
        PERFORM quota_internal._catalog_error(
            path, 'must be calendar, subscription, or a time with its offset from UTC',
            'Write a time as "2026-01-31T00:00:00Z" or "2026-01-31T00:00:00+01:00", in the years 1 to 9999.');
    END IF;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_anchor(text, jsonb) IS
    'internal: a JSON string as an anchor: calendar, subscription, or a time in ISO 8601 with offset or Z; 22023 if it is none';

CREATE OR REPLACE FUNCTION quota_internal._catalog_overage(path text, value jsonb, OUT overage boolean, OUT overage_limit bigint)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    overage := value IS NOT NULL AND value <> 'false';
    IF jsonb_typeof(value) = 'object' THEN
        PERFORM quota_internal._catalog_object(path, 'overage', value);
        overage_limit := quota_internal._catalog_whole(path || '.limit', value -> 'limit');
    END IF;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_overage(text, jsonb) IS
    'internal: overage as JSON has it: true, false or {"limit"}; no value is false; 22023, 22003 with the path';

CREATE OR REPLACE FUNCTION quota_internal._catalog_cap(path text, cap jsonb)
    RETURNS quota_internal.cap
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    result quota_internal.cap;
BEGIN
    PERFORM quota_internal._catalog_object(path, 'cap', cap);
    result.ceiling := quota_internal._catalog_whole(path || '.limit', cap -> 'limit');
    SELECT p.period, p.months, p.days, p.us
    INTO result.period, result.period_months, result.period_days, result.period_us
    FROM quota_internal._catalog_period(path || '.per', cap -> 'per') p;
    result.first_use := coalesce(cap ->> 'window', 'fixed') = 'first_use';
    IF cap ->> 'window' NOT IN ('fixed', 'first_use') THEN
        PERFORM quota_internal._catalog_error(path || '.window', 'must be fixed or first_use');
    END IF;
    RETURN result;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_cap(text, jsonb) IS
    'internal: one cap as JSON has it; 22023, 22003 with the path';

/*
 * What a cap has counted is kept by its period and its kind of window, so these
 * tell the caps of an entitlement from each other.
 */
CREATE OR REPLACE FUNCTION quota_internal._catalog_caps(path text, caps jsonb)
    RETURNS quota_internal.cap[]
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given record;
    cap quota_internal.cap;
    result quota_internal.cap[] := '{}';
BEGIN
    FOR given IN SELECT * FROM quota_internal._catalog_members(path, _catalog_caps.caps, 16) LOOP
        cap := quota_internal._catalog_cap(given.path, given.value);
        IF EXISTS (SELECT FROM unnest(result) c
                   WHERE (c.period_months, c.period_days, c.period_us, c.first_use)
                         = (cap.period_months, cap.period_days, cap.period_us, cap.first_use)) THEN
            PERFORM quota_internal._catalog_error(given.path, 'another cap has the same period and window');
        END IF;
        result := array_append(result, cap);
    END LOOP;
    RETURN result;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_caps(text, jsonb) IS
    'internal: a JSON array of caps that differ in period or window; 22023, 22003 with the path; NULL gives none';

/*
 * A rate may take no longer to come back than a period can be long, or its
 * arithmetic would leave the time that PostgreSQL can express.
 */
CREATE OR REPLACE FUNCTION quota_internal._catalog_rate(
        path text, rate jsonb, OUT rate_limit bigint, OUT rate_per text, OUT rate_per_us bigint, OUT rate_burst bigint)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    problem text;
    advice text;
BEGIN
    IF rate IS NULL THEN
        RETURN;
    END IF;
    PERFORM quota_internal._catalog_object(path, 'rate limit', rate);
    rate_limit := quota_internal._catalog_whole(path || '.limit', rate -> 'limit', 1);
    rate_burst := quota_internal._catalog_whole(path || '.burst', coalesce(rate -> 'burst', rate -> 'limit'), 1);
    rate_per := rate ->> 'per';
    BEGIN
        rate_per_us := quota_internal._rate_per(rate_per);
    EXCEPTION WHEN data_exception THEN
        GET STACKED DIAGNOSTICS problem = MESSAGE_TEXT, advice = PG_EXCEPTION_HINT;
        PERFORM quota_internal._catalog_error(path || '.per', problem, nullif(advice, ''));
    END;
    -- in microseconds, with the mean Gregorian year
    IF rate_burst::numeric * rate_per_us / rate_limit > 10000 * 365.2425 * 86400000000 THEN
        PERFORM quota_internal._catalog_error(path || '.burst', 'takes longer than 10000 years to come back',
                                              'Lower "burst" or "per", or raise "limit".');
    END IF;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_rate(text, jsonb) IS
    'internal: a rate as JSON has it, its burst the limit if not given; all NULL for no value; 22023, 22003 with the path';

CREATE OR REPLACE FUNCTION quota_internal._catalog_threshold(path text, threshold jsonb, OUT percent int, OUT remaining bigint)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM quota_internal._catalog_require_type(path, threshold, '{number,object}');
    IF jsonb_typeof(threshold) = 'object' THEN
        PERFORM quota_internal._catalog_object(path, 'threshold', threshold);
        remaining := quota_internal._catalog_whole(path || '.remaining', threshold -> 'remaining');
    ELSE
        IF threshold::numeric NOT BETWEEN 1 AND 100 THEN
            PERFORM quota_internal._catalog_error(path, 'must be a percentage from 1 to 100',
                                                  'Write {"remaining": 500} for a number of units that are left.');
        END IF;
        percent := quota_internal._catalog_whole(path, threshold);
    END IF;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_threshold(text, jsonb) IS
    'internal: one of the thresholds of notify: a percentage of the allowance, or {"remaining"}; 22023, 22003 with the path';

CREATE OR REPLACE FUNCTION quota_internal._catalog_notify(
        path text, notify jsonb, OUT notify_percent int[], OUT notify_remaining bigint[])
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given record;
    threshold record;
BEGIN
    notify_percent := '{}';
    notify_remaining := '{}';
    FOR given IN SELECT * FROM quota_internal._catalog_members(path, notify, 16) LOOP
        SELECT * INTO threshold FROM quota_internal._catalog_threshold(given.path, given.value);
        IF threshold.percent = ANY (notify_percent) OR threshold.remaining = ANY (notify_remaining) THEN
            PERFORM quota_internal._catalog_error(given.path, 'given twice');
        END IF;
        IF threshold.percent IS NOT NULL THEN
            notify_percent := array_append(notify_percent, threshold.percent);
        ELSE
            notify_remaining := array_append(notify_remaining, threshold.remaining);
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_notify(text, jsonb) IS
    'internal: a JSON array of different thresholds, percentages and remainders apart; 22023, 22003 with the path; NULL gives none';

-- ---------------------------------------------------------------------------
-- The whole
-- ---------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION quota_internal._catalog_require_sense(path text, terms quota_internal.terms_fields)
    RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    senseless text;
BEGIN
    IF terms.rollover_max IS NOT NULL AND terms.period IS NULL THEN
        PERFORM quota_internal._catalog_error(path || '.rollover', 'needs a period to roll over from',
                                              'Without "period" the allowance is for the lifetime of the subscription.');
    END IF;
    IF terms.allowance IS NULL THEN
        senseless := CASE WHEN terms.rollover_max IS NOT NULL THEN 'rollover'
                          WHEN terms.overage THEN 'overage'
                          WHEN terms.notify_percent <> '{}' OR terms.notify_remaining <> '{}' THEN 'notify' END;
        IF senseless IS NOT NULL THEN
            PERFORM quota_internal._catalog_error(quota_internal._catalog_path(path, senseless), 'means nothing where the allowance is unlimited',
                                                  'Leave it out, or give "allowance" a number.');
        END IF;
    END IF;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_require_sense(text, quota_internal.terms_fields) IS
    'internal: refuses (22023) terms of a metered or capacity feature that can mean nothing beside each other';

CREATE OR REPLACE FUNCTION quota_internal._entitlement_terms(path text, kind text, entitlement jsonb)
    RETURNS quota_internal.terms
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    terms quota_internal.terms_fields;
BEGIN
    PERFORM quota_internal._catalog_object(path, kind, entitlement);

    IF entitlement ? 'allowance' THEN
        terms.allowance := quota_internal._catalog_amount(path || '.allowance', entitlement -> 'allowance');
    END IF;

    terms.period_months := 0;
    terms.period_days := 0;
    terms.period_us := 0;
    IF entitlement ? 'period' THEN
        SELECT p.period, p.months, p.days, p.us
        INTO terms.period, terms.period_months, terms.period_days, terms.period_us
        FROM quota_internal._catalog_period(path || '.period', entitlement -> 'period') p;
    END IF;

    terms.anchor := 'calendar';
    IF entitlement ? 'anchor' THEN
        SELECT a.anchor, a.anchor_at INTO terms.anchor, terms.anchor_at
        FROM quota_internal._catalog_anchor(path || '.anchor', entitlement -> 'anchor') a;
    END IF;

    IF entitlement ? 'rollover' THEN
        PERFORM quota_internal._catalog_object(path || '.rollover', 'rollover', entitlement -> 'rollover');
        terms.rollover_max := quota_internal._catalog_whole(path || '.rollover.max', entitlement #> '{rollover,max}');
    END IF;
    SELECT o.overage, o.overage_limit INTO terms.overage, terms.overage_limit
    FROM quota_internal._catalog_overage(path || '.overage', entitlement -> 'overage') o;
    terms.caps := quota_internal._catalog_caps(path || '.caps', entitlement -> 'caps');
    SELECT r.rate_limit, r.rate_per, r.rate_per_us, r.rate_burst
    INTO terms.rate_limit, terms.rate_per, terms.rate_per_us, terms.rate_burst
    FROM quota_internal._catalog_rate(path || '.rate', entitlement -> 'rate') r;
    SELECT n.notify_percent, n.notify_remaining INTO terms.notify_percent, terms.notify_remaining
    FROM quota_internal._catalog_notify(path || '.notify', entitlement -> 'notify') n;

    terms.times_quantity := coalesce((entitlement -> 'times_quantity')::boolean, false);
    terms.value := quota_internal._catalog_json(path || '.value', entitlement -> 'value');
    PERFORM quota_internal._catalog_require_sense(path, terms);
    RETURN terms;
END
$$;
COMMENT ON FUNCTION quota_internal._entitlement_terms(text, text, jsonb) IS
    'internal: the terms in the JSON of an entitlement for a feature of a kind, but for its members; 22023, 22003, 22001 with the path';

-- Of the row, what depends on the JSON is filled.
CREATE OR REPLACE FUNCTION quota_internal._catalog_entitlement(path text, kind text, entitlement jsonb)
    RETURNS quota_internal.entitlement
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given CONSTANT jsonb := entitlement -> 'members';
    result quota_internal.entitlement;
BEGIN
    result.terms := quota_internal._entitlement_terms(path, kind, entitlement);
    IF given IS NULL THEN
        RETURN result;
    ELSIF (result.terms).times_quantity THEN
        PERFORM quota_internal._catalog_error(path || '.members', 'not allowed beside times_quantity');
    ELSIF given ? 'members' THEN
        PERFORM quota_internal._catalog_error(path || '.members.members', 'not allowed within members',
                                              'Give those further below an override, or their team a plan of its own.');
    END IF;
    result.members := quota_internal._entitlement_terms(path || '.members', kind, given);
    RETURN result;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_entitlement(text, text, jsonb) IS
    'internal: what the JSON of an entitlement gives of a feature of a kind, from a plan or an override: to its subject, and (members, else NULL) to each subject one segment below; 22023, 22003, 22001 with the path';

CREATE OR REPLACE FUNCTION quota_internal._terms_meaning(terms quota_internal.terms_fields)
    RETURNS quota_internal.terms_fields
    LANGUAGE plpgsql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    terms.period := NULL;
    terms.rate_per := NULL;
    IF terms.caps <> '{}' THEN
        terms.caps := ARRAY(
            SELECT ROW(c.ceiling, NULL, c.period_months, c.period_days, c.period_us, c.first_use)::quota_internal.cap
            FROM unnest(terms.caps) c ORDER BY c.period_months, c.period_days, c.period_us, c.first_use);
    END IF;
    IF terms.notify_percent <> '{}' THEN
        terms.notify_percent := ARRAY(SELECT n FROM unnest(terms.notify_percent) n ORDER BY n);
    END IF;
    IF terms.notify_remaining <> '{}' THEN
        terms.notify_remaining := ARRAY(SELECT n FROM unnest(terms.notify_remaining) n ORDER BY n);
    END IF;
    RETURN terms;
END
$$;
COMMENT ON FUNCTION quota_internal._terms_meaning(quota_internal.terms_fields) IS
    'internal: the terms in a form that is equal for terms that mean the same: without the texts of periods, caps and thresholds in order';

CREATE OR REPLACE FUNCTION quota_internal._same_series(a quota_internal.terms_fields, b quota_internal.terms_fields) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((a).period_months, (a).period_days, (a).period_us, (a).anchor, (a).anchor_at)
           IS NOT DISTINCT FROM ((b).period_months, (b).period_days, (b).period_us, (b).anchor, (b).anchor_at);
COMMENT ON FUNCTION quota_internal._same_series(quota_internal.terms_fields, quota_internal.terms_fields) IS
    'internal: whether two terms have the same period and anchor';

-- ---------------------------------------------------------------------------
-- As JSON again
-- ---------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION quota_internal._export_caps(caps quota_internal.cap[])
    RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT jsonb_agg(jsonb_build_object('limit', c.ceiling, 'per', c.period)
                     || CASE WHEN c.first_use THEN '{"window": "first_use"}' ELSE '{}'::jsonb END ORDER BY c.n)
    FROM unnest(_export_caps.caps) WITH ORDINALITY c (ceiling, period, period_months, period_days, period_us, first_use, n)
$$;
COMMENT ON FUNCTION quota_internal._export_caps(quota_internal.cap[]) IS
    'internal: the JSON of caps in their order, without what is default; NULL if there are none';

CREATE OR REPLACE FUNCTION quota_internal._export_notify(percent int[], remaining bigint[])
    RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT nullif(to_jsonb(_export_notify.percent)
                  || (SELECT coalesce(jsonb_agg(jsonb_build_object('remaining', r.units) ORDER BY r.n), '[]')
                      FROM unnest(_export_notify.remaining) WITH ORDINALITY r (units, n)), '[]')
$$;
COMMENT ON FUNCTION quota_internal._export_notify(int[], bigint[]) IS
    'internal: the JSON of thresholds, first percentages, then remainders; NULL if there are none';

/*
 * No value that is NULL stays, but for the allowance and a static value: what
 * stands in the other keys has none.
 */
CREATE OR REPLACE FUNCTION quota_internal._export_terms(kind text, terms quota_internal.terms_fields)
    RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE
        WHEN _export_terms.kind IN ('boolean', 'static') THEN jsonb_build_object('value', (terms).value)
        ELSE CASE WHEN _export_terms.kind = 'rate' THEN '{}' ELSE jsonb_build_object('allowance', (terms).allowance) END
             || jsonb_strip_nulls(jsonb_build_object(
                 'period', (terms).period,
                 'anchor', CASE (terms).anchor
                     WHEN 'calendar' THEN NULL
                     -- to_char() of these patterns asks no setting of the session
                     WHEN 'timestamp' THEN
                         regexp_replace(to_char((terms).anchor_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '[.]?0*$', '') || 'Z'
                     ELSE (terms).anchor END,
                 'rollover', CASE WHEN (terms).rollover_max IS NOT NULL THEN jsonb_build_object('max', (terms).rollover_max) END,
                 'overage', CASE WHEN (terms).overage_limit IS NOT NULL THEN jsonb_build_object('limit', (terms).overage_limit)
                                 WHEN (terms).overage THEN 'true' END,
                 'caps', quota_internal._export_caps((terms).caps),
                 'rate', CASE WHEN (terms).rate_limit IS NOT NULL THEN
                             jsonb_build_object('limit', (terms).rate_limit, 'per', (terms).rate_per,
                                                'burst', nullif((terms).rate_burst, (terms).rate_limit)) END,
                 'notify', quota_internal._export_notify((terms).notify_percent, (terms).notify_remaining),
                 'times_quantity', nullif((terms).times_quantity, false)))
    END
$$;
COMMENT ON FUNCTION quota_internal._export_terms(text, quota_internal.terms_fields) IS
    'internal: the JSON of terms for a feature of a kind, without what is default';

CREATE OR REPLACE FUNCTION quota_internal._export_entitlement(kind text, entitlement quota_internal.entitlement)
    RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT quota_internal._export_terms(_export_entitlement.kind, (entitlement).terms)
           || CASE WHEN (entitlement).members IS NULL THEN '{}'
                   ELSE jsonb_build_object('members', quota_internal._export_terms(_export_entitlement.kind, (entitlement).members)) END
$$;
COMMENT ON FUNCTION quota_internal._export_entitlement(text, quota_internal.entitlement) IS
    'internal: the JSON of an entitlement for a feature of a kind, without what is default';
