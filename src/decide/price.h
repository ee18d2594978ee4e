/*-------------------------------------------------------------------------
 *
 * price.h
 *		Charging an action by the price book.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_PRICE_H
#define QUOTA_PRICE_H

#include "utils/numeric.h"

#include "decide/charge.h"

/* How much of one dimension was used; "" are the units of quota.charge(). */
typedef struct QuotaUnits
{
	char	   *dimension;
	Numeric		units;			/* finite, not negative */
} QuotaUnits;

/* What is to be priced; QuotaRequest.action points to it. */
typedef struct QuotaActionCall
{
	const char *name;
	int			nunits;
	QuotaUnits *units;
} QuotaActionCall;

/*
 * Charges what request->action comes to, and makes request->items of it, one for
 * each feature that the action charges; what comes to 0 charges nothing.  QT404
 * unknown action, 22023 units that the action does not price, 22003, and as
 * quota_charge(); QT403 where a required feature is not given.
 */
extern void quota_charge_action(QuotaRequest *request);

/*
 * What the action comes to: one item for each feature that it charges, by feature,
 * also those of amount 0.  QT404, 22023, 22003 as above; what the action requires
 * is not looked at.
 */
extern QuotaItem *quota_quote_action(const QuotaCatalog *catalog, const QuotaActionCall *call,
									 int *nitems);

#endif							/* QUOTA_PRICE_H */
