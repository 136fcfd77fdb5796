#include "core/resp.h"

#include "base/number.h"
#include "core/resp_short.h"

#include <assert.h>
#include <math.h>

const resp_limits resp_limits_default = {
    .value_bytes = LIMIT_REPLY_BYTES,
    .bulk_bytes = LIMIT_BULK_BYTES,
    .elements = LIMIT_REPLY_ELEMENTS,
    .values = LIMIT_REPLY_VALUES,
    .depth = LIMIT_REPLY_DEPTH,
};

/* ------------------------------------------------------------------ scanner */

#define SHORT_ARRAY_BYTES 4 /* "*1\r\n" */

typedef enum value_shape {
    SHAPE_NONE, /* not a type */
    SHAPE_TEXT,
    SHAPE_INTEGER,
    SHAPE_DOUBLE,
    SHAPE_BOOL,
    SHAPE_NULL,
    SHAPE_BIGNUM,
    SHAPE_BULK,
    SHAPE_AGGREGATE
} value_shape;

static value_shape shape_of(char type) {
    switch (type) {
    case '+':
    case '-':
        return SHAPE_TEXT;
    case ':':
        return SHAPE_INTEGER;
    case ',':
        return SHAPE_DOUBLE;
    case '#':
        return SHAPE_BOOL;
    case '_':
        return SHAPE_NULL;
    case '(':
        return SHAPE_BIGNUM;
    case '$':
    case '!':
    case '=':
        return SHAPE_BULK;
    case '*':
    case '~':
    case '>':
    case '%':
    case '|':
        return SHAPE_AGGREGATE;
    default:
        return SHAPE_NONE;
    }
}

void resp_scanner_init(resp_scanner *s, const resp_limits *limits) {
    assert(limits->depth <= LIMIT_REPLY_DEPTH);
    s->limits = limits;
    s->offset = 0;
    s->line_end = 0;
    s->body_end = 0;
    s->body_type = 0;
    s->node_count = 0;
    s->depth = 0;
    s->error = NULL;
    s->over_limit = false;
}

static resp_progress broken(resp_scanner *s, const char *why) {
    s->error = why;
    return RESP_BROKEN;
}

static resp_progress over_limit(resp_scanner *s, const char *why) {
    s->over_limit = true;
    return broken(s, why);
}

/* The line that begins at offset, without its CRLF. */
static resp_progress find_line(resp_scanner *s, const char *data, size_t len, kw_slice *ret) {
    size_t begin = (size_t)s->offset;
    size_t from = s->line_end > s->offset ? (size_t)s->line_end : begin;
    const char *cr = len > from ? memchr(data + from, '\r', len - from) : NULL;
    size_t end = cr ? (size_t)(cr - data) : len;
    if (end > from && memchr(data + from, '\n', end - from)) {
        return broken(s, "a line feed without its carriage return");
    }
    s->line_end = end;
    if (end - begin > LIMIT_LINE_BYTES) {
        return over_limit(s, "the reply has a line over the limit on a line's bytes");
    }
    if (end + 2 - begin > s->limits->value_bytes - s->offset) {
        return over_limit(s, "the reply is over the limit on a reply's bytes");
    }
    if (!cr || end + 1 >= len) {
        return RESP_MORE;
    }
    if (data[end + 1] != '\n') {
        return broken(s, "a carriage return without its line feed");
    }
    *ret = slice_of(data + begin, end - begin);
    return RESP_DONE;
}

/* RESP allows a plus sign, which slice_to_i64 does not. */
static bool is_integer(kw_slice text) {
    int64_t value;
    if (text.len > 1 && text.data[0] == '+' && text.data[1] != '-') {
        text = slice_of(text.data + 1, text.len - 1);
    }
    return slice_to_i64(text, &value);
}

static bool is_bignum(kw_slice text) {
    size_t at = text.len > 0 && (text.data[0] == '-' || text.data[0] == '+') ? 1 : 0;
    if (at == text.len) {
        return false;
    }
    while (at < text.len && text.data[at] >= '0' && text.data[at] <= '9') {
        at++;
    }
    return at == text.len;
}

/* A value has ended: so may have the aggregates that it was the last of. */
static resp_progress value_ended(resp_scanner *s) {
    while (s->depth > 0) {
        if (--s->remaining[s->depth - 1] > 0) {
            return RESP_MORE;
        }
        s->depth--;
        if (s->attribute[s->depth]) {
            return RESP_MORE;
        }
    }
    return RESP_DONE;
}

static resp_progress scan_scalar(resp_scanner *s, value_shape shape, kw_slice text) {
    double number;
    switch (shape) {
    case SHAPE_INTEGER:
        if (!is_integer(text)) {
            return broken(s, "an integer that is none");
        }
        break;
    case SHAPE_DOUBLE:
        if (!number_parse(text, &number)) {
            return broken(s, "a double that is none");
        }
        break;
    case SHAPE_BOOL:
        if (!slice_is(text, "t") && !slice_is(text, "f")) {
            return broken(s, "a boolean that is neither t nor f");
        }
        break;
    case SHAPE_NULL:
        if (text.len > 0) {
            return broken(s, "a null with bytes in it");
        }
        break;
    case SHAPE_BIGNUM:
        if (!is_bignum(text)) {
            return broken(s, "a big number that is none");
        }
        break;
    default:
        assert(shape == SHAPE_TEXT);
        break;
    }
    return value_ended(s);
}

/* The header of a string; its bytes follow. */
static resp_progress scan_bulk(resp_scanner *s, char type, kw_slice text) {
    uint64_t len;
    if (type == '$' && slice_is(text, "-1")) {
        return value_ended(s);
    }
    if (slice_is(text, "?")) {
        return broken(s, "a streamed string, which no server sends");
    }
    if (!slice_to_u64(text, &len)) {
        return broken(s, "a string length that is no number");
    }
    if (len > s->limits->bulk_bytes) {
        return over_limit(s, "the reply has a string over the limit on a string's bytes");
    }
    if (len + 2 > s->limits->value_bytes - s->offset) {
        return over_limit(s, "the reply is over the limit on a reply's bytes");
    }
    if (type == '=' && len < 4) {
        return broken(s, "a verbatim string without its format");
    }
    s->body_type = type;
    s->body_end = s->offset + len + 2;
    return RESP_MORE;
}

static resp_progress scan_body(resp_scanner *s, const char *data, size_t len) {
    if (len < s->body_end) {
        return RESP_MORE;
    }
    size_t end = (size_t)s->body_end;
    if (data[end - 2] != '\r' || data[end - 1] != '\n') {
        return broken(s, "a string that does not end where its length says");
    }
    if (s->body_type == '=' && data[s->offset + 3] != ':') {
        return broken(s, "a verbatim string without its format");
    }
    s->offset = s->body_end;
    s->body_end = 0;
    return value_ended(s);
}

static resp_progress scan_aggregate(resp_scanner *s, char type, kw_slice text) {
    uint64_t count;
    if (type == '*' && slice_is(text, "-1")) {
        return value_ended(s);
    }
    if (slice_is(text, "?")) {
        return broken(s, "a streamed aggregate, which no server sends");
    }
    if (!slice_to_u64(text, &count)) {
        return broken(s, "an element count that is no number");
    }
    if (type == '>' && s->depth > 0) {
        return broken(s, "a push inside another value");
    }
    bool pairs = type == '%' || type == '|';
    s->node_count += type == '|' ? RESP_ATTRIBUTE_NODES - 1 : 0;
    if (count > s->limits->elements / (pairs ? 2 : 1)) {
        return over_limit(s, "the reply has an aggregate over the limit on its elements");
    }
    if (count == 0) {
        return type == '|' ? RESP_MORE : value_ended(s);
    }
    if (s->depth >= s->limits->depth) {
        return over_limit(s, "the reply is over the limit on nesting");
    }
    s->remaining[s->depth] = pairs ? count * 2 : count;
    s->attribute[s->depth] = type == '|';
    s->depth++;
    return RESP_MORE;
}

/* One line: a whole value, or the header of one. RESP_MORE: go on, if *ret_more_bytes is false. */
static resp_progress scan_line(resp_scanner *s, const char *data, size_t len,
                               bool *ret_more_bytes) {
    *ret_more_bytes = false;
    char type = data[s->offset];
    value_shape shape = shape_of(type);
    if (shape == SHAPE_NONE) {
        return broken(s, "a byte that begins no value");
    }
    kw_slice line;
    resp_progress progress = find_line(s, data, len, &line);
    if (progress != RESP_DONE) {
        *ret_more_bytes = true;
        return progress;
    }
    kw_slice text = slice_of(line.data + 1, line.len - 1);
    s->offset += line.len + 2;
    if (++s->node_count > s->limits->values) {
        return over_limit(s, "the reply is over the limit on a reply's values");
    }
    if (shape == SHAPE_BULK) {
        return scan_bulk(s, type, text);
    }
    if (shape == SHAPE_AGGREGATE) {
        return scan_aggregate(s, type, text);
    }
    return scan_scalar(s, shape, text);
}

/* Passes over the short values that come next in this aggregate, up to its last but one; true if
 * that one is short as well: it is then behind us, but has not been counted off. */
static bool scan_elements(resp_scanner *s, const char *data, size_t len) {
    uint64_t *remaining = &s->remaining[s->depth - 1];
    kw_slice text;
    size_t at = (size_t)s->offset;
    uint64_t most = s->limits->value_bytes - RESP_PEEK_BYTES_MAX;
    bool short_one = false;
    while (at < len && s->line_end <= at && at < most && s->node_count < s->limits->values) {
        size_t size = resp_peek(data + at, len - at, s->limits, &text);
        if (size == 0) {
            break;
        }
        at += size;
        s->node_count++;
        short_one = *remaining == 1;
        if (short_one) {
            break;
        }
        --*remaining;
    }
    s->offset = at;
    return short_one;
}

/* The head of an array of less than ten, whole. */
static bool is_short_array(const resp_scanner *s, const char *data, size_t len) {
    const char *at = data + s->offset;
    return len - s->offset >= SHORT_ARRAY_BYTES && at[0] == '*' && at[1] >= '0' && at[1] <= '9' &&
           resp_ends_line(at + 2) && s->line_end <= s->offset && s->depth < s->limits->depth &&
           s->node_count < s->limits->values && s->limits->elements >= 9 &&
           s->limits->value_bytes - s->offset >= SHORT_ARRAY_BYTES;
}

static resp_progress scan_short_array(resp_scanner *s, const char *data) {
    uint64_t count = (uint64_t)(data[s->offset + 1] - '0');
    s->offset += SHORT_ARRAY_BYTES;
    s->node_count++;
    if (count == 0) {
        return value_ended(s);
    }
    s->remaining[s->depth] = count;
    s->attribute[s->depth] = false;
    s->depth++;
    return RESP_MORE;
}

resp_progress resp_scan(resp_scanner *s, const char *data, size_t len) {
    resp_progress progress = RESP_MORE;
    if (s->error) {
        return RESP_BROKEN;
    }
    while (progress == RESP_MORE) {
        bool more_bytes = false;
        if (s->body_end != 0) {
            more_bytes = len < s->body_end;
            progress = scan_body(s, data, len);
        } else if (s->depth > 0 && scan_elements(s, data, len)) {
            progress = value_ended(s);
        } else if (s->offset < len && is_short_array(s, data, len)) {
            progress = scan_short_array(s, data);
        } else if (s->offset < len) {
            progress = scan_line(s, data, len, &more_bytes);
        } else {
            more_bytes = true;
        }
        if (more_bytes) {
            return progress;
        }
    }
    return progress;
}

/* ------------------------------------------------------------------ writers */

/* One header line: a type byte, a number, CRLF. */
static bool write_header(buffer *b, char type, uint64_t count) {
    char line[NUMBER_U64_BYTES + 3] = {type};
    size_t len = 1 + number_from_u64(line + 1, count);
    line[len++] = '\r';
    line[len++] = '\n';
    return buffer_append(b, line, len);
}

/* Text that came from elsewhere must not end the line: as the servers do, CR and LF become
 * spaces. */
static bool write_line(buffer *b, char type, const char *text) {
    size_t len = strlen(text);
    if (len > SIZE_MAX - 3) {
        return false;
    }
    char *dst = buffer_reserve(b, len + 3);
    if (!dst) {
        return false;
    }
    *dst++ = type;
    for (size_t i = 0; i < len; i++) {
        *dst++ = text[i] == '\r' || text[i] == '\n' ? ' ' : text[i];
    }
    *dst++ = '\r';
    *dst = '\n';
    buffer_commit(b, len + 3);
    return true;
}

bool resp_write_status(buffer *b, const char *text) {
    return write_line(b, '+', text);
}

bool resp_write_error(buffer *b, const char *text) {
    return write_line(b, '-', text);
}

bool resp_write_integer(buffer *b, int64_t value) {
    char line[NUMBER_U64_BYTES + 4] = {':'};
    size_t len = 1;
    uint64_t magnitude = (uint64_t)value;
    if (value < 0) {
        line[len++] = '-';
        magnitude = 0 - magnitude;
    }
    len += number_from_u64(line + len, magnitude);
    line[len++] = '\r';
    line[len++] = '\n';
    return buffer_append(b, line, len);
}

static inline size_t digit_count(size_t number) {
    size_t count = number < 10 ? 1 : 2;
    for (; number >= 100; number /= 10) {
        count++;
    }
    return count;
}

static size_t bulk_size(size_t len) {
    return 1 + digit_count(len) + 2 + len + 2;
}

static inline char *put_crlf(char *dst) {
    memcpy(dst, "\r\n", 2);
    return dst + 2;
}

/* Most numbers of a command have one digit or two. */
static inline char *encode_header(char *dst, char type, size_t count) {
    if (count < 10) {
        const char line[] = {type, (char)('0' + count), '\r', '\n'};
        memcpy(dst, line, sizeof line);
        return dst + sizeof line;
    }
    *dst++ = type;
    if (count < 100) {
        const char digits[] = {(char)('0' + count / 10), (char)('0' + count % 10), '\r', '\n'};
        memcpy(dst, digits, sizeof digits);
        return dst + sizeof digits;
    }
    dst += number_from_u64(dst, count);
    return put_crlf(dst);
}

static inline char *encode_bulk(char *dst, char type, kw_slice s) {
    dst = encode_header(dst, type, s.len);
    return put_crlf(slice_put(dst, s));
}

bool resp_write_bulk(buffer *b, kw_slice s) {
    if (s.len > SIZE_MAX - 64) {
        return false;
    }
    char *dst = buffer_reserve(b, bulk_size(s.len));
    if (!dst) {
        return false;
    }
    char *end = encode_bulk(dst, '$', s);
    buffer_commit(b, (size_t)(end - dst));
    return true;
}

bool resp_write_bulk_text(buffer *b, const char *text) {
    return resp_write_bulk(b, slice_text(text));
}

bool resp_write_null(buffer *b, int resp) {
    return buffer_append_text(b, resp >= 3 ? "_\r\n" : "$-1\r\n");
}

bool resp_write_null_array(buffer *b, int resp) {
    return buffer_append_text(b, resp >= 3 ? "_\r\n" : "*-1\r\n");
}

bool resp_write_array(buffer *b, size_t count) {
    return write_header(b, '*', count);
}

bool resp_write_map(buffer *b, int resp, size_t pairs) {
    return resp >= 3 ? write_header(b, '%', pairs) : write_header(b, '*', pairs * 2);
}

bool resp_write_set(buffer *b, int resp, size_t count) {
    return write_header(b, resp >= 3 ? '~' : '*', count);
}

bool resp_write_double(buffer *b, int resp, double value) {
    char text[1 + NUMBER_TEXT_BYTES + 2] = {','};
    size_t len = number_format(text + 1, 'g', 17, value);
    if (resp < 3) {
        return resp_write_bulk(b, slice_of(text + 1, len));
    }
    text[1 + len] = '\r';
    text[2 + len] = '\n';
    return buffer_append(b, text, len + 3);
}

bool resp_write_verbatim(buffer *b, int resp, kw_slice text) {
    if (resp < 3) {
        return resp_write_bulk(b, text);
    }
    if (text.len > SIZE_MAX - 64) {
        return false;
    }
    size_t size = bulk_size(text.len + 4);
    char *start = buffer_reserve(b, size);
    if (!start) {
        return false;
    }
    char *dst = encode_header(start, '=', text.len + 4);
    memcpy(dst, "txt:", 4);
    dst += 4;
    if (text.len > 0) {
        memcpy(dst, text.data, text.len);
        dst += text.len;
    }
    memcpy(dst, "\r\n", 2);
    buffer_commit(b, size);
    return true;
}

/* ----------------------------------------------------------------- commands */

uint64_t resp_command_size(const kw_slice *argv, size_t argc) {
    uint64_t size = 1 + digit_count(argc) + 2;
    for (size_t i = 0; i < argc; i++) {
        size += bulk_size(argv[i].len);
    }
    return size;
}

char *resp_command_encode(char *dst, const kw_slice *argv, size_t argc) {
    dst = encode_header(dst, '*', argc);
    for (size_t i = 0; i < argc; i++) {
        dst = encode_bulk(dst, '$', argv[i]);
    }
    return dst;
}

char *resp_command_encode_around(char *dst, const kw_slice *argv, size_t argc, size_t apart,
                                 char **ret_gap) {
    dst = encode_header(dst, '*', argc);
    for (size_t i = 0; i < argc; i++) {
        if (i == apart) {
            *ret_gap = encode_header(dst, '$', argv[i].len);
            dst = put_crlf(*ret_gap);
        } else {
            dst = encode_bulk(dst, '$', argv[i]);
        }
    }
    return dst;
}

#define HEAD(n) "\r\n$" #n "\r\n"
#define HEADS(d)                                                                                   \
    HEAD(d##0), HEAD(d##1), HEAD(d##2), HEAD(d##3), HEAD(d##4), HEAD(d##5), HEAD(d##6),            \
        HEAD(d##7), HEAD(d##8), HEAD(d##9)

const char resp_short_heads[RESP_SHORT_BYTES + 1][8] = {HEADS(),  HEADS(1), HEADS(2), HEADS(3),
                                                        HEADS(4), HEADS(5), HEADS(6), HEADS(7),
                                                        HEADS(8), HEADS(9)};

/* A command as it is read: where the next byte is, and what is wrong. */
typedef struct command_reader {
    const char *data;
    size_t len;
    size_t at;
    const char *error;
} command_reader;

static resp_progress refuse(command_reader *r, const char *why) {
    r->error = why;
    return RESP_BROKEN;
}

/* A header line "<type><number>"; `why_long` and `why_wrong` are the servers' words. */
static resp_progress read_header(command_reader *r, const char *why_long, const char *why_wrong,
                                 int64_t *ret) {
    const char *begin = r->data + r->at;
    size_t rest = r->len - r->at;
    const char *cr = memchr(begin, '\r', rest);
    size_t line_len = cr ? (size_t)(cr - begin) : rest;
    if (line_len > LIMIT_LINE_BYTES) {
        return refuse(r, why_long);
    }
    if (!cr || line_len + 1 >= rest) {
        return RESP_MORE;
    }
    if (begin[line_len + 1] != '\n' || !slice_to_i64(slice_of(begin + 1, line_len - 1), ret)) {
        return refuse(r, why_wrong);
    }
    r->at += line_len + 2;
    return RESP_DONE;
}

static resp_progress read_argument(command_reader *r, kw_slice *ret) {
    int64_t len;
    if (r->at >= r->len) {
        return RESP_MORE;
    }
    if (r->data[r->at] != '$') {
        return refuse(r, "Protocol error: expected '$'");
    }
    resp_progress progress = read_header(r, "Protocol error: too big bulk count string",
                                         "Protocol error: invalid bulk length", &len);
    if (progress != RESP_DONE) {
        return progress;
    }
    if (len < 0 || (uint64_t)len > LIMIT_BULK_BYTES) {
        return refuse(r, "Protocol error: invalid bulk length");
    }
    size_t size = (size_t)len;
    if (r->len - r->at < size + 2) {
        return RESP_MORE;
    }
    const char *bytes = r->data + r->at;
    if (bytes[size] != '\r' || bytes[size + 1] != '\n') {
        return refuse(r, "Protocol error: expected CRLF after a bulk string");
    }
    *ret = slice_of(bytes, size);
    r->at += size + 2;
    return RESP_DONE;
}

static resp_progress read_multibulk(command_reader *r, kw_slice *argv, size_t argv_max,
                                    size_t *ret_argc) {
    int64_t count;
    resp_progress progress = read_header(r, "Protocol error: too big mbulk count string",
                                         "Protocol error: invalid multibulk length", &count);
    if (progress != RESP_DONE) {
        return progress;
    }
    size_t argc = count > 0 ? (size_t)count : 0;
    if (argc > argv_max) {
        return refuse(r, "Protocol error: invalid multibulk length");
    }
    for (size_t i = 0; i < argc; i++) {
        progress = read_argument(r, &argv[i]);
        if (progress != RESP_DONE) {
            return progress;
        }
    }
    *ret_argc = argc;
    return RESP_DONE;
}

static resp_progress read_inline(command_reader *r, kw_slice *argv, size_t argv_max,
                                 size_t *ret_argc) {
    const char *lf = memchr(r->data, '\n', r->len);
    size_t line_len = lf ? (size_t)(lf - r->data) : r->len;
    if (line_len > LIMIT_LINE_BYTES) {
        return refuse(r, "Protocol error: too big inline request");
    }
    if (!lf) {
        return RESP_MORE;
    }
    r->at = line_len + 1;
    if (line_len > 0 && r->data[line_len - 1] == '\r') {
        line_len--;
    }
    kw_slice rest = slice_of(r->data, line_len);
    kw_slice word;
    size_t argc = 0;
    while (slice_split(&rest, ' ', &word)) {
        if (word.len == 0) {
            continue;
        }
        if (argc == argv_max) {
            return refuse(r, "Protocol error: too many arguments in an inline request");
        }
        argv[argc++] = word;
    }
    *ret_argc = argc;
    return RESP_DONE;
}

resp_progress resp_read_command(const char *data, size_t len, kw_slice *argv, size_t argv_max,
                                size_t *ret_argc, size_t *ret_len, const char **ret_error) {
    if (len == 0) {
        return RESP_MORE;
    }
    command_reader r = {.data = data, .len = len};
    size_t argc = 0;
    resp_progress progress = data[0] == '*' ? read_multibulk(&r, argv, argv_max, &argc)
                                            : read_inline(&r, argv, argv_max, &argc);
    if (progress == RESP_DONE) {
        *ret_argc = argc;
        *ret_len = r.at;
    } else if (progress == RESP_BROKEN) {
        *ret_error = r.error;
    }
    return progress;
}
