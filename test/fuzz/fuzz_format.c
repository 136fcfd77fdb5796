/* The printf-like form of a command. The input is a format, whose conversions are made to fit the
 * values that are given; what comes of it is what snprintf would make of each word. */
#include "core/format.h"
#include "fuzz/fuzz.h"

#include <stdarg.h>

enum { VALUES = 12, BYTES_MAX = 512, KINDS = 7 };

static const char text[] = "a b%c";
static const char bytes[] = {'x', '\0', ' ', '%', '\r', '\n'};

/* What may stand for each kind of value, and how C writes it. */
static const struct kind {
    const char *names[4];
    const char *as;
} kinds[KINDS] = {
    {{"s"}, "a b%c"},
    {{"b"}, NULL},
    {{"d", "i"}, "-2147483648"},
    {{"ld", "lld", "zd"}, "-9223372036854775807"},
    {{"lu", "llu", "zu"}, "18446744073709551615"},
    {{"u"}, "4294967295"},
    {{"f", "g"}, NULL},
};

typedef struct expected {
    char format[BYTES_MAX * 4 + 1];
    size_t format_len;
    char bytes[BYTES_MAX * 16];
    size_t len;
    size_t ends[BYTES_MAX];
    size_t count;
    bool in_word;
    bool invalid;
} expected;

static void put(expected *e, const char *data, size_t len) {
    memcpy(e->bytes + e->len, data, len);
    e->len += len;
}

static void put_value(expected *e, size_t kind, const char *name) {
    if (kinds[kind].as) {
        put(e, kinds[kind].as, strlen(kinds[kind].as));
    } else if (*name == 'b') {
        put(e, bytes, sizeof bytes);
    } else {
        put(e, *name == 'f' ? "-0.125000" : "-0.125", *name == 'f' ? 9 : 6);
    }
}

/* One character of the input: as it is, or, for a control character, as a conversion. */
static void add(expected *e, uint8_t c, size_t kind, size_t *values) {
    const char *name = NULL;
    if (c == ' ' || c == 0) {
        e->format[e->format_len++] = ' ';
        if (e->in_word) {
            e->ends[e->count++] = e->len;
            e->in_word = false;
        }
        return;
    }
    e->in_word = true;
    if (c < ' ' && *values < VALUES) {
        size_t count = 0;
        while (count < 4 && kinds[kind].names[count]) {
            count++;
        }
        name = kinds[kind].names[c % count];
        ++*values;
        put_value(e, kind, name);
    } else if (c == '%') {
        name = "%";
        put(e, "%", 1);
    } else if (c == 255) {
        name = "q"; /* there is none of that name */
        e->invalid = true;
    }
    if (name) {
        e->format[e->format_len++] = '%';
        memcpy(e->format + e->format_len, name, strlen(name));
        e->format_len += strlen(name);
    } else {
        e->format[e->format_len++] = (char)c;
        put(e, (const char *)&c, 1);
    }
}

static kw_status read_format(format_args *ret, const char **why, const char *format, ...) {
    va_list args;
    va_start(args, format);
    kw_status status = format_command(&mem_default, format, args, ret, why);
    va_end(args);
    return status;
}

#define TWELVE(v) v, v, v, v, v, v, v, v, v, v, v, v

static kw_status read_kind(size_t kind, const char *format, format_args *ret, const char **why) {
    switch (kind) {
    case 0:
        return read_format(ret, why, format, TWELVE(text));
    case 1:
#define PAIR bytes, sizeof bytes
        return read_format(ret, why, format, PAIR, PAIR, PAIR, PAIR, PAIR, PAIR, PAIR, PAIR, PAIR,
                           PAIR, PAIR, PAIR);
    case 2:
        return read_format(ret, why, format, TWELVE(INT32_MIN));
    case 3:
        return read_format(ret, why, format, TWELVE((long)-INT64_MAX));
    case 4:
        return read_format(ret, why, format, TWELVE(SIZE_MAX));
    case 5:
        return read_format(ret, why, format, TWELVE(UINT32_MAX));
    default:
        return read_format(ret, why, format, TWELVE(-0.125));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static expected e;
    format_args args;
    const char *why = NULL;
    size_t values = 0;
    if (size == 0 || size > BYTES_MAX) {
        return 0;
    }
    size_t kind = data[0] % KINDS;
    memset(&e, 0, sizeof e);
    for (size_t i = 1; i < size; i++) {
        add(&e, data[i], kind, &values);
    }
    if (e.in_word) {
        e.ends[e.count++] = e.len;
    }
    char *format = fuzz_copy((const uint8_t *)e.format, e.format_len + 1);
    kw_status status = read_kind(kind, format, &args, &why);
    fuzz_check((status == KW_OK) == (e.count > 0 && !e.invalid));
    if (status == KW_OK) {
        fuzz_check(args.argc == e.count);
        for (size_t i = 0, start = 0; i < e.count; start = e.ends[i++]) {
            fuzz_check(slice_equal(args.argv[i], slice_of(e.bytes + start, e.ends[i] - start)));
        }
        format_args_done(&args);
    } else {
        fuzz_check(status == KW_ERR_INVALID && why);
    }
    free(format);
    return 0;
}
