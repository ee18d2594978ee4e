/*-------------------------------------------------------------------------
 *
 * subject.h
 *		Subjects: who pays, a path of 1 to 8 segments.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_SUBJECT_H
#define QUOTA_SUBJECT_H

#define QUOTA_MAX_LEVELS			8
#define QUOTA_MAX_SUBJECT_BYTES		255

/*
 * A validated subject.  Level i is the prefix of prefix_len[i] bytes: level 0
 * the first segment, level nlevels - 1 the whole path.
 */
typedef struct QuotaSubject
{
	char	   *text;			/* NUL-terminated */
	int			nlevels;
	int			prefix_len[QUOTA_MAX_LEVELS];
} QuotaSubject;

/* 22004 when datum is NULL, 22001 when too long, 22023 when malformed */
extern void quota_subject_parse(Datum datum, bool isnull, QuotaSubject *subject);

/* the same without an error, but for a datum that is not NULL */
extern bool quota_subject_is_valid(Datum datum, QuotaSubject *subject);

/* level's prefix as a palloc'd string */
extern char *quota_subject_prefix(const QuotaSubject *subject, int level);

/* level of a prefix: 0 is the first segment */
extern int	quota_level_of(const char *prefix, int prefix_len);

/*
 * An operation has charged the levels whose bits are set: the one whose entries
 * stand for it in a report on a subject of a level.  That level itself, else the
 * nearest above, else the highest below; -1 where none is set.
 */
extern int	quota_level_reported(int levels, int level);

#endif							/* QUOTA_SUBJECT_H */
