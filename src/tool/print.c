#include "tool/print.h"

#include "tool/json.h"
#include "tool/quote.h"

#include <stdio.h>

static kw_slice text_of(const kw_reply *reply) {
    size_t len = 0;
    const char *data = kw_reply_string(reply, &len);
    return data ? slice_of(data, len) : SLICE_LITERAL("");
}

static void print_slice(out *o, kw_slice s) {
    out_bytes(o, s.data, s.len);
}

/* How an aggregate looks: what follows each number, and what stands for none. */
typedef struct aggregate {
    char mark;
    const char *empty;
} aggregate;

static aggregate aggregate_of(kw_type type) {
    switch (type) {
    case KW_TYPE_MAP:
        return (aggregate){'#', "(empty hash)"};
    case KW_TYPE_SET:
        return (aggregate){'~', "(empty set)"};
    case KW_TYPE_PUSH:
        return (aggregate){')', "(empty push)"};
    default:
        return (aggregate){')', "(empty array)"};
    }
}

static int digits_of(size_t n) {
    int digits = 1;
    while (n >= 10) {
        n /= 10;
        digits++;
    }
    return digits;
}

static void print_typed(out *o, const kw_reply *reply, int indent);

/* Whether redis-cli starts a map's value on a line of its own. */
static bool takes_lines(const kw_reply *value) {
    while (kw_reply_count(value) == 1) {
        value = kw_reply_at(value, 0);
    }
    return kw_reply_count(value) > 1;
}

/* No line end after the last element: whoever asked for the whole adds it. */
static void print_aggregate(out *o, const kw_reply *reply, int indent) {
    size_t count = kw_reply_count(reply);
    aggregate look = aggregate_of(kw_reply_type(reply));
    if (count == 0) {
        out_text(o, look.empty);
        return;
    }
    int width = digits_of(count);
    int deeper = indent + width + 2;
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            out_char(o, '\n');
            out_fill(o, " ", (size_t)indent);
        }
        out_printf(o, "%*zu%c ", width, i + 1, look.mark);
        const kw_reply *key = kw_reply_key(reply, i);
        if (key) {
            print_typed(o, key, deeper);
            out_text(o, " => ");
            if (takes_lines(kw_reply_at(reply, i))) {
                out_char(o, '\n');
                out_fill(o, " ", (size_t)deeper);
            }
        }
        print_typed(o, kw_reply_at(reply, i), deeper);
    }
}

static void print_typed(out *o, const kw_reply *reply, int indent) {
    switch (kw_reply_type(reply)) {
    case KW_TYPE_STATUS:
    case KW_TYPE_VERBATIM:
        print_slice(o, text_of(reply));
        break;
    case KW_TYPE_ERROR:
        out_text(o, "(error) ");
        print_slice(o, text_of(reply));
        break;
    case KW_TYPE_INTEGER:
        out_printf(o, "(integer) %lld", (long long)kw_reply_integer(reply));
        break;
    case KW_TYPE_STRING:
        quote_write(o, text_of(reply));
        break;
    case KW_TYPE_NULL:
        out_text(o, "(nil)");
        break;
    case KW_TYPE_DOUBLE:
        out_text(o, "(double) ");
        print_slice(o, text_of(reply));
        break;
    case KW_TYPE_BOOL:
        out_text(o, kw_reply_bool(reply) ? "(true)" : "(false)");
        break;
    case KW_TYPE_BIGNUM: /* redis-cli 7.0 gives up here; this is our own */
        out_text(o, "(bignum) ");
        print_slice(o, text_of(reply));
        break;
    case KW_TYPE_ARRAY:
    case KW_TYPE_MAP:
    case KW_TYPE_SET:
    case KW_TYPE_PUSH:
        print_aggregate(o, reply, indent);
        break;
    }
}

static void print_raw(out *o, const kw_reply *reply) {
    switch (kw_reply_type(reply)) {
    case KW_TYPE_ERROR:
        print_slice(o, text_of(reply));
        out_char(o, '\n');
        break;
    case KW_TYPE_STATUS:
    case KW_TYPE_STRING:
    case KW_TYPE_VERBATIM:
    case KW_TYPE_DOUBLE: /* as the server wrote it */
    case KW_TYPE_BIGNUM:
        print_slice(o, text_of(reply));
        break;
    case KW_TYPE_INTEGER:
        out_printf(o, "%lld", (long long)kw_reply_integer(reply));
        break;
    case KW_TYPE_NULL:
        break;
    case KW_TYPE_BOOL:
        out_text(o, kw_reply_bool(reply) ? "(true)" : "(false)");
        break;
    case KW_TYPE_ARRAY:
    case KW_TYPE_MAP:
    case KW_TYPE_SET:
    case KW_TYPE_PUSH:
        for (size_t i = 0; i < kw_reply_count(reply); i++) {
            const kw_reply *key = kw_reply_key(reply, i);
            out_text(o, i > 0 ? "\n" : "");
            if (key) {
                print_raw(o, key);
                out_char(o, ' ');
            }
            print_raw(o, kw_reply_at(reply, i));
        }
        break;
    }
}

void print_reply(out *o, print_mode mode, const kw_reply *reply, bool as_text) {
    if (mode == PRINT_JSON) {
        json_reply(o, reply);
        out_char(o, '\n');
        return;
    }
    if (as_text) {
        print_raw(o, reply);
        return;
    }
    if (mode == PRINT_TYPED) {
        print_typed(o, reply, 0);
    } else {
        print_raw(o, reply);
    }
    out_char(o, '\n');
}

bool print_is_text(const kw_slice *argv, size_t argc) {
    /* redis-cli's own list, with the number of words that each needs (0: any). */
    static const struct {
        const char *name;
        const char *sub;
        size_t argc;
    } pages[] = {
        {"INFO", NULL, 0},
        {"LOLWUT", NULL, 0},
        {"DEBUG", "HTSTATS", 0},
        {"DEBUG", "HTSTATS-KEY", 0},
        {"DEBUG", "CLIENT-EVICTION", 0},
        {"MEMORY", "MALLOC-STATS", 0},
        {"MEMORY", "DOCTOR", 0},
        {"CLUSTER", "NODES", 2},
        {"CLUSTER", "INFO", 2},
        {"CLIENT", "LIST", 0},
        {"CLIENT", "INFO", 0},
        {"LATENCY", "GRAPH", 3},
        {"LATENCY", "DOCTOR", 2},
        {"PROXY", "INFO", 0},
    };
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        if (slice_is_nocase(argv[0], pages[i].name) &&
            (!pages[i].sub || (argc > 1 && slice_is_nocase(argv[1], pages[i].sub))) &&
            (pages[i].argc == 0 || pages[i].argc == argc)) {
            return true;
        }
    }
    return false;
}
