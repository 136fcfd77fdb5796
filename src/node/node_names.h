/* The hosts and host names of a fleet's nodes, which all its views hold: each text is kept once. It
 * lives until a sweep finds that nobody holds it, so views copy what they know as plain pointers.
 * Owns the texts. */
#ifndef NODE_NODE_NAMES_H
#define NODE_NODE_NAMES_H

#include "base/map.h"

typedef struct node_names {
    const mem *mem;
    map texts;
    size_t sweep_at; /* so many are worth a sweep */
} node_names;

void names_init(node_names *n, const mem *m, uint64_t seed);
void names_done(node_names *n);

/* The text as it is kept; NULL if memory is short. */
KW_CHECKED const char *names_keep(node_names *n, kw_slice text);

/* True if it is time to hold all that is held, by names_hold, and to sweep the rest away. */
bool names_are_many(const node_names *n);
/* A text of names_keep, or "". */
void names_hold(const char *text);
void names_sweep(node_names *n);

#endif
