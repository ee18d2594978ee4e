-- What make try begins with: one feature and two plans, of which the first is everybody's.
SET client_min_messages = warning;
\o /dev/null
CREATE EXTENSION quota CASCADE;
SELECT * FROM quota.apply_catalog('{
  "features": {"pages": {"kind": "metered", "unit": "page"}},
  "plans": {
    "free": {"title": "Free", "default": true, "entitlements": {"pages": {"allowance": 100, "period": "month"}}},
    "pro":  {"title": "Pro", "entitlements": {"pages": {"allowance": 1000, "period": "month", "anchor": "subscription"}}}}}');
