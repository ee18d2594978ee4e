/*-------------------------------------------------------------------------
 *
 * segment.h
 *		The library's part of the server's shared memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_SEGMENT_H
#define QUOTA_SEGMENT_H

/* once, when the library is loaded; reserves memory if it is being preloaded */
extern void quota_segment_init(void);

#endif							/* QUOTA_SEGMENT_H */
