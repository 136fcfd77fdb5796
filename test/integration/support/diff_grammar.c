#include "integration/support/diff_grammar.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECTIONS_MAX = 8, PARTS_MAX = 128, FORMS_MAX = 512, PIECES_MAX = 8192, LINE_SIZE = 512 };

typedef enum piece_kind { WORD, NAME, CHOICE } piece_kind;

/* A part of a form; forms are lists of pieces, choices lists of forms. */
typedef struct piece {
    piece_kind kind;
    int least, most;       /* how often it comes */
    char *text;            /* of WORD and NAME */
    struct piece *forms;   /* of CHOICE: the first pieces of its forms */
    struct piece *next;    /* in its form */
    struct piece *sibling; /* of a form's first piece: the next form */
    const struct part *part;
    const diff_terminal *terminal;
} piece;

typedef struct part {
    char *name;
    piece *forms;
} part;

typedef struct command_form {
    uint64_t weight;
    bool stays_whole;
    piece *form;
} command_form;

typedef struct section {
    char *name;
    size_t first, end; /* of its forms */
    uint64_t weight;
} section;

struct diff_grammar {
    size_t part_count, form_count, piece_count, section_count;
    section sections[SECTIONS_MAX];
    part parts[PARTS_MAX];
    command_form forms[FORMS_MAX];
    piece pieces[PIECES_MAX];
};

/* ------------------------------------------------------------------------------- reading */

static piece *new_piece(diff_grammar *g, piece_kind kind) {
    assert_true(g->piece_count < PIECES_MAX);
    piece *p = &g->pieces[g->piece_count++];
    p->kind = kind;
    p->least = 1;
    p->most = 1;
    return p;
}

static void skip_blanks(const char **at) {
    *at += strspn(*at, " ");
}

static piece *read_forms(diff_grammar *g, const char **at);

static piece *read_piece(diff_grammar *g, const char **at) {
    piece *p;
    if (**at == '(') {
        p = new_piece(g, CHOICE);
        ++*at;
        p->forms = read_forms(g, at);
        assert_int_equal(**at, ')');
        ++*at;
    } else if (**at == '"') {
        p = new_piece(g, WORD);
        size_t len = strcspn(*at + 1, "\"");
        p->text = strndup(*at + 1, len);
        *at += len + 2;
    } else {
        size_t len = strcspn(*at, " ()|?*+");
        assert_true(len > 0);
        p = new_piece(g, islower((unsigned char)**at) ? NAME : WORD);
        p->text = strndup(*at, len);
        *at += len;
    }
    switch (**at) {
    case '?':
        p->least = 0;
        ++*at;
        break;
    case '*':
        p->least = 0;
        p->most = 3;
        ++*at;
        break;
    case '+':
        p->most = 3;
        ++*at;
        break;
    default:
        break;
    }
    return p;
}

/* Forms with | between them, up to a ) or the line's end. */
static piece *read_forms(diff_grammar *g, const char **at) {
    piece *first_form = NULL;
    piece **next_form = &first_form;
    for (;;) {
        piece **next = next_form;
        for (skip_blanks(at); **at && **at != ')' && **at != '|'; skip_blanks(at)) {
            *next = read_piece(g, at);
            next = &(*next)->next;
        }
        assert_non_null(*next_form);
        next_form = &(*next_form)->sibling;
        if (**at != '|') {
            return first_form;
        }
        ++*at;
    }
}

static void begin_section(diff_grammar *g, const char *name) {
    assert_true(g->section_count < SECTIONS_MAX);
    g->sections[g->section_count++] = (section){strdup(name), g->form_count, g->form_count, 0};
}

static void read_line(diff_grammar *g, const char *line) {
    const char *at = line;
    if (strncmp(line, "section ", 8) == 0) {
        begin_section(g, line + 8);
        return;
    }
    if (isdigit((unsigned char)*at)) {
        assert_true(g->form_count < FORMS_MAX);
        command_form *f = &g->forms[g->form_count++];
        f->weight = strtoull(line, (char **)&at, 10);
        f->stays_whole = *at == '!';
        at += f->stays_whole;
        f->form = read_forms(g, &at);
        section *own = &g->sections[g->section_count - 1];
        own->weight += f->weight;
        own->end = g->form_count;
        if (f->form->kind != WORD || *at) {
            fail_msg("a form must begin with a word: %s", line);
        }
        return;
    }
    assert_true(g->part_count < PARTS_MAX);
    part *p = &g->parts[g->part_count++];
    size_t len = strcspn(line, " ");
    p->name = strndup(line, len);
    at += len;
    skip_blanks(&at);
    if (*at++ != '=') {
        fail_msg("neither a form nor a part: %s", line);
    }
    p->forms = read_forms(g, &at);
}

static void resolve_names(diff_grammar *g) {
    for (size_t i = 0; i < g->piece_count; i++) {
        piece *p = &g->pieces[i];
        if (p->kind != NAME) {
            continue;
        }
        for (size_t k = 0; k < g->part_count; k++) {
            if (strcmp(g->parts[k].name, p->text) == 0) {
                p->part = &g->parts[k];
            }
        }
        p->terminal = p->part ? NULL : diff_terminal_find(p->text);
        if (!p->part && !p->terminal) {
            fail_msg("what is %s?", p->text);
        }
    }
}

diff_grammar *diff_grammar_read(const char *path) {
    char line[LINE_SIZE];
    diff_grammar *g = calloc(1, sizeof *g);
    assert_non_null(g);
    FILE *file = fopen(path, "r");
    if (!file) {
        fail_msg("%s cannot be read", path);
    }
    begin_section(g, "");
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] != '\0' && line[0] != '#') {
            read_line(g, line);
        }
    }
    fclose(file);
    resolve_names(g);
    return g;
}

void diff_grammar_free(diff_grammar *g) {
    if (!g) {
        return;
    }
    for (size_t i = 0; i < g->piece_count; i++) {
        free(g->pieces[i].text);
    }
    for (size_t i = 0; i < g->part_count; i++) {
        free(g->parts[i].name);
    }
    for (size_t i = 0; i < g->section_count; i++) {
        free(g->sections[i].name);
    }
    free(g);
}

bool diff_grammar_has(const diff_grammar *g, const char *command) {
    size_t len = strcspn(command, "|");
    const char *second = command[len] ? command + len + 1 : NULL;
    for (size_t i = 0; i < g->form_count; i++) {
        const piece *first = g->forms[i].form;
        bool named = strlen(first->text) == len && strncasecmp(first->text, command, len) == 0;
        bool alike = !second || (first->next && first->next->kind == WORD &&
                                 strcasecmp(first->next->text, second) == 0);
        if (named && alike) {
            return true;
        }
    }
    return false;
}

/* -------------------------------------------------------------------------------- making */

static void make_form(const piece *form, prng *random, const char *tag, diff_words *ret);

static void make_one_of(const piece *forms, prng *random, const char *tag, diff_words *ret) {
    uint64_t count = 0;
    for (const piece *f = forms; f; f = f->sibling) {
        count++;
    }
    for (uint64_t i = prng_below(random, count); i > 0; i--) {
        forms = forms->sibling;
    }
    make_form(forms, random, tag, ret);
}

static void make_form(const piece *form, prng *random, const char *tag, diff_words *ret) {
    for (const piece *p = form; p; p = p->next) {
        uint64_t times = prng_range(random, (uint64_t)p->least, (uint64_t)p->most);
        for (; times > 0; times--) {
            if (p->kind == WORD) {
                diff_words_add(ret, slice_text(p->text));
            } else if (p->kind == CHOICE || p->part) {
                make_one_of(p->kind == CHOICE ? p->forms : p->part->forms, random, tag, ret);
            } else {
                diff_terminal_put(p->terminal, random, tag, ret);
            }
        }
    }
}

/* Makes the command wrong, most likely. */
static void spoil(prng *random, diff_words *w) {
    switch (prng_below(random, 5)) {
    case 0:
        w->argc -= w->argc > 1;
        break;
    case 1:
        diff_words_add(w, diff_odd_word(random));
        break;
    default:
        if (w->argc > 1) {
            w->argv[prng_range(random, 1, w->argc - 1)] = diff_odd_word(random);
        }
        break;
    }
}

static void change_case(prng *random, diff_words *w) {
    char *name = w->bytes; /* the first word */
    for (size_t i = 0; i < w->argv[0].len; i++) {
        if (prng_below(random, 2)) {
            name[i] = (char)tolower((unsigned char)name[i]);
        }
    }
}

static const section *find_section(const diff_grammar *g, const char *name) {
    for (size_t i = 0; i < g->section_count; i++) {
        if (strcmp(g->sections[i].name, name ? name : "") == 0) {
            return &g->sections[i];
        }
    }
    fail_msg("the grammar has no section %s", name);
    return NULL;
}

void diff_grammar_make(const diff_grammar *g, const char *section_name, prng *random,
                       const char *tag, diff_words *ret) {
    const section *own = find_section(g, section_name);
    uint64_t at = prng_below(random, own->weight);
    size_t i = own->first;
    while (at >= g->forms[i].weight) {
        at -= g->forms[i++].weight;
    }
    ret->argc = 0;
    ret->used = 0;
    make_form(g->forms[i].form, random, tag, ret);
    if (!g->forms[i].stays_whole && prng_below(random, 8) == 0) {
        spoil(random, ret);
    }
    if (prng_below(random, 8) == 0) {
        change_case(random, ret);
    }
}
