/* The printf-like form of a command ("SET %s %b"), split into arguments. Owns what it builds. */
#ifndef CORE_FORMAT_H
#define CORE_FORMAT_H

#include "base/mem.h"
#include "base/slice.h"

#include <stdarg.h>

typedef struct format_args {
    const mem *mem;
    kw_slice *argv;
    size_t argc;
    char *bytes; /* of arguments that had to be put together */
} format_args;

/* Reads the format as kw_call documents it. KW_ERR_INVALID (*ret_error says why: unknown
 * conversion, no argument at all), KW_ERR_NOMEM, KW_ERR_LIMIT. On failure nothing is to be freed.
 */
KW_CHECKED kw_status format_command(const mem *m, const char *format, va_list args,
                                    format_args *ret, const char **ret_error);
void format_args_done(format_args *f);

#endif
