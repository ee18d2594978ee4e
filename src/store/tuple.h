/*-------------------------------------------------------------------------
 *
 * tuple.h
 *		Attributes of our tables' tuples.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_TUPLE_H
#define QUOTA_TUPLE_H

#include "access/htup_details.h"
#include "utils/builtins.h"

/* an attribute whose column is NOT NULL */
static inline Datum
quota_attribute(HeapTuple tuple, TupleDesc desc, int attnum)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, attnum, desc, &isnull);

	if (isnull)
		elog(ERROR, "quota: unexpected null in attribute %d", attnum);
	return value;
}

/* palloc'd, or NULL */
static inline char *
quota_text_attribute(HeapTuple tuple, TupleDesc desc, int attnum)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, attnum, desc, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

#endif							/* QUOTA_TUPLE_H */
