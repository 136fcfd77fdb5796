/* What the descriptor that we print to can show: colours, block characters, how wide. A pipe shows
 * nothing but plain text. */
#ifndef TOOL_TERM_H
#define TOOL_TERM_H

#include "tool/out.h"

typedef struct term {
    bool is_tty;
    bool utf8;
    int colours; /* 0, 8 or 256 */
    int width;
    int height;
} term;

/* Asks once; width and height again with term_resize. setlocale must have been called. */
void term_probe(term *t, int fd);
void term_resize(term *t, int fd);

typedef enum style {
    STYLE_RESET,
    STYLE_BOLD,
    STYLE_DIM,
    STYLE_GOOD,
    STYLE_WARN,
    STYLE_BAD,
    STYLE_TITLE
} style;

/* The sequence that switches the style on; empty without colours. */
const char *term_style(const term *t, style s);

/* A colour: a node's (its index in the map, of any size), faded, or one of the two below. */
enum { COLOUR_NONE = -1, COLOUR_HOLE = -2, COLOUR_MARK = -3 };
typedef struct colour {
    int node; /* index, or a COLOUR_... */
    bool faded;
} colour;

void term_ink(out *o, const term *t, colour c);
void term_paper(out *o, const term *t, colour c);

/* One character, or its stand-in where there is no UTF-8. */
static inline const char *term_glyph(const term *t, const char *utf8, const char *ascii) {
    return t->utf8 ? utf8 : ascii;
}

/* The letter that names a node where there are no colours: A, B ... Z, a ... z, then from A again.
 */
char term_letter(int node);

#endif
