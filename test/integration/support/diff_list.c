#include "integration/support/diff_list.h"

#include "integration/support/diff_value.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRIES_MAX = 64, LINE_SIZE = 1024, PIECES_MAX = 64 };

typedef enum treatment { NO_TREATMENT, WITHIN, UNORDERED, MASKED, PIECES, LAB } treatment;

typedef struct entry {
    bool has_command;
    bool has_reply;
    bool seldom;
    regex_t command;
    regex_t reply;
    treatment treatment;
    regex_t pattern; /* of MASKED, PIECES and LAB */
    int64_t number;  /* of WITHIN and UNORDERED */
    char text[LINE_SIZE];
    char reason[LINE_SIZE];
    size_t uses;
} entry;

struct diff_list {
    size_t count;
    entry entries[ENTRIES_MAX];
};

/* ------------------------------------------------------------------------------- reading */

static void compile(regex_t *ret, const char *text) {
    int error = regcomp(ret, text, REG_EXTENDED | REG_ICASE);
    if (error != 0) {
        fail_msg("the pattern %s cannot be read", text);
    }
}

static void set_treatment(entry *e, treatment kind, const char *word, const char *value) {
    if (e->treatment != NO_TREATMENT) {
        fail_msg("two treatments: %s %s", word, value);
    }
    e->treatment = kind;
    if (kind >= MASKED) {
        compile(&e->pattern, value);
    } else {
        e->number = atoll(value);
    }
}

static void read_field(entry *e, const char *word, const char *value) {
    if (strcmp(word, "command") == 0) {
        compile(&e->command, value);
        e->has_command = true;
        snprintf(e->text, sizeof e->text, "%s", value);
    } else if (strcmp(word, "reply") == 0) {
        compile(&e->reply, value);
        e->has_reply = true;
    } else if (strcmp(word, "within") == 0) {
        set_treatment(e, WITHIN, word, value);
    } else if (strcmp(word, "unordered") == 0) {
        set_treatment(e, UNORDERED, word, value);
    } else if (strcmp(word, "masked") == 0) {
        set_treatment(e, MASKED, word, value);
    } else if (strcmp(word, "pieces") == 0) {
        set_treatment(e, PIECES, word, value);
    } else if (strcmp(word, "lab") == 0) {
        set_treatment(e, LAB, word, value);
    } else if (strcmp(word, "seldom") == 0) {
        e->seldom = true;
    } else if (strcmp(word, "reason") == 0) {
        snprintf(e->reason, sizeof e->reason, "%s", value);
    } else {
        fail_msg("what is %s?", word);
    }
}

static void check_entry(const entry *e) {
    if (!e->has_command || e->treatment == NO_TREATMENT || e->reason[0] == '\0') {
        fail_msg("an entry without command, treatment or reason: %s", e->text);
    }
}

diff_list *diff_list_read(const char *path) {
    char line[LINE_SIZE];
    diff_list *list = calloc(1, sizeof *list);
    FILE *file = fopen(path, "r");
    assert_non_null(list);
    if (!file) {
        fail_msg("%s cannot be read", path);
        return NULL;
    }
    bool open = false;
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#') {
            continue;
        }
        if (line[0] == '\0') {
            list->count += open;
            open = false;
            continue;
        }
        assert_true(list->count < ENTRIES_MAX);
        size_t len = strcspn(line, " ");
        char *value = line + len + strspn(line + len, " ");
        line[len] = '\0';
        read_field(&list->entries[list->count], line, value);
        open = true;
    }
    fclose(file);
    list->count += open;
    for (size_t i = 0; i < list->count; i++) {
        check_entry(&list->entries[i]);
    }
    return list;
}

void diff_list_free(diff_list *list) {
    if (!list) {
        return;
    }
    for (size_t i = 0; i < list->count; i++) {
        entry *e = &list->entries[i];
        regfree(&e->command);
        if (e->has_reply) {
            regfree(&e->reply);
        }
        if (e->treatment >= MASKED) {
            regfree(&e->pattern);
        }
    }
    free(list);
}

/* ----------------------------------------------------------------------------- comparing */

typedef struct reply_text {
    buffer text;
    diff_value *values;
    size_t count;
} reply_text;

static void reply_text_init(reply_text *r, kw_slice reply) {
    buffer_init(&r->text, &mem_default, 0);
    diff_write_reply(&r->text, reply);
    assert_true(buffer_append(&r->text, "", 1)); /* as a C string */
    r->count = diff_values(reply, &r->values);
}

static void reply_text_done(reply_text *r) {
    buffer_done(&r->text);
    free(r->values);
}

static const char *text_of(const reply_text *r) {
    return r->text.data + r->text.begin;
}

static bool matches(const regex_t *pattern, const char *text) {
    return regexec(pattern, text, 0, NULL, 0) == 0;
}

static bool within(const reply_text *a, const reply_text *b, int64_t most) {
    bool near = a->count == b->count;
    for (size_t i = 0; near && i < a->count; i++) {
        int64_t x;
        int64_t y;
        bool numbers = slice_to_i64(a->values[i].text, &x) && slice_to_i64(b->values[i].text, &y);
        near = a->values[i].type == b->values[i].type &&
               (slice_equal(a->values[i].text, b->values[i].text) ||
                (numbers && x >= 0 && y >= 0 && x - y <= most && y - x <= most));
    }
    return near;
}

static int compare_bytes(kw_slice a, kw_slice b) {
    int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* Sorts groups of values, which are few. */
static void sort_groups(diff_value *values, size_t count, size_t group) {
    for (size_t i = group; i + group <= count; i += group) {
        for (size_t k = i; k > 0 && compare_bytes(values[k - group].text, values[k].text) > 0;
             k -= group) {
            for (size_t m = 0; m < group; m++) {
                diff_value moved = values[k + m];
                values[k + m] = values[k - group + m];
                values[k - group + m] = moved;
            }
        }
    }
}

static void sort_last_aggregate(reply_text *r, size_t group) {
    for (size_t i = r->count; i-- > 0;) {
        if (strchr("*~%>", r->values[i].type)) {
            sort_groups(r->values + i + 1, r->values[i].size - 1, group);
            return;
        }
    }
}

static bool unordered(reply_text *a, reply_text *b, size_t group) {
    sort_last_aggregate(a, group);
    sort_last_aggregate(b, group);
    return within(a, b, 0);
}

/* Takes out all that matches. */
static void mask(const regex_t *pattern, char *text) {
    regmatch_t match;
    while (*text && regexec(pattern, text, 1, &match, 0) == 0) {
        char *end = text + match.rm_eo;
        text += match.rm_so;
        memmove(text, end, strlen(end) + 1);
        if (match.rm_eo == match.rm_so) {
            text++;
        }
    }
}

static bool masked(const regex_t *pattern, const reply_text *a, const reply_text *b) {
    char *x = strdup(text_of(a));
    char *y = strdup(text_of(b));
    assert_true(x && y);
    mask(pattern, x);
    mask(pattern, y);
    bool equal = strcmp(x, y) == 0;
    free(x);
    free(y);
    return equal;
}

static int compare_texts(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Cuts a reply into its elements or lines, each as masked text; sorted. */
static size_t cut_pieces(const regex_t *pattern, const reply_text *r, char *ret[PIECES_MAX]) {
    size_t count = 0;
    buffer text;
    buffer_init(&text, &mem_default, 0);
    bool several = r->count > 0 && r->values[0].size < r->count; /* messages, one after another */
    for (size_t i = several ? 0 : 1; i < r->count; i += r->values[i].size) {
        buffer_clear(&text, SIZE_MAX);
        for (size_t k = i; k < i + r->values[i].size; k++) {
            diff_write_value(&text, &r->values[k]);
            assert_true(buffer_append_text(&text, " "));
        }
        assert_true(count < PIECES_MAX && buffer_append(&text, "", 1));
        ret[count++] = strdup(text.data + text.begin);
    }
    char *lines = strdup(text_of(r));
    for (char *at = r->count == 1 ? lines : NULL; at; count++) {
        char *end = strstr(at, "\\n");
        assert_true(count < PIECES_MAX);
        ret[count] = end ? strndup(at, (size_t)(end - at)) : strdup(at);
        at = end ? end + 2 : NULL;
    }
    free(lines);
    buffer_done(&text);
    for (size_t i = 0; i < count; i++) {
        mask(pattern, ret[i]);
    }
    qsort(ret, count, sizeof *ret, compare_texts);
    return count;
}

static bool same_pieces(const regex_t *pattern, const reply_text *a, const reply_text *b) {
    char *x[PIECES_MAX];
    char *y[PIECES_MAX];
    size_t x_count = cut_pieces(pattern, a, x);
    size_t y_count = cut_pieces(pattern, b, y);
    bool equal = x_count == y_count;
    for (size_t i = 0; equal && i < x_count; i++) {
        equal = strcmp(x[i], y[i]) == 0;
    }
    for (size_t i = 0; i < x_count; i++) {
        free(x[i]);
    }
    for (size_t i = 0; i < y_count; i++) {
        free(y[i]);
    }
    return equal;
}

static bool explains(const entry *e, const char *command, kw_slice server, kw_slice lab) {
    reply_text a;
    reply_text b;
    bool equal = false;
    if (!matches(&e->command, command)) {
        return false;
    }
    reply_text_init(&a, server);
    reply_text_init(&b, lab);
    if (!e->has_reply || matches(&e->reply, text_of(&a))) {
        equal = e->treatment == WITHIN      ? within(&a, &b, e->number)
                : e->treatment == UNORDERED ? unordered(&a, &b, (size_t)e->number)
                : e->treatment == MASKED    ? masked(&e->pattern, &a, &b)
                : e->treatment == PIECES    ? same_pieces(&e->pattern, &a, &b)
                                            : matches(&e->pattern, text_of(&b));
    }
    reply_text_done(&a);
    reply_text_done(&b);
    return equal;
}

bool diff_list_equal(diff_list *list, const char *command, kw_slice server, kw_slice lab) {
    if (slice_equal(server, lab)) {
        return true;
    }
    for (size_t i = 0; i < list->count; i++) {
        if (explains(&list->entries[i], command, server, lab)) {
            list->entries[i].uses++;
            return true;
        }
    }
    return false;
}

size_t diff_list_report(const diff_list *list) {
    size_t unused = 0;
    printf("differences that are meant, and how often each was met:\n");
    for (size_t i = 0; i < list->count; i++) {
        const entry *e = &list->entries[i];
        printf("  %6zu  %s\n          %s\n", e->uses, e->text, e->reason);
        unused += e->uses == 0 && !e->seldom;
    }
    return unused;
}
