/* The way of one command, told: its slot, the map it was routed by, and each hop with node, reason,
 * answer and time. */
#ifndef TOOL_EXPLAIN_H
#define TOOL_EXPLAIN_H

#include "tool/term.h"

/* A line about the whole, then a table with a line for each hop. */
void explain_table(out *o, const term *t, const kw_trace *trace);

/* {"slot":..,"generation":..,"total_us":..,"hops":[{..},..]}; slot is null for a command without
 * keys. */
void explain_json(out *o, const kw_trace *trace);

/* One line for the prompt: `slot 866 -> node`, each redirect, and the time. */
void explain_line(out *o, const term *t, const kw_trace *trace);

#endif
