/*-------------------------------------------------------------------------
 *
 * changes.h
 *		Who changes what is stored for a subject: subscription, overrides, grants.
 *
 * So that a session may remember it: what a snapshot showed is true as long as nobody has
 * begun to change it since before that snapshot was taken.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_CHANGES_H
#define QUOTA_CHANGES_H

extern Size quota_changes_size(void);
extern void quota_changes_start(void);

/* of a prefix, in this database */
extern uint64 quota_changes_hash(const char *prefix, int len);

/*
 * A number that stays the same until a change of what is stored for a prefix of that hash
 * has come to its end.  0 while one is under way, this transaction's included, and where
 * nobody knows: the library is not preloaded, this is a standby, or transactions can be
 * prepared.
 */
extern uint64 quota_changes_state(uint64 hash);

/* This transaction changes it; to be told before it commits. */
extern void quota_changes_tell(uint64 hash);

#endif							/* QUOTA_CHANGES_H */
