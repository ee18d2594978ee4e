/*-------------------------------------------------------------------------
 *
 * state.c
 *		quota.check(), has(), setting(), status(), and quota_internal._windows().
 *
 * They read what the statement's snapshot sees and lock nothing, so they work
 * in read-only transactions, in parallel workers and on a standby.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/jsonb.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "api/memo.h"
#include "api/result.h"
#include "base/args.h"
#include "base/settings.h"

PG_FUNCTION_INFO_V1(quota_sql_check);
PG_FUNCTION_INFO_V1(quota_sql_has);
PG_FUNCTION_INFO_V1(quota_sql_setting);
PG_FUNCTION_INFO_V1(quota_sql_status);
PG_FUNCTION_INFO_V1(quota_sql_windows);

/* The path of a call whose first argument is the subject. */
static void
look_up(FunctionCallInfo fcinfo, QuotaSubject *subject, QuotaPath *path)
{
	quota_subject_parse(PG_GETARG_DATUM(0), PG_ARGISNULL(0), subject);
	quota_path_look_up_state(path, subject);
}

Datum
quota_sql_check(PG_FUNCTION_ARGS)
{
	static QuotaShape shape = {
		.ncolumns = 8,
		.types = {BOOLOID, TEXTOID, INT8OID, INT8OID, INT8OID, TIMESTAMPTZOID, INTERVALOID, TEXTOID}
	};
	char	   *name = quota_arg_feature(fcinfo, 1);
	int64		amount = quota_arg_amount(fcinfo, 2, "amount");
	const QuotaFeature *feature;
	const QuotaVerdict *verdict;
	QuotaView	view;
	QuotaSubject subject;
	QuotaPath	path;
	QuotaResultRow	row = {0};

	look_up(fcinfo, &subject, &path);
	feature = quota_catalog_require_feature(path.catalog, name);
	if (feature->kind == QUOTA_STATIC)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("feature \"%s\" is static: there is no amount to check", name),
				 errhint("Read it with quota.setting().")));
	quota_view(&path, feature, amount, &view);
	verdict = &view.verdict;

	quota_row_bool(&row, verdict->reason == QUOTA_OK);
	quota_row_text(&row, quota_reason_name(verdict->reason));
	quota_row_int64_or_null(&row, !verdict->allowance_unlimited, verdict->allowance);
	quota_row_int64(&row, verdict->used);
	quota_row_int64_or_null(&row, verdict->limited, verdict->remaining);
	quota_row_time(&row, verdict->resets_at);
	quota_row_interval(&row, verdict->retry_after_us);
	quota_row_text(&row, verdict->blocked_by);
	quota_path_release(&path);
	return quota_row_datum(fcinfo, &shape, &row);
}

/* What has() and setting() answer to arguments that are not NULL. */
static QuotaAnswer
look_up_answer(FunctionCallInfo fcinfo)
{
	QuotaMeter	meters[QUOTA_MAX_LEVELS];
	QuotaAccounts accounts;
	QuotaAnswer answer;
	QuotaSubject subject;
	QuotaPath	path;

	look_up(fcinfo, &subject, &path);
	quota_accounts_of(&path,
					  quota_catalog_require_feature(path.catalog, quota_arg_feature(fcinfo, 1)),
					  meters, &accounts);
	quota_path_release(&path);
	answer.given = quota_is_given(&accounts);
	answer.value = quota_value_of(&accounts);
	return answer;
}

/* The same, from the memo if it is there; a NULL argument has nothing. */
static QuotaAnswer
answer_of(FunctionCallInfo fcinfo)
{
	QuotaAnswer answer = {0};
	const QuotaAnswer *known;
	const text *subject;
	const text *feature;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return answer;
	/* what cannot be a name is refused without being unpacked */
	if (!quota_arg_fits(fcinfo, 0, QUOTA_MAX_SUBJECT_BYTES) ||
		!quota_arg_fits(fcinfo, 1, QUOTA_MAX_FEATURE_BYTES))
		return look_up_answer(fcinfo);
	subject = PG_GETARG_TEXT_PP(0);
	feature = PG_GETARG_TEXT_PP(1);
	known = quota_memo_find(quota_state_snapshot(), subject, feature);
	if (known)
		return *known;
	answer = look_up_answer(fcinfo);
	quota_memo_add(subject, feature, &answer);
	return answer;
}

Datum
quota_sql_has(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(answer_of(fcinfo).given);
}

Datum
quota_sql_setting(PG_FUNCTION_ARGS)
{
	Jsonb	   *value = answer_of(fcinfo).value;

	if (value == NULL)
		PG_RETURN_NULL();
	/* the memo's does not outlive its next use */
	PG_RETURN_JSONB_P(DatumGetJsonbPCopy(JsonbPGetDatum(value)));
}

static void
put_status(ReturnSetInfo *rsinfo, const QuotaPath *path, const QuotaFeature *feature)
{
	const QuotaVerdict *v;
	QuotaView	view;
	QuotaResultRow	row = {0};

	quota_view(path, feature, 1, &view);
	v = &view.verdict;

	quota_row_text(&row, feature->name);
	quota_row_text(&row, quota_kind_name(feature->kind));
	quota_row_text(&row, v->plan);
	quota_row_bool(&row, v->reason == QUOTA_OK);
	quota_row_int64_or_null(&row, !v->allowance_unlimited, v->allowance);
	quota_row_int64(&row, v->used);
	quota_row_int64(&row, v->reserved);
	quota_row_int64_or_null(&row, v->limited, v->remaining);
	quota_row_int64(&row, v->overage);
	quota_row_jsonb(&row, quota_value_of(&view.accounts));
	quota_row_time(&row, v->period_start);
	quota_row_time(&row, v->resets_at);
	quota_row_text(&row, feature->unit);
	quota_row_text(&row, feature->title);
	quota_row_put(rsinfo, &row);
}

Datum
quota_sql_status(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	QuotaSubject subject;
	QuotaPath	path;

	InitMaterializedSRF(fcinfo, 0);
	look_up(fcinfo, &subject, &path);
	for (int i = 0; i < path.catalog->nfeatures; i++)
		put_status(rsinfo, &path, &path.catalog->features[i]);
	quota_path_release(&path);
	return (Datum) 0;
}

/*
 * The period and anchor of terms as a text, the same for the same windows; NULL
 * for a lifetime.  "1 month" and "30 days" differ.
 */
static char *
series_of(const QuotaTerms *terms)
{
	const QuotaPeriod *period = &terms->period;
	bool		fixed = terms->anchor == QUOTA_ANCHOR_TIMESTAMP;

	if (quota_period_is_lifetime(period))
		return NULL;
	return psprintf("%d %d " INT64_FORMAT " %d " INT64_FORMAT, period->months, period->days,
					period->us, (int) terms->anchor, fixed ? terms->anchor_at : 0);
}

/*
 * quota_internal._windows(subject, at): the window that "at" (NULL: now) lies in of every
 * metered account of exactly this prefix, and on what terms it has it.
 * Administration compares them before and after a change of plan to see whose
 * use must move.  Fresh snapshot: it decides, it does not report.
 */
Datum
quota_sql_windows(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	TimestampTz at = PG_ARGISNULL(1) ? quota_now() : PG_GETARG_TIMESTAMPTZ(1);
	Snapshot	snapshot;
	QuotaSubject subject;
	QuotaPath	path;
	const QuotaPlanVersion *own_plan;

	InitMaterializedSRF(fcinfo, 0);
	quota_subject_parse(PG_GETARG_DATUM(0), PG_ARGISNULL(0), &subject);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	quota_path_look_up(&path, &subject, at, snapshot);
	own_plan = path.plans[subject.nlevels - 1];
	for (int i = 0; i < path.catalog->nfeatures; i++)
	{
		const QuotaFeature *feature = &path.catalog->features[i];
		const QuotaAccount *account;
		QuotaMeter	meters[QUOTA_MAX_LEVELS];
		QuotaAccounts accounts;
		QuotaResultRow	row = {0};

		if (feature->kind != QUOTA_METERED)
			continue;
		quota_accounts_of(&path, feature, meters, &accounts);
		account = quota_value_account(&accounts);
		/* grants alone are used in a window that never moves */
		if (account == NULL || account->terms == NULL || account->level != subject.nlevels - 1)
			continue;
		quota_row_int32(&row, account->meter->key.account.feature_id);
		quota_row_int64(&row, account->meter->key.source_id);
		quota_row_raw_time(&row, account->meter->key.start);
		quota_row_raw_time(&row, account->meter->key.end);
		if (account->plan)
			quota_row_int32(&row, account->plan->id);
		else
			quota_row_null(&row);
		quota_row_int64_or_null(&row, !account->terms->unlimited, account->terms->allowance);
		quota_row_text(&row, series_of(account->terms));
		quota_row_bool(&row, own_plan == NULL ||
					   !quota_terms_are(account->terms, own_plan->terms[feature->ordinal]));
		quota_row_bool(&row, account->of_members);
		quota_row_put(rsinfo, &row);
	}
	UnregisterSnapshot(snapshot);
	return (Datum) 0;
}
