/*-------------------------------------------------------------------------
 *
 * schema.h
 *		Our relations: their OIDs and attribute numbers.
 *
 * The attribute numbers follow sql/once; a changed table means a change here.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_SCHEMA_H
#define QUOTA_SCHEMA_H

#include "utils/relcache.h"

typedef enum QuotaRelation
{
	/* the catalog: whatever invalidates one of these makes catalog.c reload */
	QUOTA_FEATURE,
	QUOTA_PLAN,
	QUOTA_PLAN_VERSION,
	QUOTA_ENTITLEMENT,
	QUOTA_ACTION,
	QUOTA_ACTION_REQUIRE,
	QUOTA_ACTION_CHARGE,
	QUOTA_ACTION_PRICE,
	QUOTA_LAST_CATALOG_RELATION = QUOTA_ACTION_PRICE,
	/* everything else */
	QUOTA_SUBJECT_OVERRIDE,
	QUOTA_SUBJECT_OVERRIDE_PKEY,
	QUOTA_SUBSCRIPTION,
	QUOTA_SUBSCRIPTION_SUBJECT,
	QUOTA_BUCKET,
	QUOTA_BUCKET_PKEY,
	QUOTA_LEDGER,
	QUOTA_LEDGER_DEFAULT,
	QUOTA_LEDGER_DEFAULT_DEBIT,
	QUOTA_LEDGER_ID_SEQ,
	QUOTA_DENIAL
} QuotaRelation;

#define QUOTA_NRELATIONS	(QUOTA_DENIAL + 1)

#define Anum_feature_id					1
#define Anum_feature_name				2
#define Anum_feature_kind				3
#define Anum_feature_unit				4

#define Anum_plan_id					1
#define Anum_plan_name					2
#define Anum_plan_title					3
#define Anum_plan_metadata				4
#define Anum_plan_is_default			5
#define Anum_plan_retired_at			7

#define Anum_plan_version_id			1
#define Anum_plan_version_plan_id		2
#define Anum_plan_version_version		3
#define Anum_plan_version_period_months	5
#define Anum_plan_version_period_days	6
#define Anum_plan_version_period_us		7

#define Anum_action_id					1
#define Anum_action_name				2
#define Anum_action_retired_at			3

#define Anum_action_require_action_id	1
#define Anum_action_require_feature_id	2

#define Anum_action_charge_action_id	1
#define Anum_action_charge_feature_id	2
#define Anum_action_charge_base			3

#define Anum_action_price_action_id		1
#define Anum_action_price_feature_id	2
#define Anum_action_price_dimension		3
#define Anum_action_price_per_unit		4

#define Anum_entitlement_plan_version_id 1
#define Anum_entitlement_feature_id		2

#define Anum_subject_override_subject	1
#define Anum_subject_override_feature_id 2
#define Anum_subject_override_set_at	11

/* entitlement and subject_override have their terms at the same places */
#define Anum_terms_allowance			3
#define Anum_terms_period_months		5
#define Anum_terms_period_days			6
#define Anum_terms_period_us			7
#define Anum_terms_anchor				8
#define Anum_terms_anchor_at			9
#define Anum_terms_value				10

#define Anum_subscription_id			1
#define Anum_subscription_subject		2
#define Anum_subscription_plan_version_id 3
#define Anum_subscription_status		4
#define Anum_subscription_starts_at		5
#define Anum_subscription_ends_at		6
#define Anum_subscription_timezone		7
#define Anum_subscription_trial_ends_at	8
#define Natts_subscription				12

#define Anum_bucket_subject				1
#define Anum_bucket_feature_id			2
#define Anum_bucket_source_id			3
#define Anum_bucket_period_start		4
#define Anum_bucket_period_end			5
#define Anum_bucket_used				6
#define Anum_bucket_overdrawn			7
#define Anum_bucket_moved_start			8
#define Anum_bucket_moved_end			9
#define Anum_bucket_moved_id			10
#define Natts_bucket					10

#define Anum_ledger_id					1
#define Anum_ledger_at					2
#define Anum_ledger_subject				3
#define Anum_ledger_account				4
#define Anum_ledger_feature_id			5
#define Anum_ledger_kind				6
#define Anum_ledger_source				7
#define Anum_ledger_source_id			8
#define Anum_ledger_period_start		9
#define Anum_ledger_period_end			10
#define Anum_ledger_amount				11
#define Anum_ledger_debit_id			12
#define Anum_ledger_key					13
#define Anum_ledger_metadata			14
#define Natts_ledger					14

#define Anum_denial_day					1
#define Anum_denial_subject				2
#define Anum_denial_feature_id			3
#define Anum_denial_reason				4
#define Anum_denial_times				5
#define Anum_denial_last_at				6
#define Natts_denial					6

/* OID by name, cached until a relcache invalidation */
extern Oid	quota_relid(QuotaRelation which);

/*
 * Counts up whenever the catalog's relations may have changed.  Accepts the
 * invalidations that other sessions have sent meanwhile.
 */
extern uint64 quota_catalog_generation(void);

/* counts the generation up */
extern void quota_catalog_outdated(void);

/* the role that owns our tables: what we read and write, we do as it */
extern Oid	quota_owner(void);

#endif							/* QUOTA_SCHEMA_H */
