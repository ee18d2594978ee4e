/*-------------------------------------------------------------------------
 *
 * clear.h
 *		Caps that count from 0 again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_CLEAR_H
#define QUOTA_CLEAR_H

#include "base/subject.h"

/*
 * Lets the caps of the subject's own account count from 0; how many had counted
 * something.  QT404, 22023 unless metered, QT403 without such an account.
 */
extern int	quota_clear_caps(const QuotaSubject *subject, const char *feature);

#endif							/* QUOTA_CLEAR_H */
