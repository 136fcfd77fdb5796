#include "tool/lab_script.h"

#include "base/number.h"
#include "base/suggest.h"
#include "tool/tool.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define TURN_WORD "$turn"
#define LONGEST_US ((uint64_t)SCRIPT_DAYS_MAX * 24 * 3600 * 1000 * 1000)

typedef enum item_kind { ITEM_STEP, ITEM_REPEAT, ITEM_END } item_kind;

typedef struct item {
    item_kind kind;
    unsigned line;
    uint64_t at_us;      /* since the start of the turn it stands in */
    uint64_t turn_us;    /* of a REPEAT: how long one turn takes */
    uint64_t turn_count; /* of a REPEAT */
    size_t first_word;   /* of a STEP, in script->words */
    size_t word_count;
} item;

/* A block that is open: while parsing, or while playing. */
typedef struct block {
    size_t item;       /* of its REPEAT; unused for the script itself */
    uint64_t turn;     /* playing: which one */
    uint64_t start_us; /* playing: of this turn, since the script's start */
    uint64_t now_us;   /* parsing: since the turn's start */
    uint64_t steps;    /* parsing: in one turn */
    uint64_t work;     /* parsing: these and the turns of the blocks inside */
} block;

struct lab_script {
    item *items;
    size_t item_count;
    size_t item_capacity;
    kw_slice *words; /* each in memory of its own */
    size_t word_count;
    size_t word_capacity;
    block blocks[SCRIPT_DEPTH_MAX + 1]; /* [0]: the script */
    size_t depth;
    size_t next; /* item */
    kw_slice *argv;
    size_t argv_capacity;
    out text; /* of the argv that hold $turn */
};

typedef struct parser {
    lab_script *script;
    script_error *error;
    kw_slice line;
    unsigned number;
    size_t at; /* in line */
    words words;
} parser;

static void *grown(void *old, size_t count, size_t *capacity, size_t size) {
    if (count < *capacity) {
        return old;
    }
    *capacity = *capacity ? 2 * *capacity : 16;
    void *new = realloc(old, *capacity * size);
    if (!new) {
        give_up("out of memory");
    }
    return new;
}

/* --------------------------------------------------------------------------------------- errors */

static bool wrong(parser *p, size_t at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool wrong(parser *p, size_t at, const char *format, ...) {
    p->error->line = p->number;
    p->error->column = (unsigned)at + 1;
    va_list args;
    va_start(args, format);
    vsnprintf(p->error->message, sizeof p->error->message, format, args);
    va_end(args);
    return false;
}

/* ---------------------------------------------------------------------------------------- words */

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

/* The line up to its comment: a # that begins a word outside quotes. */
static kw_slice without_comment(kw_slice line) {
    char quote = '\0';
    for (size_t i = 0; i < line.len; i++) {
        char c = line.data[i];
        if (quote && c == '\\') {
            i++;
        } else if (quote) {
            quote = c == quote ? '\0' : quote;
        } else if (c == '"' || c == '\'') {
            quote = c;
        } else if (c == '#' && (i == 0 || is_space(line.data[i - 1]))) {
            return slice_of(line.data, i);
        }
    }
    return line;
}

static void skip_space(parser *p) {
    while (p->at < p->line.len && is_space(p->line.data[p->at])) {
        p->at++;
    }
}

static kw_slice peek_word(parser *p) {
    skip_space(p);
    size_t end = p->at;
    while (end < p->line.len && !is_space(p->line.data[end])) {
        end++;
    }
    return slice_of(p->line.data + p->at, end - p->at);
}

static kw_slice take_word(parser *p) {
    kw_slice word = peek_word(p);
    p->at += word.len;
    return word;
}

static int shown(kw_slice word) {
    return word.len > 40 ? 40 : (int)word.len;
}

/* ---------------------------------------------------------------------------------------- times */

static bool take_time(parser *p, const char *after, uint64_t *ret_us) {
    static const struct {
        const char *name;
        double us;
    } units[] = {{"us", 1}, {"ms", 1e3}, {"s", 1e6}, {"min", 60e6}};
    kw_slice word = take_word(p);
    size_t at = p->at - word.len;
    if (word.len == 0) {
        return wrong(p, at, "%s needs a time, such as 2.5s, 500ms or 1min", after);
    }
    size_t digits = 0;
    while (digits < word.len && strchr("0123456789.", word.data[digits])) {
        digits++;
    }
    double number = 0;
    if (digits == 0 || !number_parse(slice_of(word.data, digits), &number)) {
        return wrong(p, at, "`%.*s` is no time; one looks like 2.5s, 500ms or 1min", shown(word),
                     word.data);
    }
    kw_slice unit = slice_of(word.data + digits, word.len - digits);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (slice_is(unit, units[i].name)) {
            if (number * units[i].us > (double)LONGEST_US) {
                return wrong(p, at, "longer than %d days", SCRIPT_DAYS_MAX);
            }
            *ret_us = (uint64_t)(number * units[i].us + 0.5);
            return true;
        }
    }
    return wrong(p, at + digits, "a time needs its unit: us, ms, s or min");
}

/* `at 2s` and `after 1s`: moves the block's time. */
static bool parse_time(parser *p, bool absolute) {
    block *b = &p->script->blocks[p->script->depth];
    size_t at = p->at;
    uint64_t us = 0;
    if (!take_time(p, absolute ? "at" : "after", &us)) {
        return false;
    }
    if (absolute && us < b->now_us) {
        return wrong(p, at + 1, "the step before is later already, at %gs of this %s",
                     (double)b->now_us / 1e6, p->script->depth > 0 ? "turn" : "script");
    }
    b->now_us = absolute ? us : b->now_us + us;
    return b->now_us <= LONGEST_US ||
           wrong(p, at + 1, "the script gets longer than %d days", SCRIPT_DAYS_MAX);
}

/* ---------------------------------------------------------------------------------------- lines */

static item *push_item(parser *p, item_kind kind) {
    lab_script *s = p->script;
    s->items = grown(s->items, s->item_count, &s->item_capacity, sizeof *s->items);
    item *i = &s->items[s->item_count++];
    *i = (item){.kind = kind, .line = p->number, .at_us = s->blocks[s->depth].now_us};
    return i;
}

static void push_word(lab_script *s, kw_slice word) {
    s->words = grown(s->words, s->word_count, &s->word_capacity, sizeof *s->words);
    char *copy = malloc(word.len + 1);
    if (!copy) {
        give_up("out of memory");
    }
    memcpy(copy, word.data, word.len);
    s->words[s->word_count++] = slice_of(copy, word.len);
}

static const char *find_turn(kw_slice word) {
    return word.len ? memmem(word.data, word.len, TURN_WORD, sizeof TURN_WORD - 1) : NULL;
}

static bool parse_step(parser *p) {
    lab_script *s = p->script;
    skip_space(p);
    const char *why = NULL;
    if (!words_split(&p->words, p->line.data + p->at, p->line.len - p->at, &why)) {
        return wrong(p, p->at, "%s", why);
    }
    if (p->words.count < 2) {
        return wrong(p, p->line.len, "LAB what? LAB HELP lists what there is");
    }
    const char *turn = find_turn(p->line);
    if (turn && s->depth == 0) {
        return wrong(p, (size_t)(turn - p->line.data),
                     TURN_WORD " is the number of a repeat's turn; this is in none");
    }
    item *i = push_item(p, ITEM_STEP);
    i->first_word = s->word_count;
    i->word_count = p->words.count;
    for (size_t w = 0; w < p->words.count; w++) {
        push_word(s, p->words.items[w]);
    }
    s->blocks[s->depth].steps++;
    s->blocks[s->depth].work++;
    return true;
}

static bool expect_line_end(parser *p, const char *after) {
    kw_slice word = peek_word(p);
    return word.len == 0 ||
           wrong(p, p->at, "`%.*s` after %s makes no sense here", shown(word), word.data, after);
}

static bool parse_repeat(parser *p) {
    lab_script *s = p->script;
    kw_slice word = take_word(p);
    size_t at = p->at - word.len;
    uint64_t count = 0;
    if (!slice_to_u64(word, &count) || count < 1 || count > SCRIPT_TURNS_MAX) {
        return wrong(p, at, "repeat needs a number of turns from 1 to %d", SCRIPT_TURNS_MAX);
    }
    if (s->depth == SCRIPT_DEPTH_MAX) {
        return wrong(p, 0, "more than %d repeats in each other", SCRIPT_DEPTH_MAX);
    }
    push_item(p, ITEM_REPEAT)->turn_count = count;
    s->blocks[++s->depth] = (block){.item = s->item_count - 1};
    return expect_line_end(p, "repeat's number");
}

static bool parse_end(parser *p, size_t at) {
    lab_script *s = p->script;
    if (s->depth == 0) {
        return wrong(p, at, "end without repeat");
    }
    block inner = s->blocks[s->depth--];
    block *outer = &s->blocks[s->depth];
    push_item(p, ITEM_END);
    item *repeat = &s->items[inner.item];
    repeat->turn_us = inner.now_us;
    if (inner.now_us > (LONGEST_US - outer->now_us) / repeat->turn_count) {
        return wrong(p, at, "the turns since line %u take longer than %d days", repeat->line,
                     SCRIPT_DAYS_MAX);
    }
    outer->now_us += inner.now_us * repeat->turn_count;
    outer->steps += inner.steps * repeat->turn_count; /* each below 2^20: no overflow */
    outer->work += (inner.work + 1) * repeat->turn_count;
    if (outer->steps > SCRIPT_STEPS_MAX || outer->work > 2 * SCRIPT_STEPS_MAX) {
        return wrong(p, at, "the turns since line %u make more than %d steps", repeat->line,
                     SCRIPT_STEPS_MAX);
    }
    return expect_line_end(p, "end");
}

static bool unknown_word(parser *p, kw_slice word, size_t at) {
    static const char *const known[] = {"at", "after", "repeat", "end", "LAB", NULL};
    char text[41];
    slice_copy(text, sizeof text, word);
    const char *near = suggest(text, known);
    return near ? wrong(p, at, "unknown word `%s`; did you mean `%s`?", text, near)
                : wrong(p, at,
                        "unknown word `%s`; a line is [at TIME | after TIME] LAB ..., "
                        "repeat N, or end",
                        text);
}

static bool parse_line(parser *p) {
    kw_slice word = take_word(p);
    size_t at = p->at - word.len;
    if (word.len == 0) {
        return true;
    }
    bool absolute = slice_is_nocase(word, "at");
    if (absolute || slice_is_nocase(word, "after")) {
        if (!parse_time(p, absolute)) {
            return false;
        }
        word = peek_word(p);
        at = p->at;
        if (word.len == 0) {
            return true; /* only waits */
        }
        return slice_is_nocase(word, "LAB")
                   ? parse_step(p)
                   : wrong(p, at, "after the time comes LAB ..., not `%.*s`", shown(word),
                           word.data);
    }
    if (slice_is_nocase(word, "LAB")) {
        p->at = at;
        return parse_step(p);
    }
    if (slice_is_nocase(word, "repeat")) {
        return parse_repeat(p);
    }
    return slice_is_nocase(word, "end") ? parse_end(p, at) : unknown_word(p, word, at);
}

static bool parse_lines(parser *p, kw_slice text) {
    while (slice_split(&text, '\n', &p->line)) {
        p->number++;
        if (p->number > SCRIPT_LINES_MAX) {
            return wrong(p, 0, "more than %d lines", SCRIPT_LINES_MAX);
        }
        p->line = without_comment(p->line);
        p->at = 0;
        if (!parse_line(p)) {
            return false;
        }
    }
    const block *open = &p->script->blocks[p->script->depth];
    if (p->script->depth > 0) {
        p->number = p->script->items[open->item].line;
        return wrong(p, 0, "this repeat has no end");
    }
    return true;
}

lab_script *script_parse(kw_slice text, script_error *ret_error) {
    lab_script *s = calloc(1, sizeof *s);
    if (!s) {
        give_up("out of memory");
    }
    out_init(&s->text, -1);
    *ret_error = (script_error){.line = 1, .column = 1};
    parser p = {.script = s, .error = ret_error};
    words_init(&p.words);
    bool good = text.len <= SCRIPT_BYTES_MAX
                    ? parse_lines(&p, text)
                    : wrong(&p, 0, "larger than %d bytes", SCRIPT_BYTES_MAX);
    words_done(&p.words);
    if (!good) {
        script_free(s);
        return NULL;
    }
    return s;
}

void script_free(lab_script *s) {
    if (!s) {
        return;
    }
    for (size_t i = 0; i < s->word_count; i++) {
        free((void *)(uintptr_t)s->words[i].data);
    }
    free(s->words);
    free(s->items);
    free(s->argv);
    out_done(&s->text);
    free(s);
}

uint64_t script_step_count(const lab_script *s) {
    return s->blocks[0].steps;
}

uint64_t script_end_us(const lab_script *s) {
    return s->blocks[0].now_us;
}

/* -------------------------------------------------------------------------------------- playing */

/* The word with its turn's number instead of $turn, appended to the text. */
static void write_word(out *o, kw_slice word, uint64_t turn) {
    const char *found;
    while ((found = find_turn(word))) {
        size_t before = (size_t)(found - word.data);
        out_bytes(o, word.data, before);
        out_printf(o, "%llu", (unsigned long long)turn);
        size_t used = before + sizeof TURN_WORD - 1;
        word = slice_of(word.data + used, word.len - used);
    }
    out_bytes(o, word.data, word.len);
}

static void give_step(lab_script *s, const item *i, script_step *ret) {
    const block *b = &s->blocks[s->depth];
    buffer_clear(&s->text.bytes, SCRIPT_BYTES_MAX);
    for (size_t w = 0; w < i->word_count; w++) {
        s->argv = grown(s->argv, w, &s->argv_capacity, sizeof *s->argv);
        size_t before = out_slice(&s->text).len;
        write_word(&s->text, s->words[i->first_word + w], b->turn);
        s->argv[w] = slice_of(NULL, out_slice(&s->text).len - before);
    }
    const char *at = out_slice(&s->text).data; /* it moves no more */
    for (size_t w = 0; w < i->word_count; w++) {
        s->argv[w].data = at;
        at += s->argv[w].len;
    }
    *ret = (script_step){b->start_us + i->at_us, i->line, s->argv, i->word_count};
}

static void begin_block(lab_script *s, const item *i) {
    const block *outer = &s->blocks[s->depth];
    s->blocks[s->depth + 1] = (block){.item = s->next, .start_us = outer->start_us + i->at_us};
    s->depth++;
}

/* At a block's end: another turn, or what follows it. */
static void end_turn(lab_script *s) {
    block *b = &s->blocks[s->depth];
    const item *repeat = &s->items[b->item];
    if (++b->turn < repeat->turn_count) {
        b->start_us += repeat->turn_us;
        s->next = b->item;
    } else {
        s->depth--;
    }
}

bool script_next(lab_script *s, script_step *ret) {
    while (s->next < s->item_count) {
        const item *i = &s->items[s->next];
        switch (i->kind) {
        case ITEM_STEP:
            give_step(s, i, ret);
            s->next++;
            return true;
        case ITEM_REPEAT:
            begin_block(s, i);
            break;
        case ITEM_END:
            end_turn(s);
            break;
        }
        s->next++;
    }
    return false;
}
