/* What SCAN, HSCAN, SSCAN and ZSCAN have in common: cursor, MATCH, COUNT, and the head of the
 * reply. Owns nothing. */
#ifndef NODE_NODE_SCAN_H
#define NODE_NODE_SCAN_H

#include "node/node_call.h"

typedef struct scan_options {
    kw_slice pattern; /* "*" if none was given */
    uint64_t count;
    kw_slice type; /* empty: all */
} scan_options;

/* False: an error was given. */
KW_CHECKED bool scan_read_cursor(node_call *c, size_t index, uint64_t *ret);
/* From argv[index] on; TYPE only if `typed`. */
KW_CHECKED bool scan_read_options(node_call *c, size_t index, bool typed, scan_options *ret);
bool scan_matches(const scan_options *options, kw_slice name);
/* The cursor to go on with, and how many elements follow. */
void scan_answer_head(node_call *c, uint64_t cursor, size_t count);

#endif
