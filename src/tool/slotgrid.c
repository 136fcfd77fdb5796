#include "tool/slotgrid.h"

enum { LABEL_WIDTH = 9, COLUMNS_MAX = 128, COLUMNS_MIN = 16, NODES_MAX = 1024 };

void slotgrid_from_map(slotgrid *grid, const kw_map *map) {
    for (int slot = 0; slot < KW_SLOT_COUNT; slot++) {
        grid->owner[slot] = (int16_t)kw_map_owner(map, slot);
        grid->flags[slot] = kw_map_is_suspect(map, slot) ? SLOT_IN_DOUBT : 0;
    }
}

int slotgrid_columns(const term *t) {
    int columns = COLUMNS_MAX;
    while (columns > COLUMNS_MIN && columns + LABEL_WIDTH > t->width) {
        columns /= 2;
    }
    return columns;
}

/* The owner of most of the slots first..first+count-1; the first one wins a tie. */
static int majority(const slotgrid *grid, int first, int count) {
    int best = grid->owner[first];
    int best_count = 0;
    for (int i = first; i < first + count; i++) {
        int same = 0;
        for (int j = first; j < first + count; j++) {
            same += grid->owner[j] == grid->owner[i];
        }
        if (same > best_count) {
            best = grid->owner[i];
            best_count = same;
        }
        if (same == count) {
            break;
        }
    }
    return best;
}

static colour cell_colour(const slotgrid *grid, int first, int count) {
    unsigned flags = 0;
    for (int slot = first; slot < first + count; slot++) {
        if (grid->owner[slot] < 0) {
            return (colour){COLOUR_HOLE, false};
        }
        flags |= grid->flags[slot];
    }
    if (flags & SLOT_MARKED) {
        return (colour){COLOUR_MARK, false};
    }
    return (colour){majority(grid, first, count), (flags & SLOT_IN_DOUBT) != 0};
}

static bool same_colour(colour a, colour b) {
    return a.node == b.node && a.faded == b.faded;
}

/* What the terminal is set to while a row is drawn. */
typedef struct brush {
    out *o;
    const term *t;
    colour ink;
    colour paper;
} brush;

static const colour unset = {COLOUR_NONE, false};

static void dip(brush *b, colour ink, colour paper) {
    if (!same_colour(ink, b->ink)) {
        term_ink(b->o, b->t, ink);
        b->ink = ink;
    }
    if (!same_colour(paper, b->paper)) {
        term_paper(b->o, b->t, paper);
        b->paper = paper;
    }
}

/* Two cells in one character. A hole shows the terminal's own ground. */
static void draw_pair(brush *b, colour upper, colour lower) {
    if (same_colour(upper, lower)) {
        bool hole = upper.node == COLOUR_HOLE;
        dip(b, upper, hole ? unset : b->paper);
        out_text(b->o, hole ? "╳" : "█");
    } else if (upper.node == COLOUR_HOLE) {
        dip(b, lower, unset);
        out_text(b->o, "▄");
    } else {
        dip(b, upper, lower.node == COLOUR_HOLE ? unset : lower);
        out_text(b->o, "▀");
    }
}

static void draw_half_blocks(out *o, const term *t, const slotgrid *grid, int first, int columns,
                             int cell) {
    brush b = {o, t, unset, unset};
    for (int column = 0; column < columns; column++) {
        draw_pair(&b, cell_colour(grid, first + column * cell, cell),
                  cell_colour(grid, first + (columns + column) * cell, cell));
    }
    out_text(o, term_style(t, STYLE_RESET));
}

static void draw_letters(out *o, const slotgrid *grid, int first, int columns, int cell) {
    for (int column = 0; column < columns; column++) {
        colour c = cell_colour(grid, first + column * cell, cell);
        if (c.node == COLOUR_HOLE) {
            out_char(o, '.');
        } else if (c.node == COLOUR_MARK) {
            out_char(o, '*');
        } else {
            out_char(o, c.faded ? '?' : term_letter(c.node));
        }
    }
}

static void draw_spaces(out *o, const term *t, const slotgrid *grid, int first, int columns,
                        int cell) {
    colour paper = unset;
    for (int column = 0; column < columns; column++) {
        colour c = cell_colour(grid, first + column * cell, cell);
        if (!same_colour(c, paper)) {
            term_paper(o, t, c);
            paper = c;
        }
        out_char(o, c.node == COLOUR_HOLE ? '.' : ' ');
    }
    out_text(o, term_style(t, STYLE_RESET));
}

void slotgrid_draw(out *o, const term *t, const slotgrid *grid, int columns, int rows,
                   const char *line_end) {
    int slots_in_row = KW_SLOT_COUNT / rows;
    for (int row = 0; row < rows; row++) {
        int first = row * slots_in_row;
        out_printf(o, " %s%5d%s  ", term_style(t, STYLE_DIM), first, term_style(t, STYLE_RESET));
        if (t->colours == 0) {
            draw_letters(o, grid, first, columns, slots_in_row / columns);
        } else if (t->utf8) {
            draw_half_blocks(o, t, grid, first, columns, slots_in_row / columns / 2);
        } else {
            draw_spaces(o, t, grid, first, columns, slots_in_row / columns);
        }
        out_text(o, line_end);
    }
}

void slotgrid_runs(const slotgrid *grid, slotgrid_run_fn *visit, void *arg) {
    int first = 0;
    for (int slot = 1; slot <= KW_SLOT_COUNT; slot++) {
        if (slot == KW_SLOT_COUNT || grid->owner[slot] != grid->owner[first] ||
            grid->flags[slot] != grid->flags[first]) {
            visit(arg, first, slot - 1, grid->owner[first], grid->flags[first]);
            first = slot;
        }
    }
}
