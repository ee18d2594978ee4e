/*-------------------------------------------------------------------------
 *
 * redis.c
 *		Many clients charge one account and store a row, in one of three ways.
 *
 * usage: redis redis|transaction|statement CLIENTS SECONDS REDIS_SOCKET
 *
 * redis		a script in Redis takes from a counter and logs that, then PostgreSQL inserts
 *				the row: what the two do is not undone together
 * transaction	BEGIN, INSERT, quota.debit(), COMMIT
 * statement	INSERT ... SELECT FROM quota.debit(), which is one transaction as well
 *
 * PostgreSQL is where libpq's environment says.  Prints "tps = N".
 *
 *-------------------------------------------------------------------------
 */
#include <hiredis/hiredis.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MOST_CLIENTS	256

/* takes ARGV[1] of KEYS[1] if there is as much, and logs it in the list KEYS[2] */
static const char script[] =
	"local left = redis.call('DECRBY', KEYS[1], ARGV[1]) "
	"if left < 0 then redis.call('INCRBY', KEYS[1], ARGV[1]) return -1 end "
	"redis.call('RPUSH', KEYS[2], ARGV[2] .. ' ' .. ARGV[1]) "
	"return left";

static const char *way;
static const char *socket_path;
static double seconds;

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "redis: %s: %s\n", what, why);
	exit(1);
}

static double
now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return at.tv_sec + at.tv_nsec / 1e9;
}

static void
done(PGconn *db, PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		die("PostgreSQL", PQerrorMessage(db));
	PQclear(result);
}

static void
prepare(PGconn *db, const char *name, const char *sql)
{
	done(db, PQprepare(db, name, sql, 0, NULL));
}

static void
execute(PGconn *db, const char *name)
{
	done(db, PQexecPrepared(db, name, 0, NULL, NULL, NULL, 0));
}

static void
take_from_redis(redisContext *redis, const char *sha)
{
	redisReply *reply = redisCommand(redis, "EVALSHA %s 2 quota:hot log:hot 1 %ld", sha, random());

	if (reply == NULL || reply->type != REDIS_REPLY_INTEGER || reply->integer < 0)
		die("Redis", reply && reply->str ? reply->str : redis->errstr);
	freeReplyObject(reply);
}

static void *
client(void *count)
{
	PGconn	   *db = PQconnectdb("");
	redisContext *redis = redisConnectUnix(socket_path);
	redisReply *loaded;
	double		until;

	if (PQstatus(db) != CONNECTION_OK)
		die("PostgreSQL", PQerrorMessage(db));
	if (redis == NULL || redis->err)
		die("Redis", redis ? redis->errstr : "no memory");
	loaded = redisCommand(redis, "SCRIPT LOAD %s", script);
	if (loaded == NULL || loaded->type != REDIS_REPLY_STRING)
		die("Redis", "it does not load the script");
	prepare(db, "begin", "BEGIN");
	prepare(db, "commit", "COMMIT");
	prepare(db, "insert", "INSERT INTO answer (owner, body) VALUES ('hot', 'Because the sky scatters blue light.')");
	prepare(db, "debit", "SELECT * FROM quota.debit('hot', 'tokens', 1)");
	prepare(db, "both", "INSERT INTO answer (owner, body) SELECT 'hot', 'Because the sky scatters blue light.' FROM quota.debit('hot', 'tokens', 1)");
	for (until = now() + seconds; now() < until; (*(long *) count)++)
	{
		if (strcmp(way, "redis") == 0)
		{
			take_from_redis(redis, loaded->str);
			execute(db, "insert");
		}
		else if (strcmp(way, "statement") == 0)
			execute(db, "both");
		else
		{
			execute(db, "begin");
			execute(db, "insert");
			execute(db, "debit");
			execute(db, "commit");
		}
	}
	freeReplyObject(loaded);
	redisFree(redis);
	PQfinish(db);
	return NULL;
}

int
main(int argc, char **argv)
{
	pthread_t	threads[MOST_CLIENTS];
	long		counts[MOST_CLIENTS] = {0};
	long		sum = 0;
	int			n = argc == 5 ? atoi(argv[2]) : 0;

	if (n < 1 || n > MOST_CLIENTS)
		die("usage", "redis redis|transaction|statement CLIENTS SECONDS REDIS_SOCKET");
	way = argv[1];
	seconds = atof(argv[3]);
	socket_path = argv[4];
	for (int i = 0; i < n; i++)
		pthread_create(&threads[i], NULL, client, &counts[i]);
	for (int i = 0; i < n; i++)
	{
		pthread_join(threads[i], NULL);
		sum += counts[i];
	}
	printf("tps = %.1f\n", sum / seconds);
	return 0;
}
