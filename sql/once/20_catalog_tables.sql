/*
 * The catalog as typed rows.  apply_catalog() is their only writer; the C side
 * (src/store/catalog.c) reads them whole into a backend-local cache and reads
 * them again after a relcache invalidation of any of them.  The attribute order
 * of these tables is known to src/store/schema.h.
 */
CREATE TYPE quota_internal.cap AS (
    ceiling       int8,
    period        text,
    period_months int4,
    period_days   int4,
    period_us     int8,
    first_use     bool
);
COMMENT ON TYPE quota_internal.cap IS 'a further limit of an entitlement: at most ceiling units in each window of the period';
COMMENT ON COLUMN quota_internal.cap.period IS 'as the catalog wrote it; period_months, period_days, period_us (microseconds) are its parsed form';
COMMENT ON COLUMN quota_internal.cap.first_use IS 'the window opens with the first charge after the last one closed; else windows follow the entitlement''s anchor';

CREATE SEQUENCE quota_internal.feature_id_seq AS int4;
CREATE TABLE quota_internal.feature (
    id      int4 PRIMARY KEY DEFAULT nextval('quota_internal.feature_id_seq'),
    name    text COLLATE "C" NOT NULL UNIQUE CHECK (name ~ '^[a-z][a-z0-9_.:-]{0,62}$'),
    kind    text NOT NULL CHECK (kind IN ('metered', 'capacity', 'rate', 'boolean', 'static')),
    unit    text,
    title   text
);
ALTER SEQUENCE quota_internal.feature_id_seq OWNED BY quota_internal.feature.id;
COMMENT ON TABLE quota_internal.feature IS 'what is limited: one row per feature of the catalog';

CREATE SEQUENCE quota_internal.plan_id_seq AS int4;
CREATE TABLE quota_internal.plan (
    id           int4 PRIMARY KEY DEFAULT nextval('quota_internal.plan_id_seq'),
    name         text COLLATE "C" NOT NULL UNIQUE,
    title        text,
    metadata     jsonb NOT NULL DEFAULT '{}',
    is_default   bool NOT NULL DEFAULT false,
    external_ids text[] NOT NULL DEFAULT '{}',
    retired_at   timestamptz,
    listed       bool NOT NULL DEFAULT true,
    CHECK (NOT (is_default AND retired_at IS NOT NULL))
);
ALTER SEQUENCE quota_internal.plan_id_seq OWNED BY quota_internal.plan.id;
CREATE UNIQUE INDEX plan_one_default ON quota_internal.plan (is_default) WHERE is_default;
COMMENT ON TABLE quota_internal.plan IS 'a named plan; what it gives is in its versions';
COMMENT ON COLUMN quota_internal.plan.is_default IS 'the plan of subjects without subscription, always in its newest version';
COMMENT ON COLUMN quota_internal.plan.retired_at IS 'absent from the catalog since: subscribers keep it, nobody new gets it';
COMMENT ON COLUMN quota_internal.plan.listed IS 'false: a negotiated plan, which plans() and offers() leave out';

CREATE SEQUENCE quota_internal.plan_version_id_seq AS int4;
CREATE TABLE quota_internal.plan_version (
    id            int4 PRIMARY KEY DEFAULT nextval('quota_internal.plan_version_id_seq'),
    plan_id       int4 NOT NULL,
    version       int4 NOT NULL CHECK (version > 0),
    period        text NOT NULL DEFAULT 'month',
    period_months int4 NOT NULL,
    period_days   int4 NOT NULL,
    period_us     int8 NOT NULL,
    created_at    timestamptz NOT NULL,
    grace         text,
    grace_months  int4 NOT NULL DEFAULT 0,
    grace_days    int4 NOT NULL DEFAULT 0,
    grace_us      int8 NOT NULL DEFAULT 0,
    UNIQUE (plan_id, version)
);
ALTER SEQUENCE quota_internal.plan_version_id_seq OWNED BY quota_internal.plan_version.id;
COMMENT ON TABLE quota_internal.plan_version IS 'one version of a plan; never changed once written, subscribers keep theirs until moved';
COMMENT ON COLUMN quota_internal.plan_version.period IS 'the billing period as the catalog wrote it; period_months, period_days, period_us (microseconds) are its parsed form';
COMMENT ON COLUMN quota_internal.plan_version.grace IS 'how long past_due still lets work go on, as the catalog wrote it; NULL = not at all; grace_months, grace_days, grace_us are its parsed form';

-- What an entitlement gives.  C reads the fields by their numbers, Anum_terms_* in src/store/schema.h.
CREATE TYPE quota_internal.terms_fields AS (
    allowance        int8,
    period           text,
    period_months    int4,
    period_days      int4,
    period_us        int8,
    anchor           text,
    anchor_at        timestamptz,
    value            jsonb,
    rollover_max     int8,
    overage          bool,
    overage_limit    int8,
    caps             quota_internal.cap[],
    rate_limit       int8,
    rate_per         text,
    rate_per_us      int8,
    rate_burst       int8,
    notify_percent   int4[],
    notify_remaining int8[],
    times_quantity   bool
);
COMMENT ON TYPE quota_internal.terms_fields IS 'internal: the fields of quota_internal.terms';
COMMENT ON COLUMN quota_internal.terms_fields.allowance IS 'metered, capacity: units per period, or held at once; NULL = unlimited';
COMMENT ON COLUMN quota_internal.terms_fields.period IS 'as the catalog wrote it, NULL = lifetime; period_months, period_days, period_us (microseconds) are its parsed form';
COMMENT ON COLUMN quota_internal.terms_fields.rollover_max IS 'most units that roll over into the next period; NULL = none do';
COMMENT ON COLUMN quota_internal.terms_fields.overage IS 'may use go on beyond allowance and grants, to be invoiced? up to overage_limit units per period, NULL = without limit';
COMMENT ON COLUMN quota_internal.terms_fields.caps IS 'further limits in windows of their own';
COMMENT ON COLUMN quota_internal.terms_fields.rate_limit IS 'units per rate_per (parsed: rate_per_us microseconds), at most rate_burst at once; NULL = no rate';
COMMENT ON COLUMN quota_internal.terms_fields.notify_percent IS 'percentages of the allowance whose crossing writes an event';
COMMENT ON COLUMN quota_internal.terms_fields.notify_remaining IS 'what is left when an event is written';
COMMENT ON COLUMN quota_internal.terms_fields.times_quantity IS 'allowance, overage_limit, rollover_max and the ceilings of caps are for each of the subscription''s quantity';
COMMENT ON COLUMN quota_internal.terms_fields.value IS 'static: any JSON value; boolean: true or false';

CREATE DOMAIN quota_internal.terms AS quota_internal.terms_fields
    CONSTRAINT whole CHECK (VALUE IS NOT DISTINCT FROM NULL
        OR num_nulls((VALUE).period_months, (VALUE).period_days, (VALUE).period_us, (VALUE).anchor, (VALUE).overage, (VALUE).caps,
                     (VALUE).notify_percent, (VALUE).notify_remaining, (VALUE).times_quantity) = 0)
    CONSTRAINT amounts CHECK (least((VALUE).allowance, (VALUE).rollover_max, (VALUE).overage_limit) >= 0)
    CONSTRAINT anchor CHECK ((VALUE).anchor IN ('calendar', 'subscription', 'timestamp')
        AND ((VALUE).anchor = 'timestamp') = ((VALUE).anchor_at IS NOT NULL) AND isfinite(coalesce((VALUE).anchor_at, 'epoch')))
    CONSTRAINT overage CHECK ((VALUE).overage OR (VALUE).overage_limit IS NULL)
    CONSTRAINT rate CHECK (num_nulls((VALUE).rate_limit, (VALUE).rate_per, (VALUE).rate_per_us, (VALUE).rate_burst) IN (0, 4)
        AND least((VALUE).rate_limit, (VALUE).rate_per_us, (VALUE).rate_burst) > 0);
COMMENT ON DOMAIN quota_internal.terms IS 'internal: what an entitlement gives, in the typed form that debits are decided by';

CREATE TABLE quota_internal.entitlement (
    plan_version_id int4 NOT NULL,
    feature_id      int4 NOT NULL,
    terms           quota_internal.terms NOT NULL,
    members         quota_internal.terms,
    PRIMARY KEY (plan_version_id, feature_id)
);
COMMENT ON TABLE quota_internal.entitlement IS 'what one plan version gives of one feature';
COMMENT ON COLUMN quota_internal.entitlement.members IS 'the terms of every subject one segment below; NULL = none';

CREATE TABLE quota_internal.subject_override (
    subject    text COLLATE "C" NOT NULL,
    feature_id int4 NOT NULL,
    terms      quota_internal.terms NOT NULL,
    members    quota_internal.terms,
    set_at     timestamptz NOT NULL,
    PRIMARY KEY (subject, feature_id)
);
COMMENT ON TABLE quota_internal.subject_override IS 'an entitlement for one subject prefix; replaces the plan''s wholly at its level';
COMMENT ON COLUMN quota_internal.subject_override.members IS 'the terms of every subject one segment below; NULL = none';
COMMENT ON COLUMN quota_internal.subject_override.set_at IS 'when it was set; the anchor "subscription" of a prefix without any subscription';

CREATE SEQUENCE quota_internal.action_id_seq AS int4;
CREATE TABLE quota_internal.action (
    id         int4 PRIMARY KEY DEFAULT nextval('quota_internal.action_id_seq'),
    name       text COLLATE "C" NOT NULL UNIQUE CHECK (octet_length(name) BETWEEN 1 AND 128),
    retired_at timestamptz
);
ALTER SEQUENCE quota_internal.action_id_seq OWNED BY quota_internal.action.id;
COMMENT ON TABLE quota_internal.action IS 'the price book: what an application does and charges for';
COMMENT ON COLUMN quota_internal.action.retired_at IS 'absent from the catalog since: it can no longer be charged';

CREATE TABLE quota_internal.action_require (
    action_id  int4 NOT NULL,
    feature_id int4 NOT NULL,
    PRIMARY KEY (action_id, feature_id)
);
COMMENT ON TABLE quota_internal.action_require IS 'features that must be given for an action';

CREATE TABLE quota_internal.action_charge (
    action_id  int4 NOT NULL,
    feature_id int4 NOT NULL,
    base       numeric NOT NULL DEFAULT 0 CHECK (base >= 0 AND base < 'Infinity'),
    PRIMARY KEY (action_id, feature_id)
);
COMMENT ON TABLE quota_internal.action_charge IS 'what an action charges of a feature: ceil(base + sum of per_unit x units), once a call';

CREATE TABLE quota_internal.action_price (
    action_id  int4 NOT NULL,
    feature_id int4 NOT NULL,
    dimension  text COLLATE "C" NOT NULL,
    per_unit   numeric NOT NULL CHECK (per_unit >= 0 AND per_unit < 'Infinity'),
    PRIMARY KEY (action_id, feature_id, dimension)
);
COMMENT ON TABLE quota_internal.action_price IS 'prices per unit of a charge, one for each dimension';
COMMENT ON COLUMN quota_internal.action_price.dimension IS 'a key of charge_units(); empty: the units of charge()';
