/* Arguments of commands as the servers read them. Each function answers the client with an error of
 * its own, or with `message` ("ERR ..."), and returns false if the argument will not do. */
#ifndef NODE_NODE_ARGS_H
#define NODE_NODE_ARGS_H

#include "node/node_call.h"

/* An integer in min..max; message NULL: the servers' usual ones. */
KW_CHECKED bool args_read_in_range(node_call *c, size_t index, int64_t min, int64_t max,
                                   const char *message, int64_t *ret);
/* A count: 0 or more. */
KW_CHECKED bool args_read_count(node_call *c, size_t index, int64_t *ret);
/* numkeys at argv[index] of LMPOP and ZMPOP: the keys follow, and at least one argument more. */
KW_CHECKED bool args_read_counted_keys(node_call *c, size_t index, size_t *ret);
/* [COUNT count] of theirs, from argv[index] to the end; *ret stays if there is none. */
KW_CHECKED bool args_read_pop_count(node_call *c, size_t index, int64_t *ret);
/* One of two words; *ret_second: it is the second. */
KW_CHECKED bool args_read_either(node_call *c, size_t index, const char *first, const char *second,
                                 bool *ret_second);
/* A float that is not NaN. */
KW_CHECKED bool args_read_double(node_call *c, size_t index, const char *message, double *ret);
/* The time when a wait is over, UINT64_MAX: never. The argument is seconds, also broken ones. */
KW_CHECKED bool args_read_timeout(node_call *c, size_t index, uint64_t *ret_deadline_us);
/* The same in whole milliseconds: WAIT. */
KW_CHECKED bool args_read_timeout_ms(node_call *c, size_t index, uint64_t *ret_deadline_us);

/* The positions start..stop of so many as clients count them, -1 being the last: *ret_first ..
 * *ret_end - 1. */
void args_to_range(int64_t start, int64_t stop, size_t count, size_t *ret_first, size_t *ret_end);
KW_CHECKED bool args_read_slot(node_call *c, size_t index, int *ret);
/* The peer of that id; the error says `complaint` of it: "Unknown". */
KW_CHECKED bool args_read_peer(node_call *c, size_t index, const char *complaint, uint16_t *ret);

#endif
