#include "core/format.h"

#include "base/buffer.h"
#include "base/number.h"
#include "core/limits.h"

#include <stdio.h>
#include <sys/types.h>

typedef enum conversion_kind {
    CONVERT_TEXT,
    CONVERT_BYTES,
    CONVERT_INT,
    CONVERT_LONG,
    CONVERT_LLONG,
    CONVERT_SSIZE,
    CONVERT_UINT,
    CONVERT_ULONG,
    CONVERT_ULLONG,
    CONVERT_SIZE,
    CONVERT_FIXED,
    CONVERT_GENERAL,
    CONVERT_PERCENT
} conversion_kind;

static const struct conversion {
    const char *text; /* none is the beginning of another */
    conversion_kind kind;
} conversions[] = {
    {"s", CONVERT_TEXT},    {"b", CONVERT_BYTES},    {"d", CONVERT_INT},    {"i", CONVERT_INT},
    {"u", CONVERT_UINT},    {"ld", CONVERT_LONG},    {"lu", CONVERT_ULONG}, {"lld", CONVERT_LLONG},
    {"zu", CONVERT_SIZE},   {"llu", CONVERT_ULLONG}, {"zd", CONVERT_SSIZE}, {"f", CONVERT_FIXED},
    {"%", CONVERT_PERCENT}, {"g", CONVERT_GENERAL},
};

/* A va_list may be an array: inside a struct it can be handed on by address everywhere. */
typedef struct reader {
    const char *at;
    va_list args;
    buffer bytes; /* of arguments made of several pieces; their slices have no data meanwhile */
    uint64_t size_bytes;
    const char *error;
} reader;

static kw_status invalid(reader *r, const char *why) {
    r->error = why;
    return KW_ERR_INVALID;
}

static const struct conversion *find_conversion(const char *at) {
    for (size_t i = 0; i < sizeof(conversions) / sizeof(conversions[0]); i++) {
        if (strncmp(at, conversions[i].text, strlen(conversions[i].text)) == 0) {
            return &conversions[i];
        }
    }
    return NULL;
}

static kw_slice signed_text(char dst[NUMBER_TEXT_BYTES], long long value) {
    int len = snprintf(dst, NUMBER_TEXT_BYTES, "%lld", value);
    return slice_of(dst, (size_t)len);
}

static kw_slice unsigned_text(char dst[NUMBER_TEXT_BYTES], unsigned long long value) {
    return slice_of(dst, number_from_u64(dst, value));
}

/* Takes the conversion's value from the arguments: where its bytes are, for text; else written to
 * dst. The data of the slice is NULL if the caller gave NULL. */
static kw_slice take_value(reader *r, conversion_kind kind, char dst[NUMBER_TEXT_BYTES]) {
    switch (kind) {
    case CONVERT_TEXT: {
        const char *text = va_arg(r->args, const char *);
        return text ? slice_text(text) : slice_of(NULL, 0);
    }
    case CONVERT_BYTES: {
        const char *data = va_arg(r->args, const char *);
        size_t len = va_arg(r->args, size_t);
        return slice_of(data || len > 0 ? data : "", len);
    }
    case CONVERT_INT:
        return signed_text(dst, va_arg(r->args, int));
    case CONVERT_LONG:
        return signed_text(dst, va_arg(r->args, long));
    case CONVERT_LLONG:
        return signed_text(dst, va_arg(r->args, long long));
    case CONVERT_SSIZE:
        return signed_text(dst, va_arg(r->args, ssize_t));
    case CONVERT_UINT:
        return unsigned_text(dst, va_arg(r->args, unsigned));
    case CONVERT_ULONG:
        return unsigned_text(dst, va_arg(r->args, unsigned long));
    case CONVERT_ULLONG:
        return unsigned_text(dst, va_arg(r->args, unsigned long long));
    case CONVERT_SIZE:
        return unsigned_text(dst, va_arg(r->args, size_t));
    case CONVERT_FIXED:
        return slice_of(dst, number_format(dst, 'f', 6, va_arg(r->args, double)));
    case CONVERT_GENERAL:
        return slice_of(dst, number_format(dst, 'g', 6, va_arg(r->args, double)));
    case CONVERT_PERCENT:
        return SLICE_LITERAL("%");
    }
    return slice_of(NULL, 0);
}

/* The next piece of an argument: plain text of the format, or one value. */
static kw_status take_piece(reader *r, char dst[NUMBER_TEXT_BYTES], kw_slice *ret) {
    kw_slice piece = slice_of(r->at, strcspn(r->at, " %"));
    if (piece.len > 0) {
        r->at += piece.len;
    } else {
        const struct conversion *conversion = find_conversion(r->at + 1);
        if (!conversion) {
            return invalid(
                r, "the format has a conversion other than %s %b %d %i %u %ld %lu %lld %llu "
                   "%zu %zd %f %g %%");
        }
        r->at += 1 + strlen(conversion->text);
        piece = take_value(r, conversion->kind, dst);
        if (!piece.data) {
            return invalid(r, "a %s or %b of the format was given NULL");
        }
    }
    if (piece.len > LIMIT_COMMAND_BYTES - r->size_bytes) {
        r->error = "the command is over the limit on its bytes";
        return KW_ERR_LIMIT;
    }
    r->size_bytes += piece.len;
    *ret = piece;
    return KW_OK;
}

/* An argument of one piece that stays where it is needs no copy; any other is put together. */
static kw_status take_argument(reader *r, kw_slice *ret) {
    char text[NUMBER_TEXT_BYTES];
    kw_slice piece;
    kw_status status = take_piece(r, text, &piece);
    if (status != KW_OK) {
        return status;
    }
    bool ends = *r->at == '\0' || *r->at == ' ';
    if (ends && piece.data != text) {
        *ret = piece;
        return KW_OK;
    }
    size_t before = buffer_len(&r->bytes);
    if (!buffer_append_slice(&r->bytes, piece)) {
        return KW_ERR_NOMEM;
    }
    while (*r->at != '\0' && *r->at != ' ') {
        status = take_piece(r, text, &piece);
        if (status != KW_OK) {
            return status;
        }
        if (!buffer_append_slice(&r->bytes, piece)) {
            return KW_ERR_NOMEM;
        }
    }
    *ret = slice_of(NULL, buffer_len(&r->bytes) - before);
    return KW_OK;
}

static size_t count_words(const char *format) {
    size_t count = 0;
    for (const char *at = format + strspn(format, " "); *at != '\0'; at += strspn(at, " ")) {
        count++;
        at += strcspn(at, " ");
    }
    return count;
}

static kw_status take_all(reader *r, kw_slice *argv, size_t argc) {
    for (size_t i = 0; i < argc; i++) {
        r->at += strspn(r->at, " ");
        kw_status status = take_argument(r, &argv[i]);
        if (status != KW_OK) {
            return status;
        }
    }
    /* Only now do the bytes not move any more. */
    const char *next = buffer_slice(&r->bytes).data;
    for (size_t i = 0; i < argc; i++) {
        if (!argv[i].data) {
            argv[i].data = next;
            next += argv[i].len;
        }
    }
    return KW_OK;
}

kw_status format_command(const mem *m, const char *format, va_list args, format_args *ret,
                         const char **ret_error) {
    size_t argc = format ? count_words(format) : 0;
    if (argc == 0) {
        *ret_error = "the format has no argument";
        return KW_ERR_INVALID;
    }
    if (argc > LIMIT_ARGUMENTS) {
        *ret_error = "the command is over the limit on its arguments";
        return KW_ERR_LIMIT;
    }
    kw_slice *argv = mem_calloc(m, argc, sizeof(*argv));
    if (!argv) {
        *ret_error = "out of memory";
        return KW_ERR_NOMEM;
    }
    reader r = {.at = format, .error = "out of memory"};
    buffer_init(&r.bytes, m, 0);
    va_copy(r.args, args);
    kw_status status = take_all(&r, argv, argc);
    va_end(r.args);
    if (status != KW_OK) {
        buffer_done(&r.bytes);
        mem_free(m, argv);
        *ret_error = r.error;
        return status;
    }
    *ret = (format_args){.mem = m, .argv = argv, .argc = argc, .bytes = r.bytes.data};
    return KW_OK;
}

void format_args_done(format_args *f) {
    if (f && f->mem) {
        mem_free(f->mem, f->argv);
        mem_free(f->mem, f->bytes);
        *f = (format_args){.mem = f->mem};
    }
}
