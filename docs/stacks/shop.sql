-- What every page of this folder begins with: a paid feature, two plans, and a table of the application's own.
-- The free plan, which everybody has who has no other, includes 2 summaries a month.  It is counted
-- at the first segment: acme/ann and acme/bob share acme's two, and a refusal is blocked_by acme.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS quota CASCADE;
SELECT count(*) AS changes FROM quota.apply_catalog('{
  "features": {"summaries": {"kind": "metered", "unit": "summary"}},
  "plans": {
    "free": {"title": "Free", "default": true, "entitlements": {"summaries": {"allowance": 2, "period": "month"}}},
    "pro":  {"title": "Pro", "metadata": {"price_cents": 900}, "entitlements": {"summaries": {"allowance": 100, "period": "month"}}}}}');
CREATE TABLE summary (number bigint PRIMARY KEY, owner text NOT NULL, body text NOT NULL);
