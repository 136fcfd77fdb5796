#include "io/io_error.h"

#include <stdio.h>

kw_status io_fail(kw_error *err, kw_status status, const char *format, ...) {
    if (err) {
        *err = (kw_error){.status = status, .outcome = KW_NOT_SENT, .slot = -1};
        va_list args;
        va_start(args, format);
        vsnprintf(err->message, sizeof err->message, format, args);
        va_end(args);
    }
    return status;
}
