/*-------------------------------------------------------------------------
 *
 * slow_sync.c
 *		A disk whose fdatasync() takes SYNC_US microseconds longer, by LD_PRELOAD.
 *
 * For bench/redis, on machines whose virtual disk is quicker than those that
 * applications have: a network disk takes 500 to 2,000.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int
fdatasync(int fd)
{
	const char *us = getenv("SYNC_US");

	if (us != NULL)
		usleep(atoi(us));
	return syscall(SYS_fdatasync, fd);
}
