/*-------------------------------------------------------------------------
 *
 * action.h
 *		The price book: what an action requires and costs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_ACTION_H
#define QUOTA_ACTION_H

#include "utils/numeric.h"

#include "store/catalog.h"

#define QUOTA_MAX_ACTION_BYTES	128

/* A price per unit of one dimension; "" are the units of quota.charge(). */
typedef struct QuotaPrice
{
	char	   *dimension;
	Numeric		per_unit;
} QuotaPrice;

/* What an action charges of one feature: ceil(base + sum of per_unit x units). */
typedef struct QuotaActionCharge
{
	const QuotaFeature *feature;
	Numeric		base;
	int			nprices;
	QuotaPrice *prices;
} QuotaActionCharge;

typedef struct QuotaAction
{
	char		name[QUOTA_MAX_ACTION_BYTES + 1];	/* hash key: first */
	int			nrequires;
	const QuotaFeature **requires;
	int			ncharges;
	QuotaActionCharge *charges; /* by feature, byte for byte */
} QuotaAction;

/* part of loading a catalog; CurrentMemoryContext is the catalog's */
extern void quota_actions_load(QuotaCatalog *catalog, Snapshot snapshot);

/* QT404 */
extern const QuotaAction *quota_action_require(const QuotaCatalog *catalog, const char *name);

#endif							/* QUOTA_ACTION_H */
