#include "tool/plan.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    CALM_US = 800 * 1000,
    MOVE_STEP_US = 1500, /* between begin, the first key, the rest, and the end of a move */
    AFTER_PROMOTION_US = 1200 * 1000,
    AFTER_REVIVAL_US = 700 * 1000,
    STALE_US = 2500 * 1000,
    HOLE_EVERY_US = 800 * 1000,
    HOLES = 3,
    HOLE_SLOTS = 2000
};

void plan_log(plan *p, style s, const char *format, ...) {
    plan_line *line = &p->log[p->log_count++ % PLAN_LOG_LINES];
    line->at_us = clock_us() - p->started_us;
    line->style = s;
    va_list args;
    va_start(args, format);
    vsnprintf(line->text, sizeof line->text, format, args);
    va_end(args);
}

/* The lab does what it is told, or the demo ends. */
static void expect(plan *p, kw_status status, const char *what) {
    if (status != KW_OK && !p->trouble[0]) {
        snprintf(p->trouble, sizeof p->trouble, "the embedded cluster refused to %s: %s", what,
                 kw_status_name(status));
    }
}

static const char *endpoint_of(const plan *p, int node) {
    static _Thread_local kw_lab_node info;
    return kw_lab_node_at(p->lab, node, &info) ? info.endpoint : "?";
}

static void enter(plan *p, phase ph, uint64_t now_us) {
    p->phase = ph;
    p->phase_us = now_us;
    p->moved = 0;
    p->next_us = now_us;
}

/* ------------------------------------------------------------------- moves */

/* The next slot to move, and where: each shard in turn gives the first of its slots to the next. */
static int choose_move(const plan *p, int *ret_target) {
    if (p->phase == PHASE_STALE) {
        *ret_target = 1; /* between two shards that are not the frozen one */
        for (int slot = 0; slot < KW_SLOT_COUNT; slot++) {
            if (p->shard[slot] == 0) {
                return slot;
            }
        }
        return -1;
    }
    int from = p->moved * PLAN_SHARDS / PLAN_MOVES;
    *ret_target = (from + 1) % PLAN_SHARDS;
    return from * (KW_SLOT_COUNT / PLAN_SHARDS) + p->moved % (PLAN_MOVES / PLAN_SHARDS);
}

static void begin_move(plan *p) {
    int slot = choose_move(p, &p->open_target);
    if (slot < 0) {
        p->moves_left = 0;
        return;
    }
    expect(p, kw_lab_migrate_begin(p->lab, slot, p->primary[p->open_target]), "move a slot");
    p->open_slot = slot;
    p->open_step = 0;
    p->traffic->hot_slot = slot;
}

static void end_move(plan *p) {
    expect(p, kw_lab_migrate_end(p->lab, p->open_slot), "end the move of a slot");
    p->shard[p->open_slot] = (int16_t)p->open_target;
    p->open_slot = -1;
    p->traffic->hot_slot = -1;
    p->moves_left--;
    p->moved++;
    p->slots_moved++;
}

/* One step of the slot that is on the move. Its two keys go one at a time, so that for a while a
 * command on both finds one here and one there: TRYAGAIN. */
static void step_move(plan *p, uint64_t now_us) {
    if (now_us < p->next_us) {
        return;
    }
    p->next_us = now_us + MOVE_STEP_US;
    size_t left = 0;
    if (p->open_slot < 0) {
        begin_move(p);
        return;
    }
    p->open_step++;
    if (p->open_step <= 2) {
        expect(p, kw_lab_migrate_keys(p->lab, p->open_slot, p->open_step == 1 ? 1 : 1000, &left),
               "move the keys of a slot");
        return;
    }
    /* A write may have made a key at the source again in the meantime. */
    expect(p, kw_lab_migrate_keys(p->lab, p->open_slot, 1000, &left), "move the keys of a slot");
    if (left == 0) {
        end_move(p);
    }
}

/* ------------------------------------------------------------------ phases */

static void step_fill(plan *p, uint64_t now_us) {
    if (!traffic_is_idle(p->traffic)) {
        return;
    }
    if (p->phase == PHASE_FILL) {
        plan_log(p, STYLE_DIM, "%d keys written, two in each slot; mixed traffic begins",
                 TRAFFIC_KEYS);
        traffic_start(p->traffic, TRAFFIC_MIXED);
        enter(p, PHASE_CALM, now_us);
    }
}

static void step_calm(plan *p, uint64_t now_us) {
    if (now_us - p->phase_us >= CALM_US) {
        enter(p, PHASE_MOVE, now_us);
        p->moves_left = PLAN_MOVES;
        plan_log(p, STYLE_TITLE, "%d slots are moved one by one", PLAN_MOVES);
    }
}

static void kill_primary(plan *p, uint64_t now_us) {
    enter(p, PHASE_KILL, now_us);
    p->killed = p->primary[1];
    p->killed_us = now_us;
    plan_log(p, STYLE_BAD, "%s is killed, a primary with a quarter of the slots",
             endpoint_of(p, p->killed));
    expect(p, kw_lab_kill(p->lab, p->killed), "kill a node");
}

static void step_moves(plan *p, uint64_t now_us) {
    step_move(p, now_us);
    if (p->moves_left == 0) {
        plan_log(p, STYLE_GOOD, "%d slots moved", p->moved);
        kill_primary(p, now_us);
    }
}

static void look_for_promotion(plan *p, uint64_t now_us) {
    kw_lab_node node;
    for (int i = 0; kw_lab_node_at(p->lab, i, &node); i++) {
        if (i != p->killed && i != p->primary[1] && node.alive && node.primary &&
            i >= PLAN_SHARDS) {
            p->primary[1] = i;
            p->outage_us = now_us - p->killed_us;
            plan_log(p, STYLE_GOOD, "%s is promoted after %.0f ms by the failover", node.endpoint,
                     (double)p->outage_us / 1000);
            return;
        }
    }
}

static void freeze_node(plan *p, uint64_t now_us) {
    enter(p, PHASE_STALE, now_us);
    p->frozen = p->primary[3];
    p->moves_left = PLAN_STALE_MOVES;
    expect(p, kw_lab_freeze_view(p->lab, p->frozen, true), "freeze a node's view");
    plan_log(p, STYLE_WARN, "%s gets a stale view while %d slots move between two others",
             endpoint_of(p, p->frozen), PLAN_STALE_MOVES);
}

static void step_kill(plan *p, uint64_t now_us) {
    if (p->outage_us == 0) {
        look_for_promotion(p, now_us);
    } else if (!p->revived && now_us > p->killed_us + p->outage_us + AFTER_PROMOTION_US) {
        p->revived = true;
        expect(p, kw_lab_revive(p->lab, p->killed), "revive a node");
        plan_log(p, STYLE_DIM, "%s is started again, as a replica", endpoint_of(p, p->killed));
    } else if (p->revived &&
               now_us > p->killed_us + p->outage_us + AFTER_PROMOTION_US + AFTER_REVIVAL_US) {
        freeze_node(p, now_us);
    }
}

/* Any node may be asked for the owner of a forgotten slot: the stale one, too. */
static void forget(plan *p, uint64_t now_us, int first, int last) {
    expect(p, kw_forget_slots(p->client, first, last), "forget slots");
    p->slots_forgotten += (uint64_t)(last - first + 1);
    p->hole_us = now_us;
    p->hole_open = true;
}

static void step_stale(plan *p, uint64_t now_us) {
    if (p->moves_left > 0) {
        step_move(p, now_us);
        if (p->moves_left == 0) {
            int first = PLAN_MOVES / PLAN_SHARDS;
            plan_log(p, STYLE_WARN, "the client forgets these slots; the stale node may be asked");
            forget(p, now_us, first, first + PLAN_STALE_MOVES - 1);
        }
    } else if (now_us - p->phase_us >= STALE_US) {
        expect(p, kw_lab_freeze_view(p->lab, p->frozen, false), "thaw a node's view");
        plan_log(p, STYLE_DIM, "%s hears of everything again", endpoint_of(p, p->frozen));
        p->frozen = -1;
        enter(p, PHASE_HOLE, now_us);
    }
}

static void watch_hole(plan *p, uint64_t now_us) {
    kw_stats *stats = NULL;
    if (!p->hole_open || kw_stats_new(p->client, &stats) != KW_OK) {
        return;
    }
    if (kw_stats_total(stats, KW_COUNT_SLOTS_UNKNOWN) == 0) {
        p->hole_open = false;
        plan_log(p, STYLE_GOOD, "the client's map is whole again after %.0f ms",
                 (double)(now_us - p->hole_us) / 1000);
    }
    kw_stats_free(stats);
}

static void step_hole(plan *p, uint64_t now_us) {
    if (p->hole_open || now_us < p->next_us) {
        return;
    }
    p->next_us = now_us + HOLE_EVERY_US;
    if (p->holes == HOLES) {
        traffic_start(p->traffic, TRAFFIC_STOPPED);
        enter(p, PHASE_READ_BACK, now_us);
        return;
    }
    int first = ++p->holes * 5000 - 4000;
    if (p->holes == HOLES) {
        plan_log(p, STYLE_WARN, "the client forgets its whole map");
        forget(p, now_us, 0, KW_SLOT_COUNT - 1);
    } else {
        plan_log(p, STYLE_WARN, "the client's own map gets a hole of %d slots", HOLE_SLOTS);
        forget(p, now_us, first, first + HOLE_SLOTS - 1);
    }
}

static void step_read_back(plan *p, uint64_t now_us) {
    if (!traffic_is_idle(p->traffic)) {
        return;
    }
    if (p->traffic->cursor < TRAFFIC_KEYS) {
        plan_log(p, STYLE_TITLE, "every key is read back");
        traffic_start(p->traffic, TRAFFIC_READ_BACK);
        return;
    }
    enter(p, PHASE_DONE, now_us);
}

void plan_step(plan *p, uint64_t now_us) {
    static void (*const steps[])(plan *, uint64_t) = {
        [PHASE_FILL] = step_fill,          [PHASE_CALM] = step_calm,   [PHASE_MOVE] = step_moves,
        [PHASE_KILL] = step_kill,          [PHASE_STALE] = step_stale, [PHASE_HOLE] = step_hole,
        [PHASE_READ_BACK] = step_read_back};
    watch_hole(p, now_us);
    if (p->phase != PHASE_DONE) {
        steps[p->phase](p, now_us);
    }
}

const char *plan_phase_name(phase ph) {
    static const char *const names[] = {"write all keys", "calm",       "move 1000 slots",
                                        "kill a primary", "stale view", "hole in map",
                                        "read back",      "done"};
    return names[ph];
}

double plan_progress(const plan *p, uint64_t now_us) {
    double in_phase = (double)(now_us - p->phase_us);
    switch (p->phase) {
    case PHASE_FILL:
    case PHASE_READ_BACK:
        return (double)p->traffic->cursor / TRAFFIC_KEYS;
    case PHASE_CALM:
        return in_phase / CALM_US;
    case PHASE_MOVE:
        return (double)p->moved / PLAN_MOVES;
    case PHASE_KILL:
        return in_phase / (500 * 1000 + AFTER_PROMOTION_US + AFTER_REVIVAL_US);
    case PHASE_STALE:
        return in_phase / STALE_US;
    case PHASE_HOLE:
        return in_phase / (HOLES * HOLE_EVERY_US);
    default:
        return 1;
    }
}

int plan_shard_of(const plan *p, const char *endpoint) {
    kw_lab_node node;
    for (int i = 0; kw_lab_node_at(p->lab, i, &node); i++) {
        if (strcmp(node.endpoint, endpoint) == 0) {
            return i % PLAN_SHARDS; /* one replica each, in the order of the primaries */
        }
    }
    return -1;
}

void plan_init(plan *p, kw_lab *lab, kw_client *client, traffic *t) {
    memset(p, 0, sizeof *p);
    p->lab = lab;
    p->client = client;
    p->traffic = t;
    p->open_slot = -1;
    p->killed = -1;
    p->frozen = -1;
    p->started_us = clock_us();
    p->phase_us = p->started_us;
    for (int i = 0; i < PLAN_SHARDS; i++) {
        p->primary[i] = i;
    }
    for (int slot = 0; slot < KW_SLOT_COUNT; slot++) {
        p->shard[slot] = (int16_t)kw_lab_owner(lab, slot);
    }
}
