/*-------------------------------------------------------------------------
 *
 * late.c
 *		A module for 053_late.pl: holds a session before the library's callbacks run.
 *
 * Callbacks that are registered last run first.  So a session that loads this one can be
 * stopped where its commit can be seen and shared memory has not heard of it.  It waits at
 * the event late.at (commit, abort, subabort, prepare) as long as the file late.file exists,
 * and makes late.file with ".reached" to say that it does.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "access/xact.h"
#include "fmgr.h"
#include "utils/guc.h"

PG_MODULE_MAGIC;

static char *at;
static char *file;

static void
wait_at(const char *event)
{
	char		reached[MAXPGPATH];

	if (strcmp(at, event) != 0 || access(file, F_OK) != 0)
		return;
	snprintf(reached, sizeof(reached), "%s.reached", file);
	close(open(reached, O_CREAT | O_WRONLY, 0600));
	while (access(file, F_OK) == 0)
		pg_usleep(1000);
}

static void
transaction_ends(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT)
		wait_at("commit");
	else if (event == XACT_EVENT_ABORT)
		wait_at("abort");
	else if (event == XACT_EVENT_PREPARE)
		wait_at("prepare");
}

static void
subtransaction_ends(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		wait_at("subabort");
}

void		_PG_init(void);

void
_PG_init(void)
{
	DefineCustomStringVariable("late.at", "Where to wait.", NULL, &at, "", PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("late.file", "As long as it exists.", NULL, &file, "", PGC_USERSET, 0, NULL, NULL, NULL);
	RegisterXactCallback(transaction_ends, NULL);
	RegisterSubXactCallback(subtransaction_ends, NULL);
}
