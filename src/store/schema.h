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
	QUOTA_TERMS_FIELDS,
	QUOTA_ACTION,
	QUOTA_ACTION_REQUIRE,
	QUOTA_ACTION_CHARGE,
	QUOTA_ACTION_PRICE,
	QUOTA_LAST_CATALOG_RELATION = QUOTA_ACTION_PRICE,
	/* everything else */
	QUOTA_SUBJECT_OVERRIDE,
	QUOTA_SUBJECT_OVERRIDE_PKEY,
	QUOTA_SUBSCRIPTION,
	QUOTA_SUBSCRIPTION_SUBJECT_HASH,
	QUOTA_BUCKET,
	QUOTA_BUCKET_PKEY,
	QUOTA_BUCKET_LEASE,
	QUOTA_LEASE_ID_SEQ,
	QUOTA_CAP_USE,
	QUOTA_CAP_USE_PKEY,
	QUOTA_CAP_USE_CLOSING,
	QUOTA_CREDIT_GRANT,
	QUOTA_CREDIT_GRANT_PKEY,
	QUOTA_CREDIT_GRANT_SUBJECT,
	QUOTA_CREDIT_GRANT_OPEN,
	QUOTA_GRANT_USE,
	QUOTA_GRANT_USE_PKEY,
	QUOTA_RATE_USE,
	QUOTA_RATE_USE_PKEY,
	QUOTA_HOLD,
	QUOTA_HOLD_PKEY,
	QUOTA_HOLD_PART,
	QUOTA_HOLD_PART_PKEY,
	QUOTA_LEDGER,
	QUOTA_LEDGER_DEFAULT,
	QUOTA_LEDGER_ID_SEQ,
	QUOTA_POSTING,
	QUOTA_DENIAL,
	QUOTA_DENIAL_DAY,
	QUOTA_GATE_CHARGE,
	QUOTA_GATE_CHARGE_PKEY,
	QUOTA_API_KEY,
	QUOTA_API_KEY_PKEY,
	QUOTA_API_KEY_USE,
	QUOTA_API_KEY_USE_PKEY
} QuotaRelation;

#define QUOTA_NRELATIONS	(QUOTA_API_KEY_USE_PKEY + 1)

#define Anum_feature_id					1
#define Anum_feature_name				2
#define Anum_feature_kind				3
#define Anum_feature_unit				4
#define Anum_feature_title				5

#define Anum_plan_id					1
#define Anum_plan_name					2
#define Anum_plan_title					3
#define Anum_plan_metadata				4
#define Anum_plan_is_default			5
#define Anum_plan_retired_at			7
#define Anum_plan_listed				8

#define Anum_plan_version_id			1
#define Anum_plan_version_plan_id		2
#define Anum_plan_version_version		3
#define Anum_plan_version_period_months	5
#define Anum_plan_version_period_days	6
#define Anum_plan_version_period_us		7
#define Anum_plan_version_grace			9
#define Anum_plan_version_grace_months	10
#define Anum_plan_version_grace_days	11
#define Anum_plan_version_grace_us		12

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
#define Anum_entitlement_terms			3
#define Anum_entitlement_members		4

#define Anum_subject_override_subject	1
#define Anum_subject_override_feature_id 2
#define Anum_subject_override_terms		3
#define Anum_subject_override_members	4
#define Anum_subject_override_set_at	5

/* quota_internal.terms_fields */
#define Anum_terms_allowance			1
#define Anum_terms_period_months		3
#define Anum_terms_period_days			4
#define Anum_terms_period_us			5
#define Anum_terms_anchor				6
#define Anum_terms_anchor_at			7
#define Anum_terms_value				8
#define Anum_terms_rollover_max			9
#define Anum_terms_overage				10
#define Anum_terms_overage_limit		11
#define Anum_terms_caps					12
#define Anum_terms_rate_limit			13
#define Anum_terms_rate_per_us			15
#define Anum_terms_rate_burst			16
#define Anum_terms_notify_percent		17
#define Anum_terms_notify_remaining		18
#define Anum_terms_times_quantity		19
#define Natts_terms						19

/* quota_internal.cap */
#define Anum_cap_ceiling				1
#define Anum_cap_period_months			3
#define Anum_cap_period_days			4
#define Anum_cap_period_us				5
#define Anum_cap_first_use				6
#define Natts_cap						6

#define Anum_subscription_id			1
#define Anum_subscription_subject		2
#define Anum_subscription_plan_version_id 3
#define Anum_subscription_status		4
#define Anum_subscription_starts_at		5
#define Anum_subscription_ends_at		6
#define Anum_subscription_timezone		7
#define Anum_subscription_trial_ends_at	8
#define Anum_subscription_cancelled_at	10
#define Anum_subscription_anchor_at		13
#define Anum_subscription_source_id		14
#define Anum_subscription_past_due_since 15
#define Anum_subscription_next_version_id 16
#define Anum_subscription_next_at		17
#define Anum_subscription_next_usage	18
#define Anum_subscription_next_source_id 19
#define Anum_subscription_quantity		20
#define Anum_subscription_paused_from	21
#define Anum_subscription_paused_until	22
#define Natts_subscription				22

#define Anum_bucket_subject				1
#define Anum_bucket_feature_id			2
#define Anum_bucket_plan_version_id		3
#define Anum_bucket_source_id			5
#define Anum_bucket_period_start		6
#define Anum_bucket_period_end			7
#define Anum_bucket_generation			4
#define Anum_bucket_used				8
#define Anum_bucket_overdrawn			9
#define Anum_bucket_allowance			10
#define Anum_bucket_granted				11
#define Anum_bucket_overage				12
#define Anum_bucket_reserved			13
#define Anum_bucket_rolled_in			14
#define Anum_bucket_rolled_out			15
#define Anum_bucket_prorated			16
#define Anum_bucket_moved_start			17
#define Anum_bucket_moved_end			18
#define Anum_bucket_moved_id			19
#define Anum_bucket_leased				20
#define Anum_bucket_lease_id			21
#define Anum_bucket_lease_since			22
#define Anum_bucket_leases_overage		23
#define Natts_bucket					23

#define Anum_cap_use_subject			1
#define Anum_cap_use_feature_id			2
#define Anum_cap_use_source_id			3
#define Anum_cap_use_period_months		4
#define Anum_cap_use_period_days		5
#define Anum_cap_use_period_us			6
#define Anum_cap_use_window_start		7
#define Anum_cap_use_opened_at			8
#define Anum_cap_use_closes_at			9
#define Anum_cap_use_used				10
#define Anum_cap_use_cleared_id			11
#define Natts_cap_use					11

#define Anum_credit_grant_id			1
#define Anum_credit_grant_subject		2
#define Anum_credit_grant_feature_id	3
#define Anum_credit_grant_amount		4
#define Anum_credit_grant_priority		5
#define Anum_credit_grant_effective_at	6
#define Anum_credit_grant_expires_at	7
#define Anum_credit_grant_period		8
#define Anum_credit_grant_period_months	9
#define Anum_credit_grant_period_days	10
#define Anum_credit_grant_period_us		11
#define Anum_credit_grant_timezone		12
#define Anum_credit_grant_created_at	13
#define Anum_credit_grant_revoked_at	14
#define Anum_credit_grant_source		16
#define Anum_credit_grant_used_up		18
#define Anum_credit_grant_beyond_caps	19
#define Natts_credit_grant				19

#define Anum_grant_use_grant_id			1
#define Anum_grant_use_period_start		2
#define Anum_grant_use_period_end		3
#define Anum_grant_use_used				4
#define Natts_grant_use					4

#define Anum_rate_use_subject			1
#define Anum_rate_use_feature_id		2
#define Anum_rate_use_tat				3
#define Anum_rate_use_fraction			4
#define Anum_rate_use_divisor			5
#define Anum_rate_use_per_us			6
#define Natts_rate_use					6

#define Anum_hold_id					1
#define Anum_hold_subject				2
#define Anum_hold_feature_id			3
#define Anum_hold_reserved				4
#define Anum_hold_ttl_us				5
#define Anum_hold_created_at			6
#define Anum_hold_expires_at			7
#define Anum_hold_expiry_seen			8
#define Anum_hold_metadata				9
#define Natts_hold						9

#define Anum_hold_part_account			1
#define Anum_hold_part_feature_id		2
#define Anum_hold_part_hold_id			3
#define Anum_hold_part_expires_at		4
#define Natts_hold_part					4

#define Anum_ledger_id					1
#define Anum_ledger_at					2
#define Anum_ledger_xid					3
#define Anum_ledger_subject				4
#define Anum_ledger_account				5
#define Anum_ledger_feature_id			6
#define Anum_ledger_kind				7
#define Anum_ledger_source				8
#define Anum_ledger_epoch				9
#define Anum_ledger_levels				10
#define Anum_ledger_source_id			11
#define Anum_ledger_period_start		12
#define Anum_ledger_period_end			13
#define Anum_ledger_amount				14
#define Anum_ledger_debit_id			15
#define Anum_ledger_grant_id			16
#define Anum_ledger_key					17
#define Anum_ledger_metadata			18
#define Anum_ledger_occurred_at			19
#define Anum_ledger_lease_id			20
#define Natts_ledger					20

#define Anum_posting_epoch				2
#define Anum_posting_system_identifier	3
#define Natts_posting					7

#define Anum_denial_day					1
#define Anum_denial_subject				2
#define Anum_denial_feature_id			3
#define Anum_denial_reason				4
#define Anum_denial_times				5
#define Anum_denial_last_at				6
#define Natts_denial					6

#define Anum_gate_charge_target			1
#define Anum_gate_charge_feature_id		2
#define Anum_gate_charge_amount			3
#define Anum_gate_charge_key			4
#define Anum_gate_charge_subject		5
#define Natts_gate_charge				5

#define Anum_api_key_id					1
#define Anum_api_key_subject			2
#define Anum_api_key_scopes				4
#define Anum_api_key_digest				5
#define Anum_api_key_expires_at			7
#define Anum_api_key_revoked_at			8
#define Natts_api_key					8

#define Anum_api_key_use_key_id			1
#define Anum_api_key_use_last_used_at	2
#define Natts_api_key_use				2

/*
 * OID by name, cached until a relcache invalidation; an error unless relation and
 * installed version are such as this library works with.
 */
extern Oid	quota_relid(QuotaRelation which);

/*
 * Do its triggers tell shared memory of every change of a subject's rows?  Not in a
 * database whose extension has yet to be updated.
 */
extern bool quota_tells_changes(QuotaRelation which);

/*
 * Counts up with each relcache invalidation of a relation whose OID is known;
 * what was read of it after quota_relid() is right while the number stays.
 */
extern uint64 quota_relation_generation(QuotaRelation which);

/*
 * Counts up whenever the catalog's relations may have changed.  Accepts the
 * invalidations that other sessions have sent meanwhile.
 */
extern uint64 quota_catalog_generation(void);

/* counts the generation up */
extern void quota_catalog_outdated(void);

/* lets UPDATE and DELETE of the ledger pass, for store/erase.c alone */
extern void quota_set_erasing(bool on);

/* the role that owns our tables: what we read and write, we do as it */
extern Oid	quota_owner(void);

#endif							/* QUOTA_SCHEMA_H */
