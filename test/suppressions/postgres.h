/*
 * What cppcheck has to know of PostgreSQL, in place of its headers: which
 * macros leave the function, and which are declarations.
 */
#define PG_MODULE_MAGIC extern int pg_magic
#define PG_FUNCTION_INFO_V1(name) extern int pg_finfo_##name
#define PG_FUNCTION_ARGS FunctionCallInfo fcinfo
#define PGDLLEXPORT
#define PG_TRY() if (1)
#define PG_CATCH() else
#define PG_FINALLY()
#define PG_END_TRY()
#define pg_attribute_noreturn() __attribute__((noreturn))
#define pg_unreachable() exit(0)
#define DEBUG5 10
#define DEBUG4 11
#define DEBUG3 12
#define DEBUG2 13
#define DEBUG1 14
#define LOG 15
#define INFO 17
#define NOTICE 18
#define WARNING 19
#define ERROR 21
#define FATAL 22
#define PANIC 23
#define ereport(level, rest) do { (void) rest; if ((level) >= ERROR) exit(1); } while (0)
#define elog(level, ...) do { if ((level) >= ERROR) exit(1); } while (0)
#define Assert(condition) do { if (!(condition)) exit(1); } while (0)
#define StaticAssertDecl(condition, message) extern int static_assertion
#define StaticAssertStmt(condition, message)
