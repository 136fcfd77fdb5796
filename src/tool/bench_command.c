#include "tool/bench_command.h"

#include "base/mem.h"
#include "base/number.h"
#include "core/block_time.h"
#include "tool/quote.h"
#include "tool/tool.h"

#include <ctype.h>

static const struct {
    const char *place;
    bench_part_kind kind;
} places[] = {{"{key}", PART_KEY}, {"{value}", PART_VALUE}, {"{number}", PART_NUMBER}};

/* The place that begins here; its length, or 0. */
static size_t place_at(kw_slice rest, bench_part_kind *ret) {
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (slice_starts_with(rest, places[i].place)) {
            *ret = places[i].kind;
            return strlen(places[i].place);
        }
    }
    return 0;
}

typedef struct splitter {
    bench_template *t;
    size_t text_len;
    size_t part_count;
} splitter;

/* False: the template is too long. */
static bool add_part(splitter *s, bench_part_kind kind, kw_slice text) {
    if (s->part_count == BENCH_PARTS_MAX || s->text_len + text.len > BENCH_TEMPLATE_BYTES) {
        return false;
    }
    s->t->parts[s->part_count++] =
        (bench_part){.kind = kind, .start = (uint16_t)s->text_len, .len = (uint16_t)text.len};
    if (text.len > 0) {
        memcpy(s->t->text + s->text_len, text.data, text.len);
    }
    s->text_len += text.len;
    return true;
}

static bool add_argument(splitter *s, kw_slice word) {
    bench_template *t = s->t;
    size_t begin = 0;
    bool good = true;
    bench_part_kind kind = PART_TEXT;
    for (size_t at = 0; at < word.len && good;) {
        size_t len = place_at(slice_of(word.data + at, word.len - at), &kind);
        if (len == 0) {
            at++;
            continue;
        }
        good = (begin == at || add_part(s, PART_TEXT, slice_of(word.data + begin, at - begin))) &&
               add_part(s, kind, slice_of(NULL, 0));
        if (kind == PART_KEY && t->key_argument < 0) {
            t->key_argument = (int8_t)t->argument_count;
            t->key_is_whole = len == word.len;
        }
        at += len;
        begin = at;
    }
    if (good && (begin < word.len || word.len == 0)) {
        good = add_part(s, PART_TEXT, slice_of(word.data + begin, word.len - begin));
    }
    size_t before = t->argument_count > 0 ? t->argument_end[t->argument_count - 1] : 0;
    if (s->part_count > before + 1 || kind == PART_NUMBER) {
        t->joined_count = (uint8_t)(t->joined_count + s->part_count - before);
    }
    t->argument_end[t->argument_count++] = (uint8_t)s->part_count;
    return good;
}

static void take_name(bench_template *t, kw_slice word) {
    size_t len = word.len < BENCH_NAME_BYTES - 1 ? word.len : BENCH_NAME_BYTES - 1;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)word.data[i];
        t->name[i] = isgraph(c) ? (char)toupper(c) : '?';
    }
    t->name[len] = '\0';
}

static const char *split(bench_template *t, const words *w) {
    splitter s = {.t = t};
    if (w->count == 0) {
        return "it is empty";
    }
    if (w->count > BENCH_ARGUMENTS_MAX) {
        return "it has more than 32 words";
    }
    for (size_t i = 0; i < w->count; i++) {
        if (!add_argument(&s, w->items[i])) {
            return "it is too long";
        }
    }
    if (t->parts[0].kind != PART_TEXT || t->argument_end[0] != 1) {
        return "its first word is no command";
    }
    take_name(t, w->items[0]);
    return NULL;
}

static bool blocks_for_ever(const char *name, const words *w) {
    block_time time;
    block_time_read(name, w->items, w->count, &time);
    return time.argument > 0 && time.forever;
}

bool bench_template_parse(bench_template *t, const char *line, const char **ret_why) {
    words w;
    *t = (bench_template){.weight = 1, .key_argument = -1};
    words_init(&w);
    const char *why = NULL;
    if (words_split(&w, line, strlen(line), &why)) {
        why = split(t, &w);
    }
    t->reads_only_a_key = !why && t->argument_count == 2 && slice_is(slice_text(t->name), "GET");
    t->blocks_for_ever = !why && blocks_for_ever(t->name, &w);
    words_done(&w);
    *ret_why = why;
    return why == NULL;
}

static kw_slice part_text(const bench_template *t, const bench_part *p, const bench_values *v,
                          char number[NUMBER_U64_BYTES]) {
    switch (p->kind) {
    case PART_KEY:
        return v->key;
    case PART_VALUE:
        return v->value;
    case PART_NUMBER:
        return slice_of(number, number_from_u64(number, v->number));
    default:
        return slice_of(t->text + p->start, p->len);
    }
}

static void reserve(bench_scratch *s, size_t size) {
    if (size > s->capacity) {
        mem_free(&mem_default, s->bytes);
        s->capacity = size;
        s->bytes = mem_alloc(&mem_default, size);
        if (!s->bytes) {
            give_up("out of memory");
        }
    }
}

size_t bench_template_fill(const bench_template *t, const bench_values *v, bench_scratch *s) {
    char number[NUMBER_U64_BYTES];
    size_t part = 0;
    size_t used = 0;
    reserve(s,
            BENCH_TEMPLATE_BYTES + t->joined_count * (v->key.len + v->value.len + sizeof number));
    for (size_t i = 0; i < t->argument_count; i++) {
        size_t end = t->argument_end[i];
        if (end == part + 1 && t->parts[part].kind != PART_NUMBER) {
            s->argv[i] = part_text(t, &t->parts[part++], v, number);
            continue;
        }
        size_t begin = used;
        for (; part < end; part++) {
            kw_slice text = part_text(t, &t->parts[part], v, number);
            if (text.len > 0) {
                memcpy(s->bytes + used, text.data, text.len);
            }
            used += text.len;
        }
        s->argv[i] = slice_of(s->bytes + begin, used - begin);
    }
    return t->argument_count;
}

void bench_scratch_done(bench_scratch *s) {
    mem_free(&mem_default, s->bytes);
    *s = (bench_scratch){0};
}
