/*
 * State.  STABLE and PARALLEL SAFE: they read what the statement's snapshot sees.
 */
CREATE OR REPLACE FUNCTION quota.check(subject text, feature text, amount bigint = 1)
    RETURNS quota.check_result
    LANGUAGE c STABLE PARALLEL SAFE COST 50
    AS 'MODULE_PATHNAME', 'quota_sql_check';
COMMENT ON FUNCTION quota.check(text, text, bigint) IS
'Would a debit of amount units be allowed now? Charges and locks nothing; the debit itself decides.
allowance, used, remaining and resets_at are those of the level with the least remaining; NULL allowance or remaining: unlimited.
reason: ok, quota_exceeded, subscription_inactive, not_entitled. Works on a standby.
Errors: QT404 unknown feature, 22023, 22004, 22001 bad arguments, 22023 on a static feature.';

CREATE OR REPLACE FUNCTION quota.has(subject text, feature text) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE COST 50
    AS 'MODULE_PATHNAME', 'quota_sql_has';
COMMENT ON FUNCTION quota.has(text, text) IS
'Is the subject entitled to the feature and active, whatever the room? For row security policies and WHERE; false when an argument is NULL.
Errors: QT404 unknown feature, 22023, 22001 bad subject.';

CREATE OR REPLACE FUNCTION quota.setting(subject text, feature text) RETURNS jsonb
    LANGUAGE c STABLE PARALLEL SAFE COST 50
    AS 'MODULE_PATHNAME', 'quota_sql_setting';
COMMENT ON FUNCTION quota.setting(text, text) IS
'The value of a static (or boolean) feature as the deepest level defines it; NULL on other kinds, when not entitled or inactive, and when an argument is NULL.
Errors: QT404 unknown feature, 22023, 22001 bad subject.';

CREATE OR REPLACE FUNCTION quota.status(subject text,
        OUT feature text, OUT kind text, OUT plan text, OUT allowed boolean, OUT allowance bigint, OUT used bigint,
        OUT reserved bigint, OUT remaining bigint, OUT overage bigint, OUT value jsonb,
        OUT period_start timestamptz, OUT resets_at timestamptz, OUT unit text, OUT title text)
    RETURNS SETOF record
    LANGUAGE c STABLE PARALLEL SAFE COST 500 ROWS 10
    AS 'MODULE_PATHNAME', 'quota_sql_status';
COMMENT ON FUNCTION quota.status(text) IS
'One row for every feature of the catalog, in order of name: what the subject has of it now. allowed: would a debit of 1 be allowed?
What is not given: allowed false, numbers 0, value NULL. NULL allowance or remaining: unlimited.
Errors: 22004, 22023, 22001 bad subject.';

CREATE OR REPLACE FUNCTION quota.me(subject text) RETURNS jsonb
    LANGUAGE c STABLE PARALLEL SAFE COST 500
    AS 'MODULE_PATHNAME', 'quota_sql_me';
COMMENT ON FUNCTION quota.me(text) IS
'Plan and state of every feature as one JSON object, for a frontend: {"subject", "plan", "features", "grants", "enforcement"}.
plan is that of the deepest subscribed level, else the default plan, else null.
Errors: 22004, 22023, 22001 bad subject.';

CREATE OR REPLACE FUNCTION quota.offers(subject text, feature text, amount bigint = 1,
        OUT plan text, OUT title text, OUT allowance bigint, OUT metadata jsonb)
    RETURNS SETOF record
    LANGUAGE c STABLE PARALLEL SAFE COST 500 ROWS 5
    AS 'MODULE_PATHNAME', 'quota_sql_offers';
COMMENT ON FUNCTION quota.offers(text, text, bigint) IS
'The plans under which a debit of amount units would be allowed, the present plan left out, by allowance (unlimited last), then name.
Decided as after quota.change_plan(..., ''now'', ''keep'') at the level whose plan quota.me() shows.
Errors: QT404 unknown feature, 22023, 22004, 22001 bad arguments, 22023 on a static feature.';

CREATE OR REPLACE FUNCTION quota.explain(subject text, feature text, amount bigint = 1,
        OUT step int, OUT level text, OUT source text, OUT detail text, OUT available bigint, OUT takes bigint, OUT verdict text)
    RETURNS SETOF record
    LANGUAGE c STABLE PARALLEL SAFE COST 500 ROWS 5
    AS 'MODULE_PATHNAME', 'quota_sql_explain';
COMMENT ON FUNCTION quota.explain(text, text, bigint) IS
'Why a debit of amount units would be allowed or refused: for every level of the path its plan, allowance (or capacity), grants, overage, caps and rate, and last the decision.
available: units there (NULL: no limit, or nothing is counted); takes: how many of the amount would come from there (a cap or rate counts all of it); verdict: ok, or the reason of a refusal.
Errors: QT404 unknown feature, 22023, 22004, 22001 bad arguments.';

CREATE OR REPLACE FUNCTION quota.preview(subject text, plan text, usage text = 'keep',
        OUT feature text, OUT kind text, OUT allowance bigint, OUT used bigint, OUT remaining bigint, OUT value jsonb, OUT fits boolean)
    RETURNS SETOF record
    LANGUAGE c STABLE PARALLEL SAFE COST 500 ROWS 10
    AS 'MODULE_PATHNAME', 'quota_sql_preview';
COMMENT ON FUNCTION quota.preview(text, text, text) IS
'One row for every feature, as quota.status() would have it after quota.change_plan(subject, plan, ''now'', usage); nothing is changed.
fits: use is within allowance and overage; of other kinds, nothing that is given now is lost.
Errors: QT404 unknown plan, 22023 a retired one that the subject does not have, or another usage; 22004, 22001 bad arguments.';
