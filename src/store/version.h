/*-------------------------------------------------------------------------
 *
 * version.h
 *		Which versions of our objects this library works with.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_VERSION_H
#define QUOTA_VERSION_H

/* an error unless the version that this database has is one of them */
extern void quota_require_version(void);

#endif							/* QUOTA_VERSION_H */
