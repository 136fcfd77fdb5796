#include "integration/support/diff_neutral.h"

#include "integration/support/diff_value.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_word_byte(kw_slice text, size_t at) {
    return at < text.len && isalnum((unsigned char)text.data[at]);
}

/* True if the word stands at text[at], and ends there. */
static bool has_word(kw_slice text, size_t at, const char *word) {
    size_t len = strlen(word);
    return text.len - at >= len && memcmp(text.data + at, word, len) == 0 &&
           !is_word_byte(text, at + len);
}

static bool is_own_id(const diff_side *s, kw_slice text) {
    for (int i = 0; i < DIFF_NODES; i++) {
        if (slice_equal(text, slice_text(s->ids[i]))) {
            return true;
        }
    }
    return false;
}

static bool ends_with(kw_slice text, const char *end) {
    size_t len = strlen(end);
    return text.len >= len && memcmp(text.data + text.len - len, end, len) == 0;
}

/* A whole value that is a number: a port if it comes behind a host (CLUSTER SLOTS, ROLE) or the
 * word (CLUSTER SHARDS, CONFIG GET), or before an id where the host is not told. */
static bool is_port_value(const diff_side *s, const diff_value *values, size_t count, size_t at) {
    kw_slice before = at > 0 ? values[at - 1].text : SLICE_LITERAL("");
    return slice_equal(before, SLICE_LITERAL("127.0.0.1")) || ends_with(before, "port") ||
           (at + 1 < count && is_own_id(s, values[at + 1].text));
}

/* A number in a text: a port if it comes behind port: or port= (INFO), or behind the colon of an
 * address, which in a redirection may have a name for a host, or none. */
static bool is_port_in(kw_slice text, size_t at) {
    kw_slice before = slice_of(text.data, at);
    bool redirection = slice_starts_with(text, "MOVED ") || slice_starts_with(text, "ASK ");
    return ends_with(before, "port:") || ends_with(before, "port=") ||
           ends_with(before, "127.0.0.1:") || (redirection && ends_with(before, ":"));
}

/* How many bytes at text[at] are a port or an id of this side; then *ret_name is what stands for
 * it. */
static size_t find_own(const diff_side *s, kw_slice text, size_t at, bool whole_is_port,
                       char ret_name[8]) {
    bool begins = at == 0 || !is_word_byte(text, at - 1);
    for (int i = 0; begins && i < DIFF_NODES; i++) {
        char port[8];
        snprintf(port, sizeof port, "%u", s->ports[i]);
        if (has_word(text, at, port) &&
            (text.len == strlen(port) ? whole_is_port : is_port_in(text, at))) {
            snprintf(ret_name, 8, "@P%d", i);
            return strlen(port);
        }
        if (has_word(text, at, s->ids[i])) {
            snprintf(ret_name, 8, "@ID%d", i);
            return strlen(s->ids[i]);
        }
    }
    return 0;
}

static void replace_own(const diff_side *s, kw_slice text, bool whole_is_port, buffer *ret) {
    for (size_t at = 0; at < text.len;) {
        char name[8];
        bool may_be = isxdigit((unsigned char)text.data[at]);
        size_t len = may_be ? find_own(s, text, at, whole_is_port, name) : 0;
        bool ok = len > 0 ? buffer_append_text(ret, name) : buffer_append(ret, text.data + at, 1);
        assert_true(ok);
        at += len > 0 ? len : 1;
    }
}

void diff_neutral(const diff_side *s, kw_slice reply, buffer *ret) {
    buffer text;
    diff_value *values;
    size_t count = diff_values(reply, &values);
    buffer_init(&text, &mem_default, 0);
    for (size_t i = 0; i < count; i++) {
        buffer_clear(&text, SIZE_MAX);
        replace_own(s, values[i].text, is_port_value(s, values, count, i), &text);
        diff_encode_value(ret, &values[i], buffer_slice(&text));
    }
    buffer_done(&text);
    free(values);
}
