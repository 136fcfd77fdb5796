#include "node/node_reader.h"

#include "core/limits.h"
#include "node/node_number.h"

#include <assert.h>
#include <stdio.h>

#define ARGUMENTS_AT_FIRST 8
#define ARGUMENTS_KEPT 256 /* of a list that was longer */
#define SHORT_ARGUMENTS 10
#define SHORT_BULK_BYTES 16384

void node_reader_init(node_reader *r, const mem *m) {
    *r = (node_reader){.mem = m, .bulk_bytes = -1};
}

void node_reader_done(node_reader *r) {
    if (r) {
        mem_free(r->mem, r->argv);
        node_reader_init(r, r->mem);
    }
}

static reader_result refuse(node_reader *r, const char *why) {
    (void)snprintf(r->error, sizeof r->error, "Protocol error: %s", why); /* our own texts fit */
    return READER_REFUSED;
}

/* ------------------------------------------------------------------------------- arguments */

static bool grow(node_reader *r) {
    size_t capacity = r->capacity ? 2 * r->capacity : ARGUMENTS_AT_FIRST;
    kw_slice *argv = mem_resize(r->mem, r->argv, capacity, sizeof *argv);
    if (argv) {
        r->argv = argv;
        r->capacity = capacity;
    }
    return argv != NULL;
}

static reader_result add_argument(node_reader *r, kw_slice argument) {
    if (r->argc == LIMIT_ARGUMENTS) {
        return refuse(r, "invalid multibulk length");
    }
    if (r->argc == r->capacity && !grow(r)) {
        return READER_NO_MEMORY;
    }
    r->argv[r->argc++] = argument;
    return READER_COMMAND;
}

/* The buffer has moved, and the arguments read so far with it. */
static void follow(node_reader *r, char *data) {
    for (size_t i = 0; i < r->argc; i++) {
        size_t offset = (uintptr_t)r->argv[i].data - r->base;
        r->argv[i].data = data + offset;
    }
    r->base = (uintptr_t)data;
}

static void begin(node_reader *r, char *data) {
    if (r->capacity > ARGUMENTS_KEPT) {
        mem_free(r->mem, r->argv);
        r->argv = NULL;
        r->capacity = 0;
    }
    r->argc = 0;
    r->at = 0;
    r->left = 0;
    r->bulk_bytes = -1;
    r->whole = false;
    r->base = (uintptr_t)data;
}

/* ------------------------------------------------------------------------------------ arrays */

/* A header line "<type><number>". The servers look for its end as in a C string, so a zero byte
 * hides it. True if it is whole: *ret_text is what follows the type, and `at` is behind it. */
static bool read_header(node_reader *r, const char *data, size_t len, kw_slice *ret_text) {
    for (size_t i = r->at; i + 1 < len && data[i] != '\0'; i++) {
        if (data[i] == '\r') { /* whatever the byte after it is */
            size_t begin_of_text = r->at + 1 < i ? r->at + 1 : i;
            *ret_text = slice_of(data + begin_of_text, i - begin_of_text);
            r->at = i + 2;
            return true;
        }
    }
    return false;
}

static bool read_number(kw_slice text, int64_t *ret) {
    if (text.len == 1 && text.data[0] >= '0' && text.data[0] <= '9') {
        *ret = text.data[0] - '0';
        return true;
    }
    return number_read_integer(text, ret);
}

static bool is_line_too_long(const node_reader *r, size_t len) {
    return len - r->at > LIMIT_LINE_BYTES;
}

static reader_result read_count(node_reader *r, const reader_limits *limits, const char *data,
                                size_t len) {
    kw_slice text;
    int64_t count;
    if (!read_header(r, data, len, &text)) {
        return is_line_too_long(r, len) ? refuse(r, "too big mbulk count string") : READER_MORE;
    }
    if (!read_number(text, &count) || count > INT32_MAX) {
        return refuse(r, "invalid multibulk length");
    }
    if (limits->short_only && count > SHORT_ARGUMENTS) {
        return refuse(r, "unauthenticated multibulk length");
    }
    r->left = count > 0 ? (uint64_t)count : 0;
    return READER_COMMAND;
}

static reader_result read_bulk_header(node_reader *r, const reader_limits *limits, const char *data,
                                      size_t len) {
    kw_slice text;
    int64_t bulk_bytes;
    size_t from = r->at;
    if (!read_header(r, data, len, &text)) {
        return is_line_too_long(r, len) ? refuse(r, "too big bulk count string") : READER_MORE;
    }
    if (data[from] != '$') {
        char why[] = "expected '$', got '?'";
        why[sizeof why - 3] = data[from];
        return refuse(r, why);
    }
    if (!read_number(text, &bulk_bytes) || bulk_bytes < 0 ||
        (uint64_t)bulk_bytes > limits->bulk_bytes) {
        return refuse(r, "invalid bulk length");
    }
    if (limits->short_only && bulk_bytes > SHORT_BULK_BYTES) {
        return refuse(r, "unauthenticated bulk length");
    }
    r->bulk_bytes = bulk_bytes;
    return READER_COMMAND;
}

static reader_result read_bulk(node_reader *r, const reader_limits *limits, const char *data,
                               size_t len) {
    if (r->bulk_bytes < 0) {
        reader_result result = read_bulk_header(r, limits, data, len);
        if (result != READER_COMMAND) {
            return result;
        }
    }
    size_t size = (size_t)r->bulk_bytes;
    if (len - r->at < 2 || len - r->at - 2 < size) {
        return READER_MORE;
    }
    reader_result result = add_argument(r, slice_of(data + r->at, size));
    r->at += size + 2; /* the servers do not look at what ends it either */
    r->bulk_bytes = -1;
    r->left--;
    return result;
}

static reader_result read_array(node_reader *r, const reader_limits *limits, const char *data,
                                size_t len) {
    reader_result result = r->at == 0 ? read_count(r, limits, data, len) : READER_COMMAND;
    while (result == READER_COMMAND && r->left > 0) {
        result = read_bulk(r, limits, data, len);
    }
    return result;
}

/* ------------------------------------------------------------------------------------- lines */

static bool is_space(char byte) {
    return byte == ' ' || ('\t' <= byte && byte <= '\r');
}

static bool ends_bare_word(char byte) {
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

static int hex_digit(char byte) {
    if ('0' <= byte && byte <= '9') {
        return byte - '0';
    }
    char lower = (char)(byte | 0x20);
    return 'a' <= lower && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* What follows a backslash in double quotes, at `from`; returns how many bytes that was. */
static size_t unescape(const char *from, const char *end, char *ret) {
    static const char escapes[] = "n\nr\rt\tb\ba\a";
    if (*from == 'x' && end - from >= 3 && hex_digit(from[1]) >= 0 && hex_digit(from[2]) >= 0) {
        *ret = (char)(hex_digit(from[1]) * 16 + hex_digit(from[2]));
        return 3;
    }
    *ret = *from;
    for (size_t i = 0; i + 1 < sizeof escapes; i += 2) {
        if (escapes[i] == *from) {
            *ret = escapes[i + 1];
        }
    }
    return 1;
}

/* The quoted part of a word, *from being behind its first quote, is written to *to. False: no quote
 * ends it, or no space follows. */
static bool unquote(const char **from, const char *end, char quote, char **to) {
    const char *at = *from;
    while (at < end && *at != quote) {
        char byte = *at++;
        if (byte == '\\' && at < end && (quote == '"' || *at == quote)) {
            at += unescape(at, end, &byte);
        }
        *(*to)++ = byte;
    }
    if (at == end || (at + 1 < end && !is_space(at[1]))) {
        return false;
    }
    *from = at + 1;
    return true;
}

/* The word at *from, written over itself; *from is then behind it. */
static bool read_word(char **from, const char *end, kw_slice *ret) {
    const char *at = *from;
    char *to = *from;
    char *word = to;
    bool quoted = false;
    while (!quoted && at < end && !ends_bare_word(*at)) {
        char byte = *at++;
        quoted = byte == '"' || byte == '\'';
        if (quoted && !unquote(&at, end, byte, &to)) {
            return false;
        }
        if (!quoted) {
            *to++ = byte;
        }
    }
    *ret = slice_of(word, (size_t)(to - word));
    *from += at - word;
    return true;
}

/* The line's end as the servers find it: a zero byte hides it. */
static char *find_line_end(char *data, size_t len) {
    char *end = memchr(data, '\n', len);
    return end && !memchr(data, '\0', (size_t)(end - data)) ? end : NULL;
}

static reader_result read_line(node_reader *r, char *data, size_t len) {
    char *end = find_line_end(data, len);
    if (!end) {
        return len > LIMIT_LINE_BYTES ? refuse(r, "too big inline request") : READER_MORE;
    }
    r->at = (size_t)(end - data) + 1;
    if (end > data && end[-1] == '\r') {
        end--;
    }
    for (char *at = data;;) {
        kw_slice word;
        while (at < end && is_space(*at)) {
            at++;
        }
        if (at == end) {
            return READER_COMMAND;
        }
        if (!read_word(&at, end, &word)) {
            return refuse(r, "unbalanced quotes in request");
        }
        reader_result result = add_argument(r, word);
        if (result != READER_COMMAND) {
            return result;
        }
    }
}

reader_result node_reader_next(node_reader *r, const reader_limits *limits, char *data, size_t len,
                               size_t *ret_len) {
    if (r->whole || r->at == 0) {
        begin(r, data);
    }
    if (len == 0) {
        return READER_MORE;
    }
    if (r->base != (uintptr_t)data) {
        follow(r, data);
    }
    reader_result result =
        data[0] == '*' ? read_array(r, limits, data, len) : read_line(r, data, len);
    if (result == READER_COMMAND) {
        r->whole = true;
        *ret_len = r->at;
    }
    return result;
}
