/*-------------------------------------------------------------------------
 *
 * authenticate.c
 *		quota.authenticate(): whose API key a secret is.
 *
 * A secret reads qk_ID_HEX.  Its id finds the row; what proves anything is the digest
 * of the whole text, compared in constant time.  Whatever is wrong goes the same way
 * to the same error: malformed text is looked up as the id 0, which no key has, and
 * a key that is not there has a digest that no text has.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "api/result.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/settings.h"
#include "store/api_key.h"

PG_FUNCTION_INFO_V1(quota_sql_authenticate);
PG_FUNCTION_INFO_V1(quota_sql_random_bytes);

#define PREFIX				"qk_"
#define MAX_SECRET_BYTES	128
#define MAX_RANDOM_BYTES	1024

/* What is too long to be a secret is not even unpacked. */
static text *
secret_from_arg(FunctionCallInfo fcinfo)
{
	quota_require(fcinfo, 0, "secret");
	if (!quota_arg_fits(fcinfo, 0, MAX_SECRET_BYTES))
		return cstring_to_text("");
	return PG_GETARG_TEXT_PP(0);
}

/* The digits after the prefix, up to an underscore; 0 where it does not read so. */
static int64
id_in(const text *secret)
{
	const char *at = VARDATA_ANY(secret);
	const char *end = at + VARSIZE_ANY_EXHDR(secret);
	int64		id = 0;

	if (end - at < (int) strlen(PREFIX) || memcmp(at, PREFIX, strlen(PREFIX)) != 0)
		return 0;
	for (at += strlen(PREFIX); at < end && *at >= '0' && *at <= '9'; at++)
	{
		if (id > PG_INT64_MAX / 10 - 1)
			return 0;
		id = id * 10 + (*at - '0');
	}
	return at < end && *at == '_' ? id : 0;
}

/* Takes the same time wherever they differ. */
static bool
same_digest(const uint8 *a, const uint8 *b)
{
	volatile uint8 differences = 0;

	for (int i = 0; i < QUOTA_DIGEST_BYTES; i++)
		differences |= a[i] ^ b[i];
	return differences == 0;
}

static bool
is_writable(void)
{
	return !RecoveryInProgress() && !XactReadOnly && !IsInParallelMode();
}

Datum
quota_sql_authenticate(PG_FUNCTION_ARGS)
{
	static QuotaShape shape = {
		.ncolumns = 3,
		.types = {TEXTOID, INT8OID, TEXTARRAYOID}
	};
	text	   *secret = secret_from_arg(fcinfo);
	int64		id = id_in(secret);
	bytea	   *digest = DatumGetByteaPP(DirectFunctionCall1(sha256_bytea, PointerGetDatum(secret)));
	QuotaApiKey key = {0};
	QuotaResultRow	row = {0};
	bool		found = quota_api_key_find(id, &key);
	bool		right = same_digest((const uint8 *) VARDATA_ANY(digest), key.digest);

	if (!right || !found || key.revoked || key.expires_at <= quota_now())
		quota_raise_unauthenticated();
	if (is_writable())
		quota_api_key_note_use(id, quota_now());

	quota_row_text(&row, key.subject);
	quota_row_int64(&row, id);
	quota_row_array(&row, key.scopes);
	return quota_row_datum(fcinfo, &shape, &row);
}

/* quota_internal._random_bytes(bytes int) -> bytea */
Datum
quota_sql_random_bytes(PG_FUNCTION_ARGS)
{
	int			len;
	bytea	   *bytes;

	quota_require(fcinfo, 0, "bytes");
	len = PG_GETARG_INT32(0);
	if (len < 1 || len > MAX_RANDOM_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("bytes must be 1 to %d", MAX_RANDOM_BYTES)));
	bytes = (bytea *) palloc(len + VARHDRSZ);
	SET_VARSIZE(bytes, len + VARHDRSZ);
	if (!pg_strong_random(VARDATA(bytes), len))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random bytes")));
	PG_RETURN_BYTEA_P(bytes);
}
