/* Fills kw_error for what failed before any command was involved. Owns nothing. */
#ifndef IO_ERROR_H
#define IO_ERROR_H

#include <keyway/keyway.h>

/* Fills *err (may be NULL): no slot, no node, NOT_SENT, and the message, cut if it is too long.
 * Returns status. */
kw_status io_fail(kw_error *err, kw_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
