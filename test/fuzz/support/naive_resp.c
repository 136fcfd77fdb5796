#include "fuzz/support/naive_resp.h"

#include "base/number.h"
#include "core/reply.h"
#include "fuzz/fuzz.h"

#include <ctype.h>
#include <stdio.h>

typedef struct reader {
    const char *data;
    size_t len;
    size_t at;
    const resp_limits *limits;
    uint64_t values;
    buffer *text;
} reader;

static void put(buffer *text, char tag, const char *bytes, size_t len) {
    char head[32];
    if (text) {
        int head_len = snprintf(head, sizeof head, "%c%zu:", tag, len);
        fuzz_check(buffer_append(text, head, (size_t)head_len));
        fuzz_check(buffer_append(text, bytes, len));
    }
}

static void put_count(buffer *text, char tag, uint64_t count) {
    char head[32];
    if (text) {
        int head_len = snprintf(head, sizeof head, "%c%llu:", tag, (unsigned long long)count);
        fuzz_check(buffer_append(text, head, (size_t)head_len));
    }
}

/* ----------------------------------------------------------------------- numbers */

/* Digits only, their value at most `max`. */
static bool digits(kw_slice s, uint64_t max, uint64_t *ret) {
    uint64_t value = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned char)s.data[i] - (unsigned)'0';
        if (digit > 9 || value > (max - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *ret = value;
    return s.len > 0;
}

static kw_slice without_sign(kw_slice s, bool *ret_negative) {
    *ret_negative = s.len > 0 && s.data[0] == '-';
    bool sign = *ret_negative || (s.len > 0 && s.data[0] == '+');
    return sign ? slice_of(s.data + 1, s.len - 1) : s;
}

static bool integer(kw_slice s, int64_t *ret) {
    bool negative;
    uint64_t magnitude;
    kw_slice rest = without_sign(s, &negative);
    if (!digits(rest, (uint64_t)INT64_MAX + negative, &magnitude)) {
        return false;
    }
    *ret = (int64_t)(negative ? 0 - magnitude : magnitude);
    return true;
}

static bool is_big_number(kw_slice s) {
    bool negative;
    kw_slice rest = without_sign(s, &negative);
    for (size_t i = 0; i < rest.len; i++) {
        if (!isdigit((unsigned char)rest.data[i])) {
            return false;
        }
    }
    return rest.len > 0;
}

static bool is_double(kw_slice s) {
    char word[NUMBER_TEXT_BYTES + 1];
    char *end;
    bool negative;
    kw_slice rest = without_sign(s, &negative);
    if (s.len == 0 || s.len > NUMBER_TEXT_BYTES || memchr(s.data, '\0', s.len)) {
        return false;
    }
    for (size_t i = 0; i < rest.len; i++) {
        word[i] = (char)tolower((unsigned char)rest.data[i]);
    }
    word[rest.len] = '\0';
    if (strcmp(word, "inf") == 0 || strcmp(word, "infinity") == 0 || strcmp(word, "nan") == 0) {
        return true;
    }
    if (strspn(word, "0123456789.e+-") != rest.len || !strpbrk(word, "0123456789")) {
        return false;
    }
    (void)strtod(word, &end); /* a number that is too large is one all the same */
    return *end == '\0' && word[0] != '+' && word[0] != '-';
}

/* ------------------------------------------------------------------------ values */

static resp_progress read_value(reader *r, uint32_t depth);

/* The rest of a line, byte by byte. */
static resp_progress read_line(reader *r, kw_slice *ret) {
    for (size_t i = r->at; i < r->len; i++) {
        if (i + 2 > r->limits->value_bytes || r->data[i] == '\n') {
            return RESP_BROKEN;
        }
        if (r->data[i] == '\r') {
            *ret = slice_of(r->data + r->at, i - r->at);
            r->at = i + 2;
            return i + 1 == r->len ? RESP_MORE : r->data[i + 1] == '\n' ? RESP_DONE : RESP_BROKEN;
        }
    }
    return r->len + 2 > r->limits->value_bytes ? RESP_BROKEN : RESP_MORE;
}

static resp_progress read_string(reader *r, char type, kw_slice head) {
    uint64_t len;
    if (type == '$' && slice_is(head, "-1")) {
        put_count(r->text, '_', 0);
        return RESP_DONE;
    }
    if (!digits(head, UINT64_MAX, &len) || len > r->limits->bulk_bytes ||
        r->at + len + 2 > r->limits->value_bytes || (type == '=' && len < 4)) {
        return RESP_BROKEN;
    }
    if (r->len - r->at < len + 2) {
        return RESP_MORE;
    }
    const char *bytes = r->data + r->at;
    if (bytes[len] != '\r' || bytes[len + 1] != '\n' || (type == '=' && bytes[3] != ':')) {
        return RESP_BROKEN;
    }
    put(r->text, type == '!' ? '-' : type, bytes, (size_t)len);
    r->at += (size_t)len + 2;
    return RESP_DONE;
}

static resp_progress read_aggregate(reader *r, char type, kw_slice head, uint32_t depth) {
    uint64_t count;
    bool pairs = type == '%' || type == '|';
    if (type == '*' && slice_is(head, "-1")) {
        put_count(r->text, '_', 0);
        return RESP_DONE;
    }
    if (!digits(head, UINT64_MAX, &count) || (type == '>' && depth > 0) ||
        count > r->limits->elements / (pairs ? 2 : 1) || (count > 0 && depth >= r->limits->depth)) {
        return RESP_BROKEN;
    }
    put_count(r->text, type, count);
    for (uint64_t i = 0; i < (pairs ? count * 2 : count); i++) {
        resp_progress progress = read_value(r, depth + 1);
        if (progress != RESP_DONE) {
            return progress;
        }
    }
    return RESP_DONE;
}

static resp_progress read_scalar(reader *r, char type, kw_slice text) {
    int64_t value = 0;
    bool right = type == '+' || type == '-' || (type == ',' && is_double(text)) ||
                 (type == '(' && is_big_number(text)) || (type == '_' && text.len == 0) ||
                 (type == '#' && (slice_is(text, "t") || slice_is(text, "f")));
    if (type == ':') {
        right = integer(text, &value);
        put_count(r->text, ':', (uint64_t)value);
    } else if (type == '_') {
        put_count(r->text, '_', 0);
    } else {
        put(r->text, type, text.data, text.len);
    }
    return right ? RESP_DONE : RESP_BROKEN;
}

static resp_progress read_value(reader *r, uint32_t depth) {
    kw_slice line;
    if (r->at == r->len) {
        return RESP_MORE;
    }
    char type = r->data[r->at];
    if (type == '\0' || !strchr("+-:,#_($!=*~>%|", type)) {
        return RESP_BROKEN;
    }
    resp_progress progress = read_line(r, &line);
    if (progress != RESP_DONE) {
        return progress;
    }
    kw_slice rest = slice_of(line.data + 1, line.len - 1);
    if (++r->values > r->limits->values) {
        return RESP_BROKEN;
    }
    if (strchr("$!=", type)) {
        return read_string(r, type, rest);
    }
    if (!strchr("*~>%|", type)) {
        return read_scalar(r, type, rest);
    }
    r->values += type == '|' ? 2 : 0; /* it costs three */
    progress = read_aggregate(r, type, rest, depth);
    return type == '|' && progress == RESP_DONE ? read_value(r, depth) : progress;
}

naive_value naive_read(const char *data, size_t len, const resp_limits *limits, buffer *text) {
    reader r = {.data = data, .len = len, .limits = limits, .text = text};
    resp_progress progress = read_value(&r, 0);
    return (naive_value){progress, r.at, r.values};
}

/* ----------------------------------------------------------------------- replies */

static void put_children(const kw_reply *reply, char tag, buffer *text) {
    put_count(text, tag, kw_reply_count(reply));
    for (size_t i = 0; i < kw_reply_count(reply); i++) {
        if (kw_reply_key(reply, i)) {
            naive_text_of(kw_reply_key(reply, i), text);
        }
        naive_text_of(kw_reply_at(reply, i), text);
    }
}

static void put_verbatim(const kw_reply *reply, buffer *text) {
    char bytes[8192];
    kw_slice s = reply_slice(reply);
    fuzz_check(s.len + 4 <= sizeof bytes);
    int len = snprintf(bytes, sizeof bytes, "%.3s:", kw_reply_format(reply));
    fuzz_check(len <= 4);
    memcpy(bytes, kw_reply_format(reply), 3);
    bytes[3] = ':';
    memcpy(bytes + 4, s.data, s.len);
    put(text, '=', bytes, s.len + 4);
}

static void put_core(const kw_reply *reply, buffer *text) {
    static const char tags[] = {
        [KW_TYPE_STATUS] = '+', [KW_TYPE_ERROR] = '-',  [KW_TYPE_STRING] = '$',
        [KW_TYPE_BIGNUM] = '(', [KW_TYPE_DOUBLE] = ',', [KW_TYPE_ARRAY] = '*',
        [KW_TYPE_SET] = '~',    [KW_TYPE_PUSH] = '>',   [KW_TYPE_MAP] = '%',
    };
    kw_type type = kw_reply_type(reply);
    switch (type) {
    case KW_TYPE_NULL:
        put_count(text, '_', 0);
        break;
    case KW_TYPE_INTEGER:
        put_count(text, ':', (uint64_t)kw_reply_integer(reply));
        break;
    case KW_TYPE_BOOL:
        put(text, '#', kw_reply_bool(reply) ? "t" : "f", 1);
        break;
    case KW_TYPE_VERBATIM:
        put_verbatim(reply, text);
        break;
    case KW_TYPE_ARRAY:
    case KW_TYPE_SET:
    case KW_TYPE_PUSH:
    case KW_TYPE_MAP:
        put_children(reply, tags[type], text);
        break;
    default:
        put(text, tags[type], reply_slice(reply).data, reply_slice(reply).len);
        break;
    }
}

/* An attribute may have attributes of its own: those that came before it. */
static void put_attributes(const kw_reply *reply, buffer *text) {
    const kw_reply *attributes = kw_reply_attributes(reply);
    if (attributes) {
        put_attributes(attributes, text);
        put_children(attributes, '|', text);
    }
}

void naive_text_of(const kw_reply *reply, buffer *text) {
    put_attributes(reply, text);
    put_core(reply, text);
}
