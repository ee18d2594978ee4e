-- Before README.md's first example: an application with a table and a plan.
CREATE TABLE document (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, owner text NOT NULL, title text NOT NULL, pages bigint NOT NULL);
SELECT * FROM quota.apply_catalog('{
  "features": {"pages": {"kind": "metered", "unit": "page"}},
  "plans": {"free": {"default": true, "entitlements": {"pages": {"allowance": 100, "period": "month"}}}}}');
