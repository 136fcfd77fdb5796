#include "unit/support/words.h"

#include "unit/support/unit.h"

#include <stdlib.h>

/* One byte of a quoted word; *at moves behind it. */
static char unescape(const char **at) {
    if (**at != '\\') {
        return *(*at)++;
    }
    ++*at;
    char kind = *(*at)++;
    if (kind == 'x') {
        const char digits[3] = {(*at)[0], (*at)[1], '\0'};
        *at += 2;
        return (char)strtol(digits, NULL, 16);
    }
    return kind == 'n' ? '\n' : kind == 'r' ? '\r' : kind;
}

size_t words_read(const char *line, kw_slice *argv, size_t argv_max, char *bytes) {
    size_t argc = 0;
    const char *at = line;
    while (*at) {
        assert_true(argc < argv_max);
        char *begin = bytes;
        bool quoted = *at == '"';
        at += quoted;
        while (*at && *at != (quoted ? '"' : ' ')) {
            *bytes++ = quoted ? unescape(&at) : *at++;
        }
        at += quoted;
        argv[argc++] = slice_of(begin, (size_t)(bytes - begin));
        at += strspn(at, " ");
    }
    return argc;
}
