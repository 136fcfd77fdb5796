/* Commands at random, by a grammar in a file. Its lines are
 *     WEIGHT  form                  a command and how often it shall come; behind a weight with !
 * it is never spoilt name =  form                  a part that forms may name section NAME the
 * forms behind it are of another kind of connection where a form is a row of: WORD (as it is; also
 * "word"), name (a part, or one of the terminals of diff_terminal.c), ( form | form ), and one of
 * these with ? (0 or 1), * (0 to 3) or + (1 to 3) behind it. Some of the commands made are then
 * spoilt: an argument too many or too few, or an odd one. The same seed gives the same commands. */
#ifndef INTEGRATION_SUPPORT_DIFF_GRAMMAR_H
#define INTEGRATION_SUPPORT_DIFF_GRAMMAR_H

#include "integration/support/diff_terminal.h"

typedef struct diff_grammar diff_grammar;

diff_grammar *diff_grammar_read(const char *path);
void diff_grammar_free(diff_grammar *g);

/* One command of a section (NULL: before the first), whose keys have the tag. */
void diff_grammar_make(const diff_grammar *g, const char *section, prng *random, const char *tag,
                       diff_words *ret);
/* True if some form is of this command ("get", or "cluster|slots"), be its weight 0. */
bool diff_grammar_has(const diff_grammar *g, const char *command);

#endif
