--
-- preview: what a change of plan would leave, compared with the change itself
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-16 12:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "calls": {"kind": "metered"}, "docs": {"kind": "capacity"}, "api": {"kind": "rate"},
                 "mindmap": {"kind": "boolean"}, "sso": {"kind": "boolean"}, "size": {"kind": "static"}},
    "plans": {"none": {"default": true, "entitlements": {"tokens": {"allowance": 10, "period": "month"}, "sso": {"value": false}}},
              "small": {"entitlements": {"tokens": {"allowance": 50, "period": "month"}, "docs": {"allowance": 2}, "size": {"value": 5}, "mindmap": {"value": false}}},
              "over": {"entitlements": {"tokens": {"allowance": 50, "period": "month", "overage": {"limit": 40}, "rollover": {"max": 5}}}},
              "weekly": {"entitlements": {"tokens": {"allowance": 90, "period": "week", "caps": [{"limit": 30, "per": "day"}]}, "calls": {"allowance": 5}}},
              "anchored": {"entitlements": {"tokens": {"allowance": 85, "period": "month", "anchor": "subscription"}, "docs": {"allowance": null}}},
              "life": {"entitlements": {"tokens": {"allowance": 1000}}},
              "seats": {"entitlements": {"tokens": {"allowance": 40, "period": "month", "times_quantity": true}, "docs": {"allowance": 1, "times_quantity": true}}},
              "pro": {"entitlements": {"tokens": {"allowance": 100, "period": "month"}, "calls": {"allowance": 10, "period": "day"}, "docs": {"allowance": 30},
                      "api": {"rate": {"limit": 60, "per": "1 minute"}}, "mindmap": {"value": true}, "size": {"value": 50}}},
              "bare": {"entitlements": {"docs": {"allowance": 2}}},
              "gone": {"entitlements": {"tokens": {"allowance": 5}}}}}');
SELECT quota.subscribe('acme', 'pro', starts_at => '2026-01-03', quantity => 2) > 0, quota.subscribe('old', 'gone') > 0;
SELECT quota.subscribe('paused', 'pro') > 0, quota.set_status('paused', 'paused');
SELECT quota.subscribe('life', 'life', starts_at => '2025-01-03') > 0, quota.subscribe('share', 'over', starts_at => '2026-01-03') > 0;
SELECT remaining FROM quota.debit('acme', 'tokens', 80);
SELECT remaining FROM quota.debit('acme', 'calls', 3);
SELECT remaining FROM quota.debit('acme/ann', 'docs', 3);
SELECT remaining FROM quota.debit('life', 'tokens', 80);
SELECT remaining FROM quota.debit('share', 'tokens', 60);
SELECT remaining FROM quota.debit('nobody', 'tokens', 8);
SELECT remaining FROM quota.credit('acme', 'tokens', 25);
SELECT quota.override('over', 'tokens', '{"allowance": 33, "period": "month"}');
SELECT quota.subscribe('over', 'pro') > 0;
SELECT remaining FROM quota.debit('over', 'tokens', 20);
SELECT quota.change_plan('share', 'small', usage => 'prorate') > 0;
SELECT change FROM quota.apply_catalog(quota.export_catalog() #- '{plans,gone}') WHERE change <> 'unchanged';

-- the same as status() says after the change, whoever changes to whatever
CREATE FUNCTION pg_temp.differs(subject text, plan text, usage text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    before jsonb;
    after jsonb;
BEGIN
    SELECT jsonb_agg(to_jsonb(p) - 'fits') INTO before FROM quota.preview(subject, plan, usage) p;
    BEGIN
        PERFORM quota.change_plan(subject, plan, 'now', usage);
        SELECT jsonb_agg(jsonb_build_object('feature', s.feature, 'kind', s.kind, 'allowance', s.allowance, 'used', s.used,
                                            'remaining', s.remaining, 'value', s.value)) INTO after FROM quota.status(subject) s;
        RAISE EXCEPTION USING ERRCODE = 'P0099';
    EXCEPTION WHEN SQLSTATE 'P0099' THEN NULL;
    END;
    RETURN QUERY SELECT format('%s to %s, %s: %s, but then %s', subject, plan, usage, b, a)
        FROM jsonb_array_elements(before) b JOIN jsonb_array_elements(after) a ON a -> 'feature' = b -> 'feature' WHERE a <> b;
END $$;
SELECT count(*) AS compared, count(d) AS differ
FROM unnest('{acme,acme/ann,life,share,nobody,paused,over,a/b/c}'::text[]) s, unnest('{none,small,over,weekly,anchored,life,seats,bare,pro}'::text[]) p,
    unnest('{keep,reset,prorate}'::text[]) u LEFT JOIN LATERAL pg_temp.differs(s, p, u) d ON true;
SELECT d FROM unnest('{acme,acme/ann,life,share,nobody,paused,over,a/b/c}'::text[]) s, unnest('{none,small,over,weekly,anchored,life,seats,bare,pro}'::text[]) p,
    unnest('{keep,reset,prorate}'::text[]) u, LATERAL pg_temp.differs(s, p, u) d;

-- would the smaller one fit?
SELECT * FROM quota.preview('acme', 'small');
SELECT * FROM quota.preview('acme', 'over');
SELECT feature, fits FROM quota.preview('acme', 'weekly') WHERE NOT fits;
SELECT feature, fits FROM quota.preview('nobody', 'pro') WHERE NOT fits;
SELECT feature, allowance, used, fits FROM quota.preview('old', 'gone') WHERE feature = 'tokens';
-- what a level above has that is no account any more is no loss of its own
SELECT quota.subscribe('club', 'small') > 0;
SELECT remaining FROM quota.debit('club', 'docs', 1);
SELECT quota.cancel('club', 'now') > '2000-01-01', quota.subscribe('club/one', 'small') > 0;
SELECT feature, used, fits FROM quota.preview('club/one', 'weekly') WHERE feature = 'docs';
SELECT remaining FROM quota.debit('club/one', 'docs', 1);
SELECT feature, used, fits FROM quota.preview('club/one', 'weekly') WHERE feature = 'docs';
-- nothing has changed
SELECT subject, plan, version FROM quota.subscriptions ORDER BY subject;
BEGIN READ ONLY;
SELECT count(*) FROM quota.preview('acme', 'small', 'prorate');
COMMIT;
SELECT a, pg_temp.code('SELECT count(*) FROM quota.preview(' || a || ')') FROM unnest(ARRAY[
    $$'acme', 'nix'$$, $$'acme', NULL$$, $$'acme', ''$$, $$'acme', repeat('x', 2000)$$, $$'acme', 'gone'$$, $$'acme', 'pro', 'nix'$$, $$'acme', 'pro', NULL$$,
    $$'acme', 'pro', repeat('keep', 100000)$$, $$'', 'pro'$$, $$NULL, 'pro'$$, $$'a//b', 'pro'$$]) a;
-- a change that is due and that nobody has carried out comes first: its share is what another one shares with, and rolls over
SELECT quota.subscribe('due', 'pro', starts_at => '2026-01-03', quantity => 2) > 0, quota.subscribe('due/less', 'over', starts_at => '2026-01-03') > 0;
SELECT quota.change_plan('due', 'over', 'period_end', 'prorate') > 0, quota.change_plan('due/less', 'small', 'period_end', 'prorate') > 0;
SET quota.clock = '2026-02-02 12:00:00+00';
SELECT remaining FROM quota.debit('due', 'tokens', 30);
SET quota.clock = '2026-02-16 12:00:00+00';
SELECT s, c.allowance, p.allowance AS shared FROM unnest('{due,due/less}'::text[]) s, quota.status(s) c, quota.preview(s, 'pro', 'prorate') p
WHERE c.feature = 'tokens' AND p.feature = 'tokens';
SELECT d FROM unnest('{due,due/less}'::text[]) s, unnest('{none,small,over,weekly,anchored,life,seats,pro}'::text[]) p,
    unnest('{keep,reset,prorate}'::text[]) u, LATERAL pg_temp.differs(s, p, u) d;
SET quota.clock = '2026-03-16 12:00:00+00';
SELECT s, c.allowance FROM unnest('{due,due/less}'::text[]) s, quota.status(s) c WHERE c.feature = 'tokens';
SELECT d FROM unnest('{due,due/less}'::text[]) s, unnest('{none,small,over,weekly,anchored,life,seats,pro}'::text[]) p,
    unnest('{keep,reset,prorate}'::text[]) u, LATERAL pg_temp.differs(s, p, u) d;
-- an older transaction, whose period is closed: what it finds in the later one stays there
SELECT quota.subscribe('older', 'over', starts_at => '2026-02-03') > 0;
SELECT remaining FROM quota.debit('older', 'tokens', 30);
SET quota.clock = '2026-02-16 12:00:00+00';
SELECT used, period_start FROM quota.status('older') WHERE feature = 'tokens';
SELECT feature, used, remaining FROM quota.preview('older', 'life') WHERE feature = 'tokens';
SELECT d FROM unnest('{none,small,over,weekly,anchored,life,seats,pro}'::text[]) p, unnest('{keep,reset,prorate}'::text[]) u,
    LATERAL pg_temp.differs('older', p, u) d;
-- a window that has use of an earlier plan: what is used now comes to that
SELECT quota.subscribe('again', 'weekly') > 0;
SELECT remaining IS NOT NULL AS charged FROM quota.debit('again', 'tokens', 2);
SELECT quota.change_plan('again', 'bare') > 0, quota.change_plan('again', 'over') > 0;
SELECT remaining IS NOT NULL AS charged FROM quota.debit('again', 'tokens', 3);
SELECT used FROM quota.preview('again', 'weekly') WHERE feature = 'tokens';
SELECT d FROM unnest('{none,small,over,weekly,anchored,life,seats,pro}'::text[]) p, unnest('{keep,reset,prorate}'::text[]) u,
    LATERAL pg_temp.differs('again', p, u) d;
SELECT * FROM quota.verify();
DROP EXTENSION quota CASCADE;
