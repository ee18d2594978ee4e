/*-------------------------------------------------------------------------
 *
 * identity.h
 *		Becoming another role for a while.
 *
 * The switch is that of ri_triggers.c: cheaper than a SECURITY DEFINER function.
 * Who one was lives on the stack of the function that switches, since the role
 * switched to may run code that switches again.  (Sub)transaction abort undoes a
 * switch, so no PG_TRY is needed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_IDENTITY_H
#define QUOTA_IDENTITY_H

#include "miscadmin.h"

typedef struct QuotaIdentity
{
	Oid			user;
	int			context;
} QuotaIdentity;

/* "restrictions": further SECURITY_... flags; *before is for quota_become_again() */
static inline void
quota_become(Oid role, int restrictions, QuotaIdentity *before)
{
	GetUserIdAndSecContext(&before->user, &before->context);
	SetUserIdAndSecContext(role, before->context | restrictions |
						   SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS);
}

static inline void
quota_become_again(const QuotaIdentity *before)
{
	SetUserIdAndSecContext(before->user, before->context);
}

#endif							/* QUOTA_IDENTITY_H */
