/*-------------------------------------------------------------------------
 *
 * window.h
 *		Which window of a periodic quota a moment lies in.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_WINDOW_H
#define QUOTA_WINDOW_H

#include "datatype/timestamp.h"
#include "pgtime.h"

#include "base/period.h"

/* [start, end); end is DT_NOEND if it never ends, start DT_NOBEGIN if it never began. */
typedef struct QuotaWindow
{
	TimestampTz start;
	TimestampTz end;
	int64		number;			/* 0: the one that begins at the anchor */
} QuotaWindow;

/* A series of windows. */
typedef struct QuotaSeries
{
	TimestampTz anchor;
	QuotaPeriod period;
	pg_tz	   *zone;
	bool		clamp_to_anchor;
} QuotaSeries;

extern TimestampTz quota_calendar_anchor(const QuotaPeriod *period, pg_tz *zone);
extern QuotaWindow quota_window_at(TimestampTz anchor, const QuotaPeriod *period,
								   pg_tz *zone, TimestampTz at, bool clamp_to_anchor);
extern QuotaWindow quota_series_window(const QuotaSeries *series, TimestampTz at);
extern pg_tz *quota_timezone(const char *name);

#endif							/* QUOTA_WINDOW_H */
