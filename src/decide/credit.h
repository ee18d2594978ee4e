/*-------------------------------------------------------------------------
 *
 * credit.h
 *		Grants are given, and use is corrected.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_CREDIT_H
#define QUOTA_CREDIT_H

#include "decide/charge.h"

/* What a grant is to be; QuotaRequest.extra points to it. */
typedef struct QuotaCredit
{
	TimestampTz effective_at;
	TimestampTz expires_at;		/* DT_NOEND: never */
	const char *every;			/* or NULL */
	QuotaPeriod period;			/* its parsed form */
	int32		priority;
	const char *source;
	bool		beyond_caps;
} QuotaCredit;

/*
 * Gives the request's one item as a grant; item->id is the grant's.  QT404,
 * 22023 on a kind that has no grants, on a capacity beyond caps, or where another
 * prefix of the path is entitled and this one not; 22003.
 */
extern void quota_credit(QuotaRequest *request);

/* whose grant of what it is; QT404 */
extern void quota_grant_look_up(int64 grant_id, QuotaSubject *subject, const char **feature);

/*
 * Revokes of the grant that request->debit_id names the item's amount, 0: all of it;
 * item->charged is what was left of that.  40001 where the request has a key and the
 * subject has been renamed since that was claimed.
 */
extern void quota_revoke(QuotaRequest *request);

/*
 * Makes the use of the subject's own account in the present period, open holds
 * left out, the item's amount.  item->id is 0 if it was that already.  QT403
 * where it has no account of its own; QT404, 22023.
 */
extern void quota_set_usage(QuotaRequest *request);

/*
 * Gives up to its one item's amount of the present periods' use back on every
 * account of the path, last taken first, what open holds have left out: where
 * metered use follows something that shrinks.  item->id is 0 when there was none.
 */
extern void quota_lower_usage(QuotaRequest *request);

/*
 * Lets the caps of the subject's own account count from 0; how many had counted
 * something.  QT403 where it has no account of its own; QT404, 22023.
 */
extern int	quota_clear_caps(const QuotaSubject *subject, const char *feature);

#endif							/* QUOTA_CREDIT_H */
