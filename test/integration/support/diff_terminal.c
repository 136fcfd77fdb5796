#include "integration/support/diff_terminal.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

void diff_words_add(diff_words *w, kw_slice word) {
    if (w->argc == DIFF_ARGUMENTS_MAX || word.len > sizeof w->bytes - w->used) {
        return;
    }
    char *to = w->bytes + w->used;
    memcpy(to, word.data, word.len);
    w->argv[w->argc++] = slice_of(to, word.len);
    w->used += word.len;
}

void diff_words_addf(diff_words *w, const char *format, ...) {
    char text[256];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    assert_in_range(len, 0, sizeof text - 1);
    diff_words_add(w, slice_of(text, (size_t)len));
}

struct diff_terminal {
    const char *name;
    void (*put)(const diff_terminal *t, prng *random, const char *tag, diff_words *w);
    const char *const *words; /* a NULL at the end; of terminals that choose one */
    const char *letters;      /* of keys: the kinds, the likely one first */
};

static bool one_in(prng *random, uint64_t count) {
    return prng_below(random, count) == 0;
}

static void put_choice(const diff_terminal *t, prng *random, const char *tag, diff_words *w) {
    (void)tag; /* the words are the same everywhere */
    size_t count = 0;
    while (t->words[count]) {
        count++;
    }
    diff_words_add(w, slice_text(t->words[prng_below(random, count)]));
}

/* A few keys of each kind in a slot, so that commands meet; now and then one of another kind, in
 * another slot, or an odd one. */
static void put_key(const diff_terminal *t, prng *random, const char *tag, diff_words *w) {
    static const char kinds[] = "shlezn";
    if (one_in(random, 150)) {
        diff_words_add(w, one_in(random, 2) ? SLICE_LITERAL("") : SLICE_LITERAL("\0\xff\r\n"));
        return;
    }
    const char *other = one_in(random, 60) ? "x" : "";
    char kind = t->letters[0];
    if (t->letters[1] || one_in(random, 12)) {
        kind = kinds[prng_below(random, sizeof kinds - 1)];
    }
    diff_words_addf(w, "{%s%s}%c%u", tag, other, kind, (unsigned)prng_below(random, 3));
}

static void put_lex_key(const diff_terminal *t, prng *random, const char *tag, diff_words *w) {
    (void)t;
    diff_words_addf(w, "{%s}x%u", tag, (unsigned)prng_below(random, 2));
}

static void put_value(const diff_terminal *t, prng *random, const char *tag, diff_words *w) {
    (void)tag;
    if (one_in(random, 12)) { /* long, and worth compressing or not */
        char bytes[400];
        size_t len = (size_t)prng_range(random, 20, sizeof bytes);
        uint64_t symbols = one_in(random, 2) ? 3 : 256;
        for (size_t i = 0; i < len; i++) {
            bytes[i] = (char)prng_below(random, symbols);
        }
        diff_words_add(w, slice_of(bytes, len));
    } else {
        put_choice(t, random, tag, w);
    }
}

static void put_long_value(const diff_terminal *t, prng *random, const char *tag, diff_words *w) {
    (void)t;
    (void)tag;
    diff_words_addf(w, "%0100d", (int)prng_below(random, 1000));
}

static void put_small(const diff_terminal *t, prng *random, const char *tag, diff_words *w) {
    (void)t;
    (void)tag;
    diff_words_addf(w, "%d", (int)prng_below(random, 16) - 5);
}

static void put_count(const diff_terminal *t, prng *random, const char *tag, diff_words *w) {
    (void)t;
    (void)tag;
    diff_words_addf(w, "%d", (int)prng_below(random, 4));
}

static void put_shard_channel(const diff_terminal *t, prng *random, const char *tag,
                              diff_words *w) {
    (void)t;
    diff_words_addf(w, "{%s%s}ch%u", tag, one_in(random, 60) ? "x" : "",
                    (unsigned)prng_below(random, 2));
}

/* What a real server gave to DUMP of one value of each kind. */
static void put_payload(const diff_terminal *t, prng *random, const char *tag, diff_words *w) {
    const kw_slice payloads[] = {
        SLICE_LITERAL("\x00\x03"
                      "abc\n\x00\xd9\xac\x30=Ar\xa2\xe2"),
        SLICE_LITERAL("\x00\xc1,\x01\n\x00\x95"
                      "Ba\xf2"
                      "e\x82\\\x10"),
        SLICE_LITERAL("\x12\x01\x02\x0f\x0f\x00\x00\x00\x03\x00\x81"
                      "a\x02\x81"
                      "b\x02\x01\x01"
                      "\xff\n\x00\xe0\x1b\xabJG\xceY\""),
        SLICE_LITERAL("\x10\x12\x12\x00\x00\x00\x04\x00\x81"
                      "f\x02\x81v\x02\x81g\x02\x02\x01\xff\n"
                      "\x00\x01\xa6NO\xc1\xd4\xe5"
                      "C"),
        SLICE_LITERAL("\x0b\x0e\x02\x00\x00\x00\x03\x00\x00\x00\x01\x00\x02\x00\x03\x00\n\x00\xa5"
                      "\x02\\\xe2mnM\x1b"),
        SLICE_LITERAL("\x02\x02\x01"
                      "b\x01"
                      "a\n\x00u\xd9\x9d\x83^\xf8_\xe5"),
        SLICE_LITERAL("\x11\x14\x14\x00\x00\x00\x04\x00\x81"
                      "a\x02\x01\x01\x81"
                      "b\x02\x83\x32.5"
                      "\x04\xff\n\x00\xd4Ln\xa4\xf6"
                      "D\xd9\xd7"),
    };
    (void)t;
    (void)tag;
    diff_words_add(w, payloads[prng_below(random, sizeof payloads / sizeof *payloads)]);
}

static void put_own_slot(const diff_terminal *t, prng *random, const char *tag, diff_words *w) {
    (void)t;
    (void)random;
    diff_words_addf(w, "%d", kw_key_slot(tag, strlen(tag)));
}

static void put_id(const diff_terminal *t, prng *random, const char *tag, diff_words *w) {
    (void)t;
    (void)tag;
    diff_words_addf(w, "@ID%d", (int)prng_below(random, DIFF_NODES));
}

static void put_port(const diff_terminal *t, prng *random, const char *tag, diff_words *w) {
    (void)t;
    (void)tag;
    diff_words_addf(w, "@P%d", (int)prng_below(random, DIFF_NODES));
}

static void put_empty(const diff_terminal *t, prng *random, const char *tag, diff_words *w) {
    (void)t;
    (void)random;
    (void)tag;
    diff_words_add(w, SLICE_LITERAL(""));
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static const diff_terminal terminals[] = {
    {"string_key", put_key, NULL, "s"},
    {"hash_key", put_key, NULL, "h"},
    {"list_key", put_key, NULL, "l"},
    {"set_key", put_key, NULL, "e"},
    {"zset_key", put_key, NULL, "z"},
    {"lex_key", put_lex_key, NULL, NULL},
    {"any_key", put_key, NULL, "**"},
    {"value", put_value,
     WORDS("a", "bcd", "hello world", "", "0", "1", "12", "-7", "300", "-70000", "12345678901",
           "2147483648", "-9223372036854775808", "9223372036854775807", "1.5", "-0.25", "3.0e3",
           "abcdefghijklmnopqrstuvwxyz0123456789", "\xc3\xa9", "a\r\nb", " 1", "01"),
     NULL},
    {"long_value", put_long_value, NULL, NULL},
    {"integer", put_choice,
     WORDS("0", "1", "-1", "2", "10", "100", "-100", "4611686018427387904", "9223372036854775807",
           "-9223372036854775808", "-9223372036854775807"),
     NULL},
    {"float", put_choice,
     WORDS("0", "1", "-1", "0.1", "-2.5", "3.14159", "1e3", "5.0e-5", "1e17", "1e300", "-1e-10",
           "inf", "-inf", "nan", "0x10", "1.", ".5", " 1", "1e400"),
     NULL},
    {"small", put_small, NULL, NULL},
    {"count", put_count, NULL, NULL},
    /* Far in the future or over at once: nothing may expire while the test runs. */
    {"seconds", put_choice, WORDS("1000", "100000", "99999999", "5000", "0", "-1"), NULL},
    {"milliseconds", put_choice, WORDS("1000000", "999999999", "5000000", "0", "-1"), NULL},
    {"at_seconds", put_choice, WORDS("33177117420", "9999999999", "4102444800", "1", "0", "-5"),
     NULL},
    {"at_milliseconds", put_choice, WORDS("33177117420000", "4102444800123", "1", "0", "-1"), NULL},
    {"pattern", put_choice,
     WORDS("*", "{*}s*", "*1", "*[0-2]", "*[^0]", "?", "*\\*", "{[a-f]*}?0", "", "*s?"), NULL},
    {"field", put_choice, WORDS("f", "g", "h", "1", "", "a field", "\xff\xfe", "n"), NULL},
    {"member", put_choice, WORDS("a", "b", "c", "d", "1", "2", "3", "", "-1", "aa", "x y"), NULL},
    {"number_member", put_choice, WORDS("1", "2", "3", "-5", "100000", "70000000000", "0"), NULL},
    {"score", put_choice,
     WORDS("0", "1", "2", "3", "-1", "1.5", "2.25", "1e10", "inf", "-inf", "+inf", "100", "3.0",
           "0.1", "-0", "17179869184", "1e21"),
     NULL},
    {"score_bound", put_choice,
     WORDS("-inf", "+inf", "inf", "0", "1", "(1", "2", "(2", "1.5", "-1", "(inf", "(-inf", "100"),
     NULL},
    {"lex_bound", put_choice, WORDS("-", "+", "[a", "(a", "[b", "(c", "[", "(", "[aa", "[x y"),
     NULL},
    {"channel", put_choice, WORDS("news", "news", "sport", "n", "", "a b"), NULL},
    {"channel_pattern", put_choice, WORDS("n*", "*", "?ews", "[nm]ews", "news", "x"), NULL},
    {"payload", put_payload, NULL, NULL},
    {"shard_channel", put_shard_channel, NULL, NULL},
    {"slot", put_choice, WORDS("0", "1", "100", "5460", "5461", "8000", "16383", "16384", "-1"),
     NULL},
    {"own_slot", put_own_slot, NULL, NULL},
    {"id", put_id, NULL, NULL},
    {"port", put_port, NULL, NULL},
    {"empty", put_empty, NULL, NULL},
    {"name", put_choice, WORDS("me", "a b", "", "worker-1", "a\nb", "\xc3\xa9"), NULL},
};

const diff_terminal *diff_terminal_find(const char *name) {
    for (size_t i = 0; i < sizeof terminals / sizeof *terminals; i++) {
        if (strcmp(terminals[i].name, name) == 0) {
            return &terminals[i];
        }
    }
    return NULL;
}

void diff_terminal_put(const diff_terminal *t, prng *random, const char *tag, diff_words *w) {
    t->put(t, random, tag, w);
}

/* No small positive integers: as an expiry they would make keys vanish while the test runs, and as
 * an offset no large ones: they would take memory. */
kw_slice diff_odd_word(prng *random) {
    const kw_slice words[] = {
        SLICE_LITERAL(""),
        SLICE_LITERAL("0"),
        SLICE_LITERAL("-1"),
        SLICE_LITERAL("-0"),
        SLICE_LITERAL("01"),
        SLICE_LITERAL("+1"),
        SLICE_LITERAL(" 1"),
        SLICE_LITERAL("1 "),
        SLICE_LITERAL("1.5"),
        SLICE_LITERAL("3.0"),
        SLICE_LITERAL("0x10"),
        SLICE_LITERAL("1e3"),
        SLICE_LITERAL("nan"),
        SLICE_LITERAL("inf"),
        SLICE_LITERAL("-inf"),
        SLICE_LITERAL("9223372036854775807"),
        SLICE_LITERAL("9223372036854775808"),
        SLICE_LITERAL("-9223372036854775808"),
        SLICE_LITERAL("-9223372036854775809"),
        SLICE_LITERAL("18446744073709551616"),
        SLICE_LITERAL("99999999999999999999999999"),
        SLICE_LITERAL("foo"),
        SLICE_LITERAL("a\r\nb"),
        SLICE_LITERAL("a b"),
        SLICE_LITERAL("\0"),
        SLICE_LITERAL("\xff\xfe\0z"),
        SLICE_LITERAL("("),
        SLICE_LITERAL("-"),
        SLICE_LITERAL("*"),
        SLICE_LITERAL("\"'%s\\"),
        /* the lab's names have at most 127 bytes */
        SLICE_LITERAL("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
    };
    return words[prng_below(random, sizeof words / sizeof *words)];
}
