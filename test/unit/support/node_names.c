#include "unit/support/node_names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

enum { TEXTS = 4, TEXT_SIZE = 4096 };

const char *names_in(const node_driver *d, const char *text) {
    static char texts[TEXTS][TEXT_SIZE];
    static unsigned turn;
    char *out = texts[turn++ % TEXTS];
    size_t len = 0;
    while (*text) {
        char *end = NULL;
        unsigned long index = *text == '<' ? strtoul(text + 1, &end, 10) : 0;
        bool is_name = end && end > text + 1 && *end == '>' && index < fleet_count(d->fleet);
        assert_true(len + NODE_ID_SIZE < TEXT_SIZE);
        if (is_name) {
            len += slice_copy(out + len, TEXT_SIZE - len,
                              slice_text(fleet_view(d->fleet)->peers[index].id));
            text = end + 1;
        } else {
            out[len++] = *text++;
        }
    }
    out[len] = '\0';
    return out;
}

void names_expect_rows(node_driver *d, uint16_t index, const driver_row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        driver_expect(d, index, names_in(d, rows[i].line), names_in(d, rows[i].reply));
    }
}

void names_expect_part(node_driver *d, uint16_t index, const char *line, const char *part) {
    const char *wanted = names_in(d, part);
    const char *got = driver_ask(d, index, names_in(d, line));
    if (!strstr(got, wanted)) {
        fail_msg("%s\n  without: %s\n  answered: %s", line, wanted, got);
    }
}
