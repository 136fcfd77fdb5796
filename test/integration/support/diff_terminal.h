/* The words that the grammar's forms end in: keys, values, numbers of all kinds, as found in use
 * and at the edges. */
#ifndef INTEGRATION_SUPPORT_DIFF_TERMINAL_H
#define INTEGRATION_SUPPORT_DIFF_TERMINAL_H

#include "base/prng.h"
#include "integration/support/diff_side.h"

/* A command in the making. */
typedef struct diff_words {
    size_t argc;
    kw_slice argv[DIFF_ARGUMENTS_MAX];
    size_t used;
    char bytes[16384];
} diff_words;

/* Adds a word; one too many is dropped. */
void diff_words_add(diff_words *w, kw_slice word);
void diff_words_addf(diff_words *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

typedef struct diff_terminal diff_terminal;

/* NULL: there is none by that name. */
const diff_terminal *diff_terminal_find(const char *name);
void diff_terminal_put(const diff_terminal *t, prng *random, const char *tag, diff_words *w);
/* A word that hardly any command expects. */
kw_slice diff_odd_word(prng *random);

#endif
