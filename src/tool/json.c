#include "tool/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The length of the UTF-8 character at `at`, or 0 if there is none: no overlong form, no surrogate,
 * nothing above U+10FFFF (Unicode 15, table 3-7). */
static size_t utf8_length(const unsigned char *at, size_t room) {
    unsigned char lead = at[0];
    if (lead < 0x80) {
        return 1;
    }
    size_t len = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || len > room) {
        return 0;
    }
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    if (lead == 0xe0) {
        low = 0xa0;
    } else if (lead == 0xed) {
        high = 0x9f;
    } else if (lead == 0xf0) {
        low = 0x90;
    } else if (lead == 0xf4) {
        high = 0x8f;
    }
    if (at[1] < low || at[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < len; i++) {
        if (at[i] < 0x80 || at[i] > 0xbf) {
            return 0;
        }
    }
    return len;
}

bool json_is_utf8(kw_slice s) {
    for (size_t i = 0; i < s.len;) {
        size_t len = utf8_length((const unsigned char *)s.data + i, s.len - i);
        if (len == 0) {
            return false;
        }
        i += len;
    }
    return true;
}

static void escaped(out *o, kw_slice s) {
    static const char special[] = "\"\\\n\r\t\b\f";
    static const char letter[] = "\"\\nrtbf";
    out_char(o, '"');
    for (size_t i = 0; i < s.len;) {
        const char *at = s.data + i;
        size_t len = utf8_length((const unsigned char *)at, s.len - i);
        const char *found = memchr(special, *at, sizeof special - 1);
        if (len == 0) {
            out_text(o, "\\ufffd");
            len = 1;
        } else if (found) {
            char escape[2] = {'\\', letter[found - special]};
            out_bytes(o, escape, sizeof escape);
        } else if ((unsigned char)*at < 0x20 || *at == 0x7f) {
            out_printf(o, "\\u%04x", (unsigned)(unsigned char)*at);
        } else {
            out_bytes(o, at, len);
        }
        i += len;
    }
    out_char(o, '"');
}

static void base64(out *o, kw_slice s) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < s.len; i += 3) {
        size_t left = s.len - i;
        uint32_t bits = (uint32_t)(unsigned char)s.data[i] << 16;
        bits |= left > 1 ? (uint32_t)(unsigned char)s.data[i + 1] << 8 : 0;
        bits |= left > 2 ? (uint32_t)(unsigned char)s.data[i + 2] : 0;
        char quad[4] = {digits[bits >> 18], digits[bits >> 12 & 63],
                        left > 1 ? digits[bits >> 6 & 63] : '=',
                        left > 2 ? digits[bits & 63] : '='};
        out_bytes(o, quad, sizeof quad);
    }
}

void json_bytes(out *o, kw_slice s) {
    if (json_is_utf8(s)) {
        escaped(o, s);
        return;
    }
    out_text(o, "{\"base64\":\"");
    base64(o, s);
    out_text(o, "\"}");
}

void json_text(out *o, const char *text) {
    escaped(o, slice_text(text));
}

static kw_slice text_of(const kw_reply *reply) {
    size_t len = 0;
    const char *data = kw_reply_string(reply, &len);
    return data ? slice_of(data, len) : SLICE_LITERAL("");
}

static void json_double(out *o, double value) {
    char text[40];
    if (!isfinite(value)) {
        json_text(o, isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
        return;
    }
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(text, sizeof text, "%.*g", precision, value);
        if (!(strtod(text, NULL) < value) && !(strtod(text, NULL) > value)) {
            break; /* the shortest that reads back as the same number */
        }
    }
    out_text(o, text);
}

static bool can_be_object(const kw_reply *map) {
    for (size_t i = 0; i < kw_reply_count(map); i++) {
        const kw_reply *key = kw_reply_key(map, i);
        bool integer = kw_reply_type(key) == KW_TYPE_INTEGER;
        if (!integer && (!kw_reply_string(key, NULL) || !json_is_utf8(text_of(key)))) {
            return false;
        }
    }
    return true;
}

static void json_map(out *o, const kw_reply *map) {
    bool object = can_be_object(map);
    out_char(o, object ? '{' : '[');
    for (size_t i = 0; i < kw_reply_count(map); i++) {
        const kw_reply *key = kw_reply_key(map, i);
        out_text(o, i > 0 ? "," : "");
        out_text(o, object ? "" : "[");
        if (object && kw_reply_type(key) == KW_TYPE_INTEGER) {
            out_printf(o, "\"%lld\"", (long long)kw_reply_integer(key));
        } else {
            json_reply(o, key);
        }
        out_char(o, object ? ':' : ',');
        json_reply(o, kw_reply_at(map, i));
        out_text(o, object ? "" : "]");
    }
    out_char(o, object ? '}' : ']');
}

void json_reply(out *o, const kw_reply *reply) {
    switch (kw_reply_type(reply)) {
    case KW_TYPE_STATUS:
    case KW_TYPE_STRING:
    case KW_TYPE_BIGNUM:
    case KW_TYPE_VERBATIM:
        json_bytes(o, text_of(reply));
        break;
    case KW_TYPE_ERROR:
        out_text(o, "{\"error\":");
        json_bytes(o, text_of(reply));
        out_char(o, '}');
        break;
    case KW_TYPE_INTEGER:
        out_printf(o, "%lld", (long long)kw_reply_integer(reply));
        break;
    case KW_TYPE_DOUBLE:
        json_double(o, kw_reply_double(reply));
        break;
    case KW_TYPE_BOOL:
        out_text(o, kw_reply_bool(reply) ? "true" : "false");
        break;
    case KW_TYPE_NULL:
        out_text(o, "null");
        break;
    case KW_TYPE_MAP:
        json_map(o, reply);
        break;
    case KW_TYPE_ARRAY:
    case KW_TYPE_SET:
    case KW_TYPE_PUSH:
        out_char(o, '[');
        for (size_t i = 0; i < kw_reply_count(reply); i++) {
            out_text(o, i > 0 ? "," : "");
            json_reply(o, kw_reply_at(reply, i));
        }
        out_char(o, ']');
        break;
    }
}

void json_failure(out *o, const kw_error *err) {
    out_printf(o, "{\"status\":\"%s\",\"outcome\":\"%s\",\"message\":", kw_status_name(err->status),
               kw_outcome_name(err->outcome));
    json_text(o, err->message);
    if (err->slot >= 0) {
        out_printf(o, ",\"slot\":%d", err->slot);
    }
    if (err->node[0]) {
        out_text(o, ",\"node\":");
        json_text(o, err->node);
    }
    out_char(o, '}');
}
