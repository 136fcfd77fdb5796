#include "unit/support/notation.h"

#include "core/reply.h"
#include "core/resp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *write_item(const char *at, buffer *out);

static const char *skip_spaces(const char *at) {
    while (*at == ' ') {
        at++;
    }
    return at;
}

static const char *write_aggregate(const char *at, char close, buffer *out) {
    char type = close == ']' ? '*' : close == '>' ? '~' : '%';
    buffer items;
    buffer_init(&items, &mem_default, 0);
    unsigned count = 0;
    for (at = skip_spaces(at); *at != close; at = skip_spaces(at)) {
        assert_true(*at != '\0');
        at = write_item(at, &items);
        count++;
    }
    assert_true(type != '%' || count % 2 == 0);
    assert_true(buffer_printf(out, "%c%u\r\n", type, type == '%' ? count / 2 : count));
    assert_true(buffer_append_slice(out, buffer_slice(&items)));
    buffer_done(&items);
    return at + 1;
}

static const char *write_quoted(const char *at, char quote, buffer *out) {
    const char *end = strchr(at, quote);
    assert_non_null(end);
    size_t len = (size_t)(end - at);
    bool verbatim = quote == '=';
    assert_true(buffer_printf(out, "%c%zu\r\n%s", verbatim ? '=' : '$', verbatim ? len + 4 : len,
                              verbatim ? "txt:" : ""));
    assert_true(buffer_append(out, at, len));
    assert_true(buffer_append_text(out, "\r\n"));
    return end + 1;
}

static const char *write_item(const char *at, buffer *out) {
    switch (*at) {
    case '[':
        return write_aggregate(at + 1, ']', out);
    case '<':
        return write_aggregate(at + 1, '>', out);
    case '{':
        return write_aggregate(at + 1, '}', out);
    case '\'':
    case '=':
        return write_quoted(at + 1, *at, out);
    case '~':
        assert_true(buffer_append_text(out, "$-1\r\n"));
        return at + 1;
    case '_':
        assert_true(buffer_append_text(out, "_\r\n"));
        return at + 1;
    default: {
        bool number = *at == '-' ? at[1] >= '0' && at[1] <= '9' : *at >= '0' && *at <= '9';
        size_t len = *at == '-' && !number ? strlen(at) : strcspn(at, " ]}>");
        assert_true(len > 0);
        assert_true(buffer_printf(out, "%s%.*s\r\n", number ? ":" : "", (int)len, at));
        return at + len;
    }
    }
}

void notation_write(const char *text, buffer *out) {
    assert_int_equal(*write_item(text, out), '\0');
}

kw_reply *notation_reply_with(const mem *m, const char *text) {
    buffer out;
    buffer_init(&out, &mem_default, 0);
    notation_write(text, &out);
    resp_scanner scanner;
    resp_scanner_init(&scanner, &resp_limits_default);
    kw_slice bytes = buffer_slice(&out);
    assert_int_equal(resp_scan(&scanner, bytes.data, bytes.len), RESP_DONE);
    assert_int_equal(scanner.offset, bytes.len);
    kw_reply *reply = reply_build(m, bytes.data, bytes.len, scanner.node_count);
    assert_non_null(reply);
    buffer_done(&out);
    return reply;
}

kw_reply *notation_reply(const char *text) {
    return notation_reply_with(&mem_default, text);
}
