--
-- The default plan does not go without a word; another one acts as change_plan keep
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-10 00:00:00+00';
CREATE FUNCTION pg_temp.apply(plans jsonb, dry_run boolean = false) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    advice text;
BEGIN
    RETURN (SELECT string_agg(a.name || ' ' || a.change, ', ' ORDER BY a.name) FROM quota.apply_catalog(jsonb_build_object('plans', plans), dry_run) a);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS advice = PG_EXCEPTION_HINT;
    RETURN SQLSTATE || ' ' || SQLERRM || coalesce(' ' || nullif(advice, ''), '');
END $$;
SELECT count(*) FROM quota.apply_catalog('{"features": {"tokens": {"kind": "metered"}}}');

-- nobody is the default so far, and nobody has to be
SELECT pg_temp.apply('{"pro": {}}');
SELECT pg_temp.apply('{"free": {"default": true, "entitlements": {"tokens": {"allowance": 100, "period": "month"}}}, "pro": {}}');
-- left out, or not said to be it any more: also in a dry run, and nothing has changed
SELECT pg_temp.apply('{"pro": {}}');
SELECT pg_temp.apply('{"pro": {}}', true);
SELECT pg_temp.apply('{}');
SELECT pg_temp.apply('{"free": {"entitlements": {"tokens": {"allowance": 7, "period": "month"}}}, "pro": {}}');
SELECT pg_temp.apply('{"free": {"default": null}, "pro": {}}');
SELECT name, is_default, retired_at IS NOT NULL AS retired FROM quota_internal.plan ORDER BY name;
SELECT remaining FROM quota.debit('ann', 'tokens', 60);
-- another error comes first, where both are made
SELECT pg_temp.apply('{"pro": {"grace": "-1 day"}}');
-- a catalog without plans leaves it
SELECT count(*) FROM quota.apply_catalog('{"actions": {}}');
-- said: it stays and is no default
SELECT pg_temp.apply('{"free": {"default": false, "entitlements": {"tokens": {"allowance": 100, "period": "month"}}}, "pro": {}}');
SELECT reason FROM quota.check('ann', 'tokens');
SELECT pg_temp.apply('{"free": {"entitlements": {"tokens": {"allowance": 100, "period": "month"}}}, "pro": {}}');
SELECT pg_temp.apply('{"free": {"default": true, "entitlements": {"tokens": {"allowance": 100, "period": "month"}}}, "pro": {}}');
SELECT used, remaining FROM quota.check('ann', 'tokens');
-- null: it is retired; a second time, and of a plan that nobody knows, that is nothing
SELECT pg_temp.apply('{"free": null, "pro": {}, "nobody": null}', true);
SELECT pg_temp.apply('{"free": null, "pro": {}, "nobody": null}');
SELECT pg_temp.apply('{"free": null, "pro": {}}');
SELECT reason FROM quota.check('ann', 'tokens');
SELECT pg_temp.apply('{"pro": {}, "": null}');
SELECT name, is_default, retired_at IS NOT NULL AS retired FROM quota_internal.plan ORDER BY name;
-- it comes back, and another one is marked in its place: left out, null, or there; use goes on in the other's window
SELECT pg_temp.apply('{"free": {"default": true, "entitlements": {"tokens": {"allowance": 100, "period": "month"}}}, "pro": {}}');
SELECT used, remaining, resets_at FROM quota.check('ann', 'tokens');
SELECT pg_temp.apply('{"basic": {"default": true, "entitlements": {"tokens": {"allowance": 80, "period": "week"}}}, "pro": {}}');
SELECT used, remaining, resets_at FROM quota.check('ann', 'tokens');
SELECT pg_temp.apply('{"basic": null, "life": {"default": true, "entitlements": {"tokens": {"allowance": 500}}}, "pro": {}}');
SELECT used, remaining, resets_at FROM quota.check('ann', 'tokens');
SELECT pg_temp.apply('{"life": {"entitlements": {"tokens": {"allowance": 500}}}, "pro": {"default": true, "entitlements": {"tokens": {"allowance": 90, "period": "month"}}}}');
SELECT used, remaining, resets_at FROM quota.check('ann', 'tokens');
SELECT pg_temp.apply('{"life": {"default": true}, "pro": {"default": true}}');
SELECT name, is_default, retired_at IS NOT NULL AS retired FROM quota_internal.plan ORDER BY name;
-- what is exported can be applied
SELECT count(*) FROM quota.apply_catalog(quota.export_catalog()) WHERE change <> 'unchanged';
SELECT * FROM quota.verify();
