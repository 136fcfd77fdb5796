#include "lab/lab_text.h"

#include "core/reply.h"
#include "core/resp.h"

#include <assert.h>

/* Bytes that would break a line are written as \xNN; a text with spaces inside a line is quoted. */
static bool write_bytes(buffer *out, kw_slice s, bool quotes) {
    quotes = quotes && (s.len == 0 || memchr(s.data, ' ', s.len));
    bool ok = !quotes || buffer_append_text(out, "\"");
    for (size_t i = 0; i < s.len && ok; i++) {
        unsigned char byte = (unsigned char)s.data[i];
        bool plain = byte >= ' ' && byte != 0x7f && !(quotes && byte == '"');
        ok = plain ? buffer_append(out, &s.data[i], 1) : buffer_printf(out, "\\x%02x", byte);
    }
    return ok && (!quotes || buffer_append_text(out, "\""));
}

static bool write_scalar(buffer *out, const kw_reply *r, bool quotes) {
    switch (kw_reply_type(r)) {
    case KW_TYPE_INTEGER:
        return buffer_printf(out, "%lld", (long long)kw_reply_integer(r));
    case KW_TYPE_NULL:
        return buffer_append_text(out, "null");
    default:
        return write_bytes(out, reply_slice(r), quotes);
    }
}

static bool is_aggregate(const kw_reply *r) {
    return kw_reply_type(r) == KW_TYPE_ARRAY || kw_reply_type(r) == KW_TYPE_MAP;
}

/* All of it in one line; deeper than that no answer goes. */
static bool write_flat(buffer *out, const kw_reply *r) {
    bool map = kw_reply_type(r) == KW_TYPE_MAP;
    if (!is_aggregate(r)) {
        return write_scalar(out, r, false);
    }
    bool ok = true;
    for (size_t i = 0; i < kw_reply_count(r) && ok; i++) {
        const kw_reply *value = kw_reply_at(r, i);
        ok = i == 0 || buffer_append_text(out, " ");
        if (ok && map) {
            ok = write_scalar(out, kw_reply_key(r, i), false) && buffer_append_text(out, "=");
        }
        for (size_t k = 0; is_aggregate(value) && k < kw_reply_count(value) && ok; k++) {
            ok = (k == 0 || buffer_append_text(out, " ")) &&
                 write_scalar(out, kw_reply_at(value, k), true);
        }
        ok = ok && (is_aggregate(value) || write_scalar(out, value, true));
    }
    return ok;
}

static bool write_lines(buffer *out, const kw_reply *r) {
    bool map = kw_reply_type(r) == KW_TYPE_MAP;
    bool ok = true;
    for (size_t i = 0; i < kw_reply_count(r) && ok; i++) {
        ok = i == 0 || buffer_append_text(out, "\n");
        if (ok && map) {
            ok = write_scalar(out, kw_reply_key(r, i), false) && buffer_append_text(out, "=");
        }
        ok = ok && write_flat(out, kw_reply_at(r, i));
    }
    return ok;
}

bool lab_text_write(buffer *out, const mem *m, kw_slice resp) {
    resp_scanner scanner;
    resp_scanner_init(&scanner, &resp_limits_default);
    resp_progress progress = resp_scan(&scanner, resp.data, resp.len);
    assert(progress == RESP_DONE); /* it is our own */
    if (progress != RESP_DONE) {
        return true;
    }
    kw_reply *reply = reply_build(m, resp.data, (size_t)scanner.offset, scanner.node_count);
    if (!reply) {
        return false;
    }
    bool ok = is_aggregate(reply) ? write_lines(out, reply) : write_scalar(out, reply, false);
    reply_free(reply);
    return ok;
}
