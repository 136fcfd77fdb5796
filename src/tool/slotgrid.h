/* All 16384 slots as a picture: rows of cells, each cell a run of slots in the colour of its node.
 * On a terminal with UTF-8 each character shows two cells, one above the other. A cell that holds a
 * hole is a hole, else one with a marked slot is marked, else one with a slot in doubt is faded:
 * what is wrong is never hidden by its neighbours. Without colours a cell is its node's letter. */
#ifndef TOOL_SLOTGRID_H
#define TOOL_SLOTGRID_H

#include "tool/term.h"

enum { SLOT_IN_DOUBT = 1, SLOT_MARKED = 2 };

/* What to draw; owner is a node's index, or -1 for a hole. */
typedef struct slotgrid {
    int16_t owner[KW_SLOT_COUNT];
    uint8_t flags[KW_SLOT_COUNT];
} slotgrid;

void slotgrid_from_map(slotgrid *grid, const kw_map *map);

/* The most columns, a power of two up to 128, that fit beside the row labels; at least 16. */
int slotgrid_columns(const term *t);

/* Draws `rows` lines (a power of two), each with the number of its first slot before it. line_end
 * ends each line. */
void slotgrid_draw(out *o, const term *t, const slotgrid *grid, int columns, int rows,
                   const char *line_end);

/* Calls visit for each run of neighbouring slots with the same owner and the same flags. */
typedef void slotgrid_run_fn(void *arg, int first, int last, int owner, unsigned flags);
void slotgrid_runs(const slotgrid *grid, slotgrid_run_fn *visit, void *arg);

#endif
