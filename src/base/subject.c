/*-------------------------------------------------------------------------
 *
 * subject.c
 *		Validation of subjects, done before anything is read.
 *
 * The raw size is looked at before detoasting, so that a gigabyte of
 * compressed text costs no memory.  Bytes are compared as they are: no case
 * folding, no Unicode normalisation.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "base/compat.h"
#include "base/subject.h"

PG_FUNCTION_INFO_V1(quota_sql_subject);
PG_FUNCTION_INFO_V1(quota_sql_level);
PG_FUNCTION_INFO_V1(quota_sql_is_reported);

/* What is wrong with a text that is not too long, or NULL; "subject" is filled. */
static const char *
fault_of(char *text, QuotaSubject *subject)
{
	int			segment_start = 0;

	subject->text = text;
	subject->nlevels = 0;
	if (text[0] == '\0')
		return "it is empty";
	for (int i = 0;; i++)
	{
		unsigned char c = (unsigned char) text[i];

		if (c != '\0' && c != '/')
		{
			if (c < 0x20 || c == 0x7f)
				return "it has a control character";
			continue;
		}
		if (i == segment_start)
			return "it has an empty segment";
		if (subject->nlevels == QUOTA_MAX_LEVELS)
			return "it has too many segments";
		subject->prefix_len[subject->nlevels++] = i;
		if (c == '\0')
			return NULL;
		segment_start = i + 1;
	}
}

static Size
raw_size(Datum datum)
{
	return toast_raw_datum_size(datum) - VARHDRSZ;
}

void
quota_subject_parse(Datum datum, bool isnull, QuotaSubject *subject)
{
	const char *fault;

	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("subject must not be null")));
	if (raw_size(datum) > QUOTA_MAX_SUBJECT_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
				 errmsg("subject is too long"),
				 errdetail("It has %zu bytes, at most %d are allowed.",
						   raw_size(datum), QUOTA_MAX_SUBJECT_BYTES)));
	fault = fault_of(TextDatumGetCString(datum), subject);
	if (fault != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("subject is not valid: %s", fault),
				 errhint("A subject is 1 to %d segments joined by \"/\", each of 1 or more characters without control characters.",
						 QUOTA_MAX_LEVELS)));
}

bool
quota_subject_is_valid(Datum datum, QuotaSubject *subject)
{
	return raw_size(datum) <= QUOTA_MAX_SUBJECT_BYTES &&
		fault_of(TextDatumGetCString(datum), subject) == NULL;
}

char *
quota_subject_prefix(const QuotaSubject *subject, int level)
{
	Assert(level >= 0 && level < subject->nlevels);
	return pnstrdup(subject->text, subject->prefix_len[level]);
}

/* quota_internal._subject(text) -> text: for administration written in SQL */
Datum
quota_sql_subject(PG_FUNCTION_ARGS)
{
	QuotaSubject subject;

	quota_subject_parse(PG_ARGISNULL(0) ? (Datum) 0 : PG_GETARG_DATUM(0),
						PG_ARGISNULL(0), &subject);
	PG_RETURN_TEXT_P(cstring_to_text(subject.text));
}

int
quota_level_of(const char *prefix, int prefix_len)
{
	int			level = 0;

	for (int i = 0; i < prefix_len; i++)
		level += prefix[i] == '/';
	return level;
}

int
quota_level_reported(int levels, int level)
{
	for (int i = level; i >= 0; i--)
	{
		if (levels & (1 << i))
			return i;
	}
	for (int i = level + 1; i < QUOTA_MAX_LEVELS; i++)
	{
		if (levels & (1 << i))
			return i;
	}
	return -1;
}

/* quota_internal._level(prefix text) -> int */
Datum
quota_sql_level(PG_FUNCTION_ARGS)
{
	text	   *prefix = PG_GETARG_TEXT_PP(0);

	PG_RETURN_INT32(quota_level_of(VARDATA_ANY(prefix), (int) VARSIZE_ANY_EXHDR(prefix)));
}

/* quota_internal._is_reported(account text, levels int2, level int) -> boolean */
Datum
quota_sql_is_reported(PG_FUNCTION_ARGS)
{
	text	   *account = PG_GETARG_TEXT_PP(0);
	int			level = Max(Min(PG_GETARG_INT32(2), QUOTA_MAX_LEVELS - 1), 0);

	PG_RETURN_BOOL(quota_level_of(VARDATA_ANY(account), (int) VARSIZE_ANY_EXHDR(account)) ==
				   quota_level_reported(PG_GETARG_INT16(1), level));
}
