/* A line of the prompt, split into words by the tool and by a second, plain splitter: both see the
 * same words, or both refuse. Words that are written in quotes read as the same again. */
#include "fuzz/fuzz.h"
#include "tool/quote.h"
#include "tool/tool.h"

#include <ctype.h>

enum { BYTES_MAX = 2048 };

typedef struct plain {
    bool ok;
    size_t count;
    size_t len;
    struct {
        size_t start;
        size_t end;
    } words[BYTES_MAX];
    char bytes[BYTES_MAX];
} plain;

static int hex(int c) {
    const char *digits = "0123456789abcdef";
    const char *at = c ? strchr(digits, tolower(c)) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* One character at a time, as redis-cli's sdssplitargs tells. */
static void split(const char *line, size_t len, plain *p) {
    enum { BETWEEN, IN_WORD, IN_DOUBLE, IN_SINGLE, CLOSED } state = BETWEEN;
    memset(p, 0, sizeof *p);
    for (size_t i = 0; i < len; i++) {
        int c = (unsigned char)line[i];
        bool blank = c == ' ' || (c >= 9 && c <= 13);
        if (state == CLOSED && !blank) {
            return;
        }
        if ((state == BETWEEN || state == CLOSED || state == IN_WORD) && blank) {
            p->words[p->count].end = p->len;
            p->count += state != BETWEEN;
            state = BETWEEN;
            continue;
        }
        if (state == BETWEEN) {
            p->words[p->count].start = p->len;
            state = IN_WORD;
        }
        if (state == IN_WORD && (c == '"' || c == '\'')) {
            state = c == '"' ? IN_DOUBLE : IN_SINGLE;
            continue;
        }
        if ((state == IN_DOUBLE && c == '"') || (state == IN_SINGLE && c == '\'')) {
            state = CLOSED;
            continue;
        }
        if (state == IN_SINGLE && c == '\\' && i + 1 < len && line[i + 1] == '\'') {
            c = (unsigned char)line[++i];
        } else if (state == IN_DOUBLE && c == '\\' && i + 1 < len) {
            c = (unsigned char)line[++i];
            if (c == 'x' && i + 2 < len && hex((unsigned char)line[i + 1]) >= 0 &&
                hex((unsigned char)line[i + 2]) >= 0) {
                c = hex((unsigned char)line[i + 1]) * 16 + hex((unsigned char)line[i + 2]);
                i += 2;
            } else {
                c = c == 'n'   ? '\n'
                    : c == 'r' ? '\r'
                    : c == 't' ? '\t'
                    : c == 'b' ? '\b'
                    : c == 'a' ? '\a'
                               : c;
            }
        }
        p->bytes[p->len++] = (char)c;
    }
    p->words[p->count].end = p->len;
    p->count += state == IN_WORD || state == CLOSED;
    p->ok = state != IN_DOUBLE && state != IN_SINGLE;
}

static void check_quoted(const words *read) {
    out o;
    words again;
    const char *why = NULL;
    out_init(&o, -1);
    for (size_t i = 0; i < read->count; i++) {
        quote_write(&o, read->items[i]);
        out_char(&o, ' ');
    }
    kw_slice line = out_slice(&o);
    for (size_t i = 0; i < line.len; i++) {
        fuzz_check(line.data[i] >= ' ' && line.data[i] <= '~');
    }
    words_init(&again);
    fuzz_check(words_split(&again, line.data, line.len, &why));
    fuzz_check(again.count == read->count);
    for (size_t i = 0; i < read->count; i++) {
        fuzz_check(slice_equal(again.items[i], read->items[i]));
    }
    words_done(&again);
    out_done(&o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static plain p;
    words read;
    const char *why = NULL;
    uint64_t times = 0;
    if (size > BYTES_MAX - 1) {
        return 0;
    }
    char *line = fuzz_copy(data, size);
    split(line, size, &p);
    words_init(&read);
    bool ok = words_split(&read, line, size, &why);
    fuzz_check(ok == p.ok && (ok || why));
    if (ok) {
        fuzz_check(read.count == p.count);
        for (size_t i = 0; i < p.count; i++) {
            kw_slice word = slice_of(p.bytes + p.words[i].start, p.words[i].end - p.words[i].start);
            fuzz_check(slice_equal(read.items[i], word));
        }
        check_quoted(&read);
        (void)words_are_secret(&read);
        size_t before = read.count;
        if (words_take_repeat(&read, &times)) {
            fuzz_check(times >= 1 && (read.count == before || read.count == before - 1));
        }
    }
    words_done(&read);
    free(line);
    return 0;
}
