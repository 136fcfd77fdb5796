/* A cluster's slot map for people and for programs: picture, table of nodes, holes; or JSON.
 * Owns the numbering of the primaries, which gives each its colour. */
#ifndef TOOL_MAPVIEW_H
#define TOOL_MAPVIEW_H

#include "tool/slotgrid.h"

enum { MAPVIEW_NODES_MAX = 1024 };

/* The primaries of a map in the order of where the longest run of each begins, so that a few slots
 * that move do not change the colours; those without slots follow. */
typedef struct node_order {
    size_t count;
    int primaries[MAPVIEW_NODES_MAX];  /* number -> index in the map */
    int16_t number[MAPVIEW_NODES_MAX]; /* index in the map -> number, or -1 */
} node_order;

void node_order_of(node_order *order, const kw_map *map);

void mapview_picture(out *o, const term *t, const kw_map *map);
void mapview_json(out *o, const kw_map *map);

#endif
