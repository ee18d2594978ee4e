/*-------------------------------------------------------------------------
 *
 * window_key.c
 *		Whose use of what, and of which time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/builtins.h"

#include "store/window_key.h"

QuotaAccountKey
quota_account_key(const QuotaSubject *subject, int level, int32 feature_id)
{
	QuotaAccountKey account = {subject->text, subject->prefix_len[level], feature_id};

	return account;
}

bool
quota_same_account(const QuotaAccountKey *a, const QuotaAccountKey *b)
{
	return a->feature_id == b->feature_id && a->prefix_len == b->prefix_len &&
		memcmp(a->prefix, b->prefix, a->prefix_len) == 0;
}

bool
quota_same_window(const QuotaWindowKey *a, const QuotaWindowKey *b)
{
	return a->source_id == b->source_id && a->start == b->start && a->end == b->end &&
		quota_same_account(&a->account, &b->account);
}

uint64
quota_window_hash(const QuotaWindowKey *window, uint64 seed)
{
	/* without holes, since all of it is hashed */
	int64		when_of_what[4] = {window->account.feature_id, window->source_id, window->start, window->end};

	seed = hash_bytes_extended((const unsigned char *) when_of_what, sizeof(when_of_what), seed);
	return hash_bytes_extended((const unsigned char *) window->account.prefix,
							   window->account.prefix_len, seed);
}

Datum
quota_prefix_text(const QuotaAccountKey *account)
{
	return PointerGetDatum(cstring_to_text_with_len(account->prefix, account->prefix_len));
}

void
quota_scan_account(QuotaScan *scan, AttrNumber subject, AttrNumber feature_id,
				   const QuotaAccountKey *account)
{
	quota_scan_text(scan, subject, account->prefix, account->prefix_len);
	quota_scan_int4(scan, feature_id, account->feature_id);
}
