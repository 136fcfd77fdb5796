/* What a mistyped word was meant to be. */
#ifndef BASE_SUGGEST_H
#define BASE_SUGGEST_H

/* The name nearest to a word, or NULL if none is near. names ends with NULL. */
const char *suggest(const char *word, const char *const *names);

#endif
