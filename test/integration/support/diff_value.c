#include "integration/support/diff_value.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* -------------------------------------------------------------------------------- replies */

static bool is_string(char type) {
    return type == '$' || type == '=' || type == '!';
}

/* How many values an aggregate holds; 0 for others. */
static size_t element_count(const diff_value *v) {
    int64_t count = 0;
    if (!strchr("*~%>|", v->type) || !slice_to_i64(v->text, &count) || count < 0) {
        return 0;
    }
    return (size_t)count * (v->type == '%' || v->type == '|' ? 2 : 1);
}

static const char *read_value(const char *at, const char *end, diff_value *ret) {
    const char *line_end = memchr(at, '\r', (size_t)(end - at));
    assert_non_null(line_end);
    *ret = (diff_value){*at, at, slice_of(at + 1, (size_t)(line_end - at - 1)), 1};
    at = line_end + 2;
    int64_t len;
    if (is_string(ret->type) && slice_to_i64(ret->text, &len) && len >= 0) {
        ret->text = slice_of(at, (size_t)len);
        at += len + 2;
    } else if (is_string(ret->type)) {
        ret->type = '_'; /* null, as RESP2 writes it */
    }
    return at;
}

/* Works out the sizes, from the last value to the first. */
static void measure(diff_value *values, size_t count) {
    for (size_t i = count; i-- > 0;) {
        size_t at = i + 1;
        for (size_t left = element_count(&values[i]); left > 0 && at < count; left--) {
            at += values[at].size;
        }
        values[i].size = at - i;
    }
}

size_t diff_values(kw_slice reply, diff_value **ret) {
    size_t count = 0;
    diff_value *values = calloc(reply.len + 1, sizeof *values);
    assert_non_null(values);
    const char *end = reply.data + reply.len;
    for (const char *at = reply.data; at < end;) {
        at = read_value(at, end, &values[count++]);
    }
    measure(values, count);
    *ret = values;
    return count;
}

/* ------------------------------------------------------------------------------- writing */

void diff_encode_value(buffer *b, const diff_value *v, kw_slice text) {
    bool ok = v->type == '_' ? buffer_append_text(b, v->begin[0] == '_' ? "_" : "$-1")
              : is_string(v->type)
                  ? buffer_printf(b, "%c%zu\r\n", v->type, text.len) && buffer_append_slice(b, text)
                  : buffer_printf(b, "%c", v->type) && buffer_append_slice(b, text);
    assert_true(ok && buffer_append_text(b, "\r\n"));
}

static void write_byte(buffer *b, unsigned char byte) {
    bool ok;
    if (byte == '\n' || byte == '\r') {
        ok = buffer_append_text(b, byte == '\n' ? "\\n" : "\\r");
    } else if (byte == '"' || byte == '\\') {
        ok = buffer_printf(b, "\\%c", byte);
    } else {
        ok = buffer_printf(b, byte >= ' ' && byte < 127 ? "%c" : "\\x%02x", byte);
    }
    assert_true(ok);
}

static void write_bytes(buffer *b, kw_slice s) {
    for (size_t i = 0; i < s.len; i++) {
        write_byte(b, (unsigned char)s.data[i]);
    }
}

void diff_write_value(buffer *b, const diff_value *v) {
    bool quoted = is_string(v->type);
    assert_true(buffer_printf(b, quoted ? "%c\"" : "%c", v->type));
    write_bytes(b, v->text);
    assert_true(!quoted || buffer_append_text(b, "\""));
}

void diff_write_reply(buffer *b, kw_slice reply) {
    diff_value *values;
    size_t count = diff_values(reply, &values);
    for (size_t i = 0; i < count; i++) {
        assert_true(i == 0 || buffer_append_text(b, " "));
        diff_write_value(b, &values[i]);
    }
    free(values);
}

static bool is_plain_word(kw_slice word) {
    for (size_t i = 0; i < word.len; i++) {
        if (word.data[i] <= ' ' || word.data[i] >= 127 || word.data[i] == '"') {
            return false;
        }
    }
    return word.len > 0;
}

void diff_write_command(buffer *b, const kw_slice *argv, size_t argc) {
    for (size_t i = 0; i < argc; i++) {
        assert_true(i == 0 || buffer_append_text(b, " "));
        if (is_plain_word(argv[i])) {
            assert_true(buffer_append_slice(b, argv[i]));
        } else {
            assert_true(buffer_append_text(b, "\""));
            write_bytes(b, argv[i]);
            assert_true(buffer_append_text(b, "\""));
        }
    }
}
