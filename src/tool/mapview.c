#include "tool/mapview.h"

#include "tool/json.h"

#include <stdio.h>

enum { BAR_WIDTH = 14, SLOTS_WIDTH = 5, HEADLINE_WIDTH = 76, ROWS = 16, RUNS_SHOWN = 3 };
/* Of a line of the table: all but the node's name and its ranges; one range, with what may follow.
 */
enum { BESIDE_WIDTH = 54, RUN_WIDTH = 12 };

typedef struct longest_runs {
    int count[MAPVIEW_NODES_MAX];
    int first[MAPVIEW_NODES_MAX];
} longest_runs;

static void find_longest_runs(longest_runs *runs, const kw_map *map, size_t nodes) {
    int first = 0;
    memset(runs, 0, sizeof *runs);
    for (int slot = 1; slot <= KW_SLOT_COUNT; slot++) {
        int owner = kw_map_owner(map, first);
        if (slot < KW_SLOT_COUNT && kw_map_owner(map, slot) == owner) {
            continue;
        }
        if (owner >= 0 && (size_t)owner < nodes && slot - first > runs->count[owner]) {
            runs->count[owner] = slot - first;
            runs->first[owner] = first;
        }
        first = slot;
    }
}

void node_order_of(node_order *order, const kw_map *map) {
    size_t nodes = kw_map_node_count(map);
    nodes = nodes < MAPVIEW_NODES_MAX ? nodes : MAPVIEW_NODES_MAX;
    longest_runs runs;
    find_longest_runs(&runs, map, nodes);
    order->count = 0;
    kw_map_node node;
    for (size_t i = 0; i < nodes && kw_map_node_at(map, i, &node); i++) {
        order->number[i] = -1;
        if (!node.primary && runs.count[i] == 0) {
            continue;
        }
        runs.first[i] = runs.count[i] > 0 ? runs.first[i] : KW_SLOT_COUNT;
        size_t at = order->count++;
        for (; at > 0 && runs.first[order->primaries[at - 1]] > runs.first[i]; at--) {
            order->primaries[at] = order->primaries[at - 1];
        }
        order->primaries[at] = (int)i;
    }
    for (size_t i = 0; i < order->count; i++) {
        order->number[order->primaries[i]] = (int16_t)i;
    }
}

static void number_owners(slotgrid *grid, const node_order *order) {
    for (int slot = 0; slot < KW_SLOT_COUNT; slot++) {
        if (grid->owner[slot] >= 0) {
            grid->owner[slot] = order->number[grid->owner[slot]];
        }
    }
}

/* ------------------------------------------------------------------ ranges */

/* The runs of one owner as text: `0-99 200 300-310`. */
typedef struct ranges {
    int owner;
    unsigned flags; /* only runs that have one of these; 0: all */
    int slot_count;
    int run_count;
    out *text;
    const char *before;  /* each run */
    const char *between; /* first and last slot */
    const char *after;
    int shown_max;
} ranges;

static void add_run(void *arg, int first, int last, int owner, unsigned flags) {
    ranges *r = arg;
    if (owner != r->owner && !(r->flags && owner >= 0)) {
        return;
    }
    if (r->flags && !(flags & r->flags)) {
        return;
    }
    r->slot_count += last - first + 1;
    r->run_count++;
    if (r->run_count > r->shown_max) {
        return;
    }
    out_printf(r->text, "%s%s%d", r->run_count > 1 ? r->after : "", r->before, first);
    if (last > first || r->before[0]) {
        out_printf(r->text, "%s%d", r->between, last);
    }
}

static ranges list_ranges(out *o, const slotgrid *grid, int owner, unsigned flags, int shown_max) {
    ranges r = {.owner = owner,
                .flags = flags,
                .text = o,
                .before = "",
                .between = "-",
                .after = " ",
                .shown_max = shown_max};
    slotgrid_runs(grid, add_run, &r);
    if (r.run_count > shown_max) {
        out_printf(o, " and %d more", r.run_count - shown_max);
    }
    return r;
}

static void json_ranges(out *o, const slotgrid *grid, int owner, unsigned flags) {
    ranges r = {.owner = owner,
                .flags = flags,
                .text = o,
                .before = "[",
                .between = ",",
                .after = "],",
                .shown_max = KW_SLOT_COUNT};
    out_char(o, '[');
    slotgrid_runs(grid, add_run, &r);
    out_text(o, r.run_count > 0 ? "]]" : "]");
}

/* ------------------------------------------------------------------- table */

static const char *state_style(const term *t, const char *state) {
    if (strcmp(state, "up") == 0) {
        return term_style(t, STYLE_GOOD);
    }
    if (strcmp(state, "down") == 0) {
        return term_style(t, STYLE_BAD);
    }
    return term_style(t, strcmp(state, "unknown") == 0 ? STYLE_DIM : STYLE_WARN);
}

static void bar(out *o, const term *t, int number, int value, int max) {
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    int units = max > 0 ? (value * BAR_WIDTH * 8 + max - 1) / max : 0;
    int full = t->utf8 ? units / 8 : (units + 4) / 8;
    int rest = t->utf8 ? units % 8 : 0;
    term_ink(o, t, (colour){number, false});
    out_fill(o, term_glyph(t, "█", "#"), (size_t)full);
    out_text(o, eighths[rest]);
    out_text(o, term_style(t, STYLE_RESET));
    out_fill(o, " ", (size_t)(BAR_WIDTH - full - (rest > 0)));
}

static void key_of(out *o, const term *t, int number) {
    if (t->colours == 0) {
        out_char(o, term_letter(number));
        return;
    }
    term_ink(o, t, (colour){number, false});
    if (t->utf8) {
        out_text(o, "■");
    } else {
        out_char(o, term_letter(number));
    }
    out_text(o, term_style(t, STYLE_RESET));
}

typedef struct table {
    out *o;
    const term *t;
    const kw_map *map;
    const slotgrid *owners; /* without flags: they would split the ranges */
    int node_width;
    int slots_max;
    int runs_shown; /* of each primary's ranges, as there is room for */
    bool is_narrow; /* no room for roles and shares either */
} table;

static void replica_rows(const table *b, int primary) {
    kw_map_node node;
    for (size_t i = 0; kw_map_node_at(b->map, i, &node); i++) {
        if (node.primary || node.primary_index != primary) {
            continue;
        }
        out_printf(b->o, "  %s%s %-*s  %s%s%*s %s%s%s\n", term_style(b->t, STYLE_DIM),
                   term_glyph(b->t, "└", "+"), b->node_width - 1, node.endpoint,
                   b->is_narrow ? "" : "replica", term_style(b->t, STYLE_RESET),
                   b->is_narrow ? SLOTS_WIDTH : 2 + SLOTS_WIDTH + 1 + BAR_WIDTH + 8, "",
                   state_style(b->t, node.state),
                   strcmp(node.state, "unknown") == 0 ? "not asked" : node.state,
                   term_style(b->t, STYLE_RESET));
    }
}

static void primary_row(const table *b, int number, int index) {
    kw_map_node node;
    if (!kw_map_node_at(b->map, (size_t)index, &node)) {
        return;
    }
    out_char(b->o, ' ');
    key_of(b->o, b->t, number);
    out_printf(b->o, " %-*s  %s%*d ", b->node_width, node.endpoint, b->is_narrow ? "" : "primary  ",
               SLOTS_WIDTH, node.slot_count);
    if (!b->is_narrow) {
        out_char(b->o, ' ');
        bar(b->o, b->t, number, node.slot_count, b->slots_max);
        out_printf(b->o, " %5.1f %% ", 100.0 * node.slot_count / KW_SLOT_COUNT);
    }
    out_printf(b->o, "%s%-10s%s ", state_style(b->t, node.state), node.state,
               term_style(b->t, STYLE_RESET));
    out_text(b->o, term_style(b->t, STYLE_DIM));
    if (b->runs_shown > 0) {
        (void)list_ranges(b->o, b->owners, number, 0, b->runs_shown);
    }
    out_printf(b->o, "%s\n", term_style(b->t, STYLE_RESET));
    replica_rows(b, index);
}

static void node_table(out *o, const term *t, const kw_map *map, const slotgrid *grid,
                       const node_order *order) {
    table b = {.o = o, .t = t, .map = map, .owners = grid, .node_width = 4};
    kw_map_node node;
    for (size_t i = 0; kw_map_node_at(map, i, &node); i++) {
        int len = (int)strlen(node.endpoint);
        b.node_width = len > b.node_width ? len : b.node_width;
        b.slots_max = node.slot_count > b.slots_max ? node.slot_count : b.slots_max;
    }
    int room = t->width - b.node_width - BESIDE_WIDTH;
    b.runs_shown = !t->is_tty || room / RUN_WIDTH > RUNS_SHOWN ? RUNS_SHOWN : room / RUN_WIDTH;
    b.is_narrow = t->is_tty && room < 0;
    out_printf(o, "%s   %-*s  ", term_style(t, STYLE_DIM), b.node_width, "node");
    if (b.is_narrow) {
        out_text(o, "slots state");
    } else {
        out_printf(o, "role     slots  %-*s  share  %-10s %s", BAR_WIDTH, "", "state",
                   b.runs_shown > 0 ? "ranges" : "");
    }
    out_printf(o, "%s\n", term_style(t, STYLE_RESET));
    for (size_t i = 0; i < order->count; i++) {
        primary_row(&b, (int)i, order->primaries[i]);
    }
}

/* A warning line with the slots that have an owner of -1, or one of the flags. */
static void trouble(out *o, const term *t, const slotgrid *grid, unsigned flags, style s,
                    const char *what) {
    out text;
    out_init(&text, -1);
    ranges r = list_ranges(&text, grid, -1, flags, 8);
    kw_slice list = out_slice(&text);
    if (r.slot_count > 0) {
        out_printf(o, "%s%d slot%s %s:%s %.*s\n", term_style(t, s), r.slot_count,
                   r.slot_count == 1 ? "" : "s", what, term_style(t, STYLE_RESET), (int)list.len,
                   list.data);
    }
    out_done(&text);
}

static void headline(out *o, const term *t, const kw_map *map, const slotgrid *grid,
                     const node_order *order) {
    int covered = 0;
    for (int slot = 0; slot < KW_SLOT_COUNT; slot++) {
        covered += grid->owner[slot] >= 0;
    }
    size_t replicas = kw_map_node_count(map) - order->count;
    const char *dot = t->is_tty && t->width < HEADLINE_WIDTH ? "\n" : term_glyph(t, " · ", " | ");
    out_printf(o, "%s%d of %d slots covered%s%s%zu primar%s, %zu replica%s%smap generation %llu\n",
               term_style(t, covered == KW_SLOT_COUNT ? STYLE_BOLD : STYLE_BAD), covered,
               KW_SLOT_COUNT, term_style(t, STYLE_RESET), dot, order->count,
               order->count == 1 ? "y" : "ies", replicas, replicas == 1 ? "" : "s", dot,
               (unsigned long long)kw_map_generation(map));
}

void mapview_picture(out *o, const term *t, const kw_map *map) {
    node_order order;
    slotgrid grid;
    node_order_of(&order, map);
    slotgrid_from_map(&grid, map);
    number_owners(&grid, &order);
    headline(o, t, map, &grid, &order);
    out_char(o, '\n');
    slotgrid_draw(o, t, &grid, slotgrid_columns(t), ROWS, "\n");
    out_char(o, '\n');
    slotgrid owners = grid;
    memset(owners.flags, 0, sizeof owners.flags);
    node_table(o, t, map, &owners, &order);
    trouble(o, t, &grid, 0, STYLE_BAD, "without a node");
    trouble(o, t, &grid, SLOT_IN_DOUBT, STYLE_WARN,
            "in doubt (the newest view names no node; the last one is kept)");
}

/* -------------------------------------------------------------------- JSON */

static void json_node(out *o, const kw_map *map, const slotgrid *grid, const node_order *order,
                      size_t index) {
    kw_map_node node;
    if (!kw_map_node_at(map, index, &node)) {
        return;
    }
    out_text(o, index > 0 ? ",{\"id\":" : "{\"id\":");
    json_text(o, node.id);
    out_text(o, ",\"endpoint\":");
    json_text(o, node.endpoint);
    out_printf(o, ",\"role\":\"%s\",\"primary\":", node.primary ? "primary" : "replica");
    kw_map_node primary;
    if (!node.primary && node.primary_index >= 0 &&
        kw_map_node_at(map, (size_t)node.primary_index, &primary)) {
        json_text(o, primary.endpoint);
    } else {
        out_text(o, "null");
    }
    out_printf(o, ",\"state\":\"%s\",\"slots\":%d,\"ranges\":", node.state, node.slot_count);
    if (order->number[index] >= 0) {
        json_ranges(o, grid, order->number[index], 0);
    } else {
        out_text(o, "[]");
    }
    out_char(o, '}');
}

void mapview_json(out *o, const kw_map *map) {
    node_order order;
    slotgrid grid;
    node_order_of(&order, map);
    slotgrid_from_map(&grid, map);
    number_owners(&grid, &order);
    int covered = 0;
    for (int slot = 0; slot < KW_SLOT_COUNT; slot++) {
        covered += grid.owner[slot] >= 0;
    }
    slotgrid owners = grid;
    memset(owners.flags, 0, sizeof owners.flags);
    out_printf(o, "{\"generation\":%llu,\"covered\":%d,\"nodes\":[",
               (unsigned long long)kw_map_generation(map), covered);
    for (size_t i = 0; i < kw_map_node_count(map) && i < MAPVIEW_NODES_MAX; i++) {
        json_node(o, map, &owners, &order, i);
    }
    out_text(o, "],\"holes\":");
    json_ranges(o, &grid, -1, 0);
    out_text(o, ",\"suspect\":");
    json_ranges(o, &grid, -1, SLOT_IN_DOUBT);
    out_text(o, "}\n");
}
