/* The demo on the screen: a picture that is drawn anew ten times a second in place, or plain lines
 * when nobody can see one; and the table at the end. Owns the terminal's cursor meanwhile. */
#ifndef TOOL_VIEW_H
#define TOOL_VIEW_H

#include "tool/plan.h"
#include "tool/slotgrid.h"

enum { VIEW_SAMPLES = 256 };

typedef struct view {
    term look;
    bool live;
    out screen;
    const plan *plan;
    traffic *traffic;
    slotgrid grid;
    uint64_t sampled_us;
    uint64_t drawn_us;
    uint64_t told_us; /* plain: the last status line */
    int told_lines;   /* plain: of the log */
    int lines;        /* of the picture on the screen */
    int width;        /* it was drawn for */
    size_t samples;
    double rate[VIEW_SAMPLES]; /* commands a second; sample i at i % VIEW_SAMPLES */
    double slowest_ms[VIEW_SAMPLES];
} view;

void view_init(view *v, const plan *p, traffic *t, bool plain);

/* Draws or tells what is new, if it is time for it. */
void view_step(view *v, uint64_t now_us);

/* The last picture; the cursor is back below it. */
void view_end(view *v, uint64_t now_us);

/* The table, and the line that everything comes down to. */
void view_summary(view *v, bool interrupted);

#endif
