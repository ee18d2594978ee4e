/*-------------------------------------------------------------------------
 *
 * version.c
 *		Which versions of our objects this library works with.
 *
 * A package brings library and scripts at once.  But a database has the objects
 * of the version before until ALTER EXTENSION quota UPDATE, and a session keeps
 * the library that it loaded first; with shared_preload_libraries that is the one
 * of the server's start.  So the two meet in different versions:
 *
 * - Objects older than the library, from QUOTA_OLDEST_VERSION on, work: their
 *   tables look the same, or store/ copes with both; and the functions that they
 *   declare are still there, with the same arguments and columns.
 * - Objects newer than the library do not: what they mean is not known to it.
 *
 * schema.c asks when it looks a relation up, so a call pays nothing; the end of
 * an update has every session look its relations up again (quota_sql_announce).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_extension.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "store/version.h"

#define QUOTA_OLDEST_VERSION	"1.0"

PG_FUNCTION_INFO_V1(quota_sql_library_version);

/* The version that pg_extension says now, whatever the transaction's snapshot; NULL: none. */
static char *
installed_version(void)
{
	Relation	extensions = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	char	   *version = NULL;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum("quota"));
	scan = systable_beginscan(extensions, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		value = heap_getattr(tuple, Anum_pg_extension_extversion,
										 RelationGetDescr(extensions), &isnull);

		version = TextDatumGetCString(value);
	}
	systable_endscan(scan);
	table_close(extensions, AccessShareLock);
	return version;
}

/* "1.2" as a number that is larger for what came later; 0: no version of ours. */
static int64
order_of(const char *version)
{
	char	   *end;
	long		major = strtol(version, &end, 10);
	long		minor = *end == '.' ? strtol(end + 1, &end, 10) : -1;

	if (major < 0 || minor < 0 || major > 9999 || minor > 9999 || *end != '\0')
		return 0;
	return (int64) major * 10000 + minor;
}

void
quota_require_version(void)
{
	char	   *installed = installed_version();
	bool		too_new;

	/* without the extension nothing of it is found either, which is said elsewhere */
	if (installed == NULL)
		return;
	too_new = order_of(installed) > order_of(QUOTA_VERSION);
	if (too_new || order_of(installed) < order_of(QUOTA_OLDEST_VERSION))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the library of quota %s does not work with version %s of the extension", QUOTA_VERSION, installed),
				 errdetail("It works with versions %s to %s.", QUOTA_OLDEST_VERSION, QUOTA_VERSION),
				 too_new
				 ? errhint("This session has loaded the library before it was upgraded. Connect again; if shared_preload_libraries has quota, restart the server.")
				 : errhint("Run ALTER EXTENSION quota UPDATE in this database.")));
	pfree(installed);
}

/* quota_internal._library_version() -> text: as quota.library_version, which is there only once the library is */
Datum
quota_sql_library_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(QUOTA_VERSION));
}
