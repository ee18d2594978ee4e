/*-------------------------------------------------------------------------
 *
 * denial.c
 *		quota.note_denial(): a refusal that an error took along.
 *
 * Its argument comes from an application, which may say anything: what is
 * written is a known reason, a valid subject and a feature of the catalog, and
 * the rest must look like what refusal_detail() of base/errors.c writes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "api/call.h"
#include "base/args.h"
#include "base/settings.h"
#include "base/subject.h"
#include "shared/refusals.h"
#include "store/catalog.h"
#include "store/denial.h"

PG_FUNCTION_INFO_V1(quota_sql_note_denial);

/* the longest subject twice, a feature and a plan, with room for the rest */
#define MAX_DETAIL_BYTES	4096

#define NKEYS				11
#define HINT_AS_IT_CAME		"Pass the DETAIL of a QT402, QT403 or QT429 as it came."

pg_noreturn static void
raise_detail(const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("detail %s", problem),
			 errhint(HINT_AS_IT_CAME)));
}

pg_noreturn static void
raise_member(const char *key, const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("detail.%s %s", key, problem),
			 errhint(HINT_AS_IT_CAME)));
}

static Jsonb *
detail_from_arg(FunctionCallInfo fcinfo)
{
	Jsonb	   *detail;

	quota_require(fcinfo, 0, "detail");
	if (!quota_arg_fits(fcinfo, 0, MAX_DETAIL_BYTES))
		raise_detail("is too large");
	detail = PG_GETARG_JSONB_P(0);
	if (!JB_ROOT_IS_OBJECT(detail))
		raise_detail("must be a JSON object");
	return detail;
}

/* The value of a key: there are NKEYS of them, and the caller asks for each once. */
static JsonbValue *
member(Jsonb *detail, const char *key)
{
	JsonbValue *value = getKeyJsonValueFromContainer(&detail->root, key, (int) strlen(key), NULL);

	if (value == NULL)
		raise_member(key, "is missing");
	return value;
}

/* A string, or NULL for a null. */
static char *
text_or_null(Jsonb *detail, const char *key)
{
	const JsonbValue *value = member(detail, key);

	if (value->type == jbvNull)
		return NULL;
	if (value->type != jbvString)
		raise_member(key, "must be a string");
	return pnstrdup(value->val.string.val, value->val.string.len);
}

static char *
text_of(Jsonb *detail, const char *key)
{
	char	   *text = text_or_null(detail, key);

	if (text == NULL)
		raise_member(key, "must be a string");
	return text;
}

static bool
is_amount(Numeric number)
{
	Datum		datum = NumericGetDatum(number);
	Datum		least = NumericGetDatum(int64_to_numeric(0));
	Datum		most = NumericGetDatum(int64_to_numeric(PG_INT64_MAX));

	return DatumGetBool(DirectFunctionCall2(numeric_ge, datum, least)) &&
		DatumGetBool(DirectFunctionCall2(numeric_le, datum, most)) &&
		DatumGetBool(DirectFunctionCall2(numeric_eq, datum, DirectFunctionCall1(numeric_floor, datum)));
}

static void
check_amount(Jsonb *detail, const char *key, bool nullable)
{
	const JsonbValue *value = member(detail, key);

	if (value->type == jbvNull && nullable)
		return;
	if (value->type != jbvNumeric || !is_amount(value->val.numeric))
		raise_member(key, "must be a whole number, not negative");
}

/* Is it a time as quota_json_time() writes it?  2026-03-10T12:00:00.123+00:00 */
static bool
looks_like_time(const char *text)
{
	const char *shape = "0000-00-00T00:00:00";
	int			i;

	for (i = 0; shape[i] != '\0'; i++)
		if (shape[i] == '0' ? !isdigit((unsigned char) text[i]) : text[i] != shape[i])
			return false;
	return strspn(text + i, "0123456789.:+-") == strlen(text + i);
}

static QuotaReason
reason_of(Jsonb *detail)
{
	static const QuotaReason reasons[] = {
		QUOTA_NOT_ENTITLED, QUOTA_SUBSCRIPTION_INACTIVE, QUOTA_EXCEEDED, QUOTA_RATE_LIMITED
	};
	const char *code = text_of(detail, "code");

	for (int i = 0; i < (int) lengthof(reasons); i++)
		if (strcmp(code, quota_reason_name(reasons[i])) == 0)
			return reasons[i];
	raise_member("code", "is not a reason to refuse");
}

/* The level that refused is the subject, or a level above it. */
static void
check_blocked_by(Jsonb *detail, const QuotaSubject *subject)
{
	const char *level = text_or_null(detail, "blocked_by");
	int			len = level ? (int) strlen(level) : 0;

	if (level == NULL)
		return;
	for (int i = 0; i < subject->nlevels; i++)
		if (subject->prefix_len[i] == len && strncmp(subject->text, level, len) == 0)
			return;
	raise_member("blocked_by", "is no level of the subject");
}

/* What is shown beside the reason, and not stored. */
static void
check_numbers(Jsonb *detail)
{
	const char *resets_at = text_or_null(detail, "resets_at");

	check_amount(detail, "requested", false);
	check_amount(detail, "remaining", true);
	check_amount(detail, "allowance", true);
	check_amount(detail, "used", false);
	check_amount(detail, "retry_after", true);
	(void) text_or_null(detail, "plan");
	if (resets_at && !looks_like_time(resets_at))
		raise_member("resets_at", "is not a time");
}

/* quota.note_denial(detail jsonb) */
Datum
quota_sql_note_denial(PG_FUNCTION_ARGS)
{
	Jsonb	   *detail = detail_from_arg(fcinfo);
	QuotaReason reason = reason_of(detail);
	const char *name;
	const QuotaFeature *feature;
	QuotaSubject subject;

	quota_subject_parse(CStringGetTextDatum(text_of(detail, "subject")), false, &subject);
	name = text_of(detail, "feature");
	check_blocked_by(detail, &subject);
	check_numbers(detail);
	if (JB_ROOT_COUNT(detail) != NKEYS)
		raise_detail("has keys that a refusal does not have");
	quota_prevent_if_not_writable("quota.note_denial()");
	feature = quota_catalog_require_feature(quota_catalog(), name);
	/* memory has counted it when it was raised */
	if (!quota_refusals_has(subject.text, feature->id, reason, quota_now()))
		quota_denial_record(subject.text, feature->id, quota_reason_name(reason), quota_now(), 1);
	PG_RETURN_VOID();
}
