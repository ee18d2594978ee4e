/*-------------------------------------------------------------------------
 *
 * catalog.h
 *		The catalog (features, plans, entitlements) in backend-local memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_CATALOG_H
#define QUOTA_CATALOG_H

#include "datatype/timestamp.h"
#include "utils/hsearch.h"
#include "utils/jsonb.h"
#include "utils/snapshot.h"

#include "base/gcra.h"
#include "base/period.h"
#include "store/schema.h"

typedef enum QuotaKind
{
	QUOTA_METERED,
	QUOTA_CAPACITY,
	QUOTA_RATE,
	QUOTA_BOOLEAN,
	QUOTA_STATIC
} QuotaKind;

extern const char *quota_kind_name(QuotaKind kind);

typedef enum QuotaAnchor
{
	QUOTA_ANCHOR_CALENDAR,
	QUOTA_ANCHOR_SUBSCRIPTION,
	QUOTA_ANCHOR_TIMESTAMP
} QuotaAnchor;

/* A further limit, in windows of its own. */
typedef struct QuotaCap
{
	int64		ceiling;		/* units in each window */
	QuotaPeriod period;
	bool		first_use;		/* opens with the first charge after the last
								 * one closed; else by the terms' anchor */
} QuotaCap;

/* What an entitlement gives. */
typedef struct QuotaTerms
{
	bool		unlimited;
	int64		allowance;		/* units, unless unlimited */
	QuotaPeriod period;
	QuotaAnchor anchor;
	TimestampTz anchor_at;		/* QUOTA_ANCHOR_TIMESTAMP: from here; for an
								 * override with QUOTA_ANCHOR_SUBSCRIPTION:
								 * when it was set */
	Jsonb	   *value;			/* static, boolean; else NULL */
	bool		on;				/* boolean: its value */
	bool		rolls_over;
	int64		rollover_max;
	bool		overage;		/* may use go on beyond allowance and grants? */
	int64		overage_limit;	/* PG_INT64_MAX: without limit */
	int			ncaps;
	QuotaCap   *caps;
	QuotaRate	rate;			/* limit 0: none */
	int			npercents;
	int32	   *percents;		/* of the allowance whose crossing is told */
	int			nremainders;
	int64	   *remainders;		/* what is left when it is told */
	bool		times_quantity; /* units are for each of a subscription's
								 * quantity */
	const struct QuotaTerms *each;	/* set where they have been multiplied: what
									 * is for each */
	struct QuotaTerms *members; /* of every subject one segment below, or NULL */
} QuotaTerms;

typedef struct QuotaFeature
{
	char	   *name;
	int32		id;
	int			ordinal;		/* place in QuotaCatalog.features */
	QuotaKind	kind;
	char	   *unit;			/* or NULL */
	char	   *title;			/* or NULL */
} QuotaFeature;

typedef struct QuotaPlanVersion
{
	int32		id;				/* hash key: first */
	int			version;
	const char *plan;
	const char *title;			/* or NULL */
	Jsonb	   *metadata;
	bool		newest;
	bool		retired;
	bool		listed;			/* may be offered to everybody */
	QuotaPeriod period;			/* billing */
	bool		has_grace;
	QuotaPeriod grace;			/* how long past_due still lets work go on */
	QuotaTerms **terms;			/* by feature ordinal; NULL = not given */
} QuotaPlanVersion;

typedef struct QuotaCatalog
{
	uint64		generation;
	MemoryContext context;		/* everything below lives here */
	int			pins;
	int			nfeatures;
	QuotaFeature *features;		/* by name, byte for byte */
	const QuotaFeature **features_by_id;
	HTAB	   *versions;		/* QuotaPlanVersion by id */
	QuotaPlanVersion **newest;	/* of each plan in force, by name */
	int			nnewest;
	QuotaPlanVersion *default_version;	/* or NULL */
	HTAB	   *actions;		/* QuotaAction by name, retired ones left out */

	/* while it is loaded: */
	HTAB	   *plans;			/* by id */
	HTAB	   *actions_by_id;
} QuotaCatalog;

/* Calls "load" for every tuple of one of our tables. */
typedef void (*QuotaLoadTuple) (QuotaCatalog *catalog, HeapTuple tuple, TupleDesc desc);
extern void quota_catalog_read(QuotaCatalog *catalog, QuotaRelation which, Snapshot snapshot,
							   QuotaLoadTuple load);

/*
 * The catalog as of now.  It stays as it is until CurrentMemoryContext is reset
 * or deleted, also if another session changes it meanwhile.
 */
extern QuotaCatalog *quota_catalog(void);

/*
 * The same, read again: for a caller that has met an id it does not know.  A commit
 * is visible a moment before its invalidation has been sent.
 */
extern QuotaCatalog *quota_catalog_again(void);

/* NULL when there is none */
extern const QuotaFeature *quota_catalog_feature(const QuotaCatalog *catalog, const char *name);

/* QT404 when there is none */
extern const QuotaFeature *quota_catalog_require_feature(const QuotaCatalog *catalog, const char *name);

extern const QuotaFeature *quota_catalog_feature_by_id(const QuotaCatalog *catalog, int32 id);
extern QuotaPlanVersion *quota_catalog_version(const QuotaCatalog *catalog, int32 id);

/*
 * What a row of entitlement or subject_override gives, in CurrentMemoryContext; the
 * numbers are those of its columns.
 */
extern QuotaTerms *quota_terms_from_tuple(HeapTuple tuple, TupleDesc desc, int terms_attnum,
										  int members_attnum, QuotaKind kind);

#endif							/* QUOTA_CATALOG_H */
