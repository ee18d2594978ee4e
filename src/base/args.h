/*-------------------------------------------------------------------------
 *
 * args.h
 *		Validation of the arguments that many functions share.
 *
 * Everything here is checked before anything is read, and sizes before
 * anything is detoasted.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_ARGS_H
#define QUOTA_ARGS_H

#include "fmgr.h"
#include "storage/lockdefs.h"
#include "utils/jsonb.h"
#include "utils/relcache.h"

#define QUOTA_MAX_FEATURE_BYTES		63
#define QUOTA_MAX_KEY_BYTES			255
#define QUOTA_MAX_METADATA_BYTES	8192
#define QUOTA_MAX_TTL_DAYS			30

/* 22004 naming the argument */
extern void quota_require(FunctionCallInfo fcinfo, int arg, const char *name);

/* has an argument that is not NULL at most so many bytes?  Does not unpack it. */
extern bool quota_arg_fits(FunctionCallInfo fcinfo, int arg, int max_bytes);

/* 22004 when NULL, 22001 over max_bytes */
extern char *quota_arg_text(FunctionCallInfo fcinfo, int arg, const char *name, int max_bytes);

/* 22004 when NULL, QT404 when too long to be a feature's name */
extern char *quota_arg_feature(FunctionCallInfo fcinfo, int arg);

/* > 0, else 22023; 22004 when NULL */
extern int64 quota_arg_amount(FunctionCallInfo fcinfo, int arg, const char *name);

/* NULL allowed; 22001 over 255 bytes, 22023 when empty */
extern char *quota_arg_key(FunctionCallInfo fcinfo, int arg);

/* NULL allowed; 22023 unless an object of at most 8 kB */
extern Jsonb *quota_arg_metadata(FunctionCallInfo fcinfo, int arg);

/* the relation of that OID, locked; 22004 when NULL, 42P01 */
extern Relation quota_arg_relation(FunctionCallInfo fcinfo, int arg, const char *name, LOCKMODE lock);

/* of a hold, in microseconds: 22023 unless more than 0 and at most 30 days */
extern int64 quota_arg_ttl_us(FunctionCallInfo fcinfo, int arg);

/* 22004 when NULL */
extern bool quota_arg_bool(FunctionCallInfo fcinfo, int arg, const char *name);

#endif							/* QUOTA_ARGS_H */
