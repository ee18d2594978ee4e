/*-------------------------------------------------------------------------
 *
 * leaf.c
 *		The ledger's leaves: which one a time belongs to, and how they are read.
 *
 * The bounds are kept in backend-local memory, until the parent is invalidated
 * as a leaf comes or goes.  So a debit locks no more than the leaf it writes to,
 * and after locking a leaf a session checks that it is still the right one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/pg_am_d.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "store/leaf.h"
#include "store/schema.h"

/* In order of time; the default leaf, which has no bounds, comes first. */
typedef struct Leaf
{
	Oid			relid;
	Oid			debit_index;	/* as far as it has been asked for */
	TimestampTz since;
	TimestampTz until;
} Leaf;

static Leaf *leaves = NULL;
static int	nleaves = 0;
static uint64 leaves_generation;

static TimestampTz
bound_time(PartitionBoundInfo bounds, int which)
{
	switch (bounds->kind[which][0])
	{
		case PARTITION_RANGE_DATUM_MINVALUE:
			return DT_NOBEGIN;
		case PARTITION_RANGE_DATUM_MAXVALUE:
			return DT_NOEND;
		default:
			return DatumGetTimestampTz(bounds->datums[which][0]);
	}
}

static void
read_leaves(void)
{
	Relation	parent = table_open(quota_relid(QUOTA_LEDGER), AccessShareLock);
	uint64		generation = quota_relation_generation(QUOTA_LEDGER);
	PartitionDesc desc = RelationGetPartitionDesc(parent, true);
	Leaf	   *read;
	int			n = 0;

	if (desc->nparts == 0 || RelationGetPartitionKey(parent)->strategy != PARTITION_STRATEGY_RANGE ||
		desc->boundinfo->default_index < 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation quota_internal.ledger_entry has no default partition"),
				 errhint("The extension quota is damaged.")));
	read = (Leaf *) MemoryContextAllocZero(TopMemoryContext, sizeof(Leaf) * desc->nparts);
	read[n++].relid = desc->oids[desc->boundinfo->default_index];
	for (int i = 1; i < desc->boundinfo->ndatums; i++)
	{
		int			index = desc->boundinfo->indexes[i];

		if (index < 0)
			continue;			/* a gap */
		read[n].relid = desc->oids[index];
		read[n].since = bound_time(desc->boundinfo, i - 1);
		read[n].until = bound_time(desc->boundinfo, i);
		n++;
	}
	table_close(parent, AccessShareLock);
	if (leaves)
		pfree(leaves);
	leaves = read;
	nleaves = n;
	leaves_generation = generation;
}

static bool
leaves_are_current(void)
{
	return leaves != NULL && leaves_generation == quota_relation_generation(QUOTA_LEDGER);
}

static void
require_leaves(void)
{
	AcceptInvalidationMessages();
	while (!leaves_are_current())
		read_leaves();
}

static Oid
leaf_of(TimestampTz at)
{
	for (int i = nleaves - 1; i > 0; i--)
		if (at >= leaves[i].since && at < leaves[i].until)
			return leaves[i].relid;
	return leaves[0].relid;
}

/* Columns are known by number. */
static void
require_shape(Relation rel)
{
	if (RelationGetDescr(rel)->natts != Natts_ledger)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation quota_internal.%s does not exist as it should", RelationGetRelationName(rel)),
				 errhint("The extension quota is damaged, or its library is of another version.")));
}

Relation
quota_leaf_open(TimestampTz at, LOCKMODE lockmode)
{
	for (;;)
	{
		Relation	rel;

		(void) quota_relid(QUOTA_LEDGER_DEFAULT);	/* as we think it is */
		require_leaves();
		/* the lock accepts invalidations: is it still this one? */
		rel = try_relation_open(leaf_of(at), lockmode);
		if (rel && leaves_are_current() && leaf_of(at) == RelationGetRelid(rel))
		{
			require_shape(rel);
			return rel;
		}
		if (rel)
			relation_close(rel, lockmode);
		else
			leaves_generation--;	/* dropped this moment */
	}
}

/* The one that we found before, if it is still there. */
static Oid
debit_index_of(Relation rel, Leaf *leaf)
{
	List	   *indexes = RelationGetIndexList(rel);
	Oid			found = InvalidOid;
	ListCell   *cell;

	if (OidIsValid(leaf->debit_index) && list_member_oid(indexes, leaf->debit_index))
	{
		list_free(indexes);
		return leaf->debit_index;
	}
	foreach(cell, indexes)
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);

		if (index->rd_index->indnatts == 1 && index->rd_index->indisvalid &&
			index->rd_index->indkey.values[0] == Anum_ledger_debit_id &&
			index->rd_rel->relam == BTREE_AM_OID && RelationGetIndexPredicate(index) == NIL)
			found = RelationGetRelid(index);
		index_close(index, AccessShareLock);
	}
	list_free(indexes);
	leaf->debit_index = found;
	return found;
}

Relation
quota_leaf_next(int *position, LOCKMODE lockmode, Oid *debit_index)
{
	if (*position == 0)
	{
		(void) quota_relid(QUOTA_LEDGER_DEFAULT);
		require_leaves();
		*position = nleaves;
	}
	while (*position > 0)
	{
		int			which = --*position;
		Oid			relid = leaves[which].relid;
		Relation	rel;

		if (which == 0)
			*position = -1;		/* the default leaf is the last */
		rel = try_relation_open(relid, lockmode);
		if (rel)				/* else dropped this moment */
		{
			require_shape(rel);
			*debit_index = debit_index_of(rel, &leaves[which]);
			return rel;
		}
	}
	return NULL;
}
