#include "node/node_fault.h"

#include "node/node_glob.h"

#include <assert.h>

static const struct {
    const char *name;
    bool executes;
    bool needs_text;
    uint64_t amount_max;
} actions[FAULT_ACTION_COUNT] = {
    [FAULT_NONE] = {"none", true, false, 0},
    [FAULT_ERROR] = {"error", false, true, 0},
    [FAULT_REPLY] = {"reply", false, true, 0},
    [FAULT_MOVED] = {"moved", false, false, 0},
    [FAULT_ASK] = {"ask", false, false, 0},
    [FAULT_DROP_BEFORE] = {"drop-before", false, false, 0},
    [FAULT_DROP_AFTER] = {"drop-after", true, false, 0},
    [FAULT_CUT] = {"cut", true, false, UINT64_MAX},
    [FAULT_STALL] = {"stall", true, false, UINT64_MAX},
    [FAULT_SWALLOW] = {"swallow", true, false, 0},
    [FAULT_TRICKLE] = {"trickle", true, false, FAULT_DELAY_MS_MAX},
    [FAULT_GARBAGE] = {"garbage", true, false, FAULT_GARBAGE_BYTES_MAX},
    [FAULT_OVERSIZED] = {"oversized", true, true, INT64_MAX},
    [FAULT_NEST] = {"nest", true, false, FAULT_NEST_BYTES_MAX},
};

bool fault_action_executes(fault_action action) {
    return actions[action].executes;
}

const char *fault_action_name(fault_action action) {
    return actions[action].name;
}

fault_action fault_action_by_name(kw_slice name) {
    int action = FAULT_NONE;
    while (action < FAULT_ACTION_COUNT && !slice_is_nocase(name, actions[action].name)) {
        action++;
    }
    return (fault_action)action;
}

/* ------------------------------------------------------------------------------------- rules */

void fault_rules_init(fault_rules *f, const mem *m, uint64_t seed) {
    *f = (fault_rules){.mem = m};
    prng_init(&f->random, seed);
}

void fault_rules_done(fault_rules *f) {
    if (f->mem) {
        mem_free(f->mem, f->rules);
    }
    f->rules = NULL;
    f->count = 0;
    f->capacity = 0;
}

void fault_rule_init(fault_rule *rule) {
    *rule = (fault_rule){
        .node = NODE_NOBODY,
        .first_slot = SLOT_NONE,
        .last_slot = SLOT_NONE,
        .per_million = FAULT_MILLION,
        .target = NODE_NOBODY,
        .target_slot = SLOT_NONE,
    };
}

static bool slots_are_valid(const fault_rule *r) {
    bool anywhere = r->first_slot == SLOT_NONE && r->last_slot == SLOT_NONE;
    return anywhere ||
           (0 <= r->first_slot && r->first_slot <= r->last_slot && r->last_slot < SLOT_COUNT);
}

static bool is_valid(const fault_rule *r) {
    bool redirects = r->action == FAULT_MOVED || r->action == FAULT_ASK;
    return (unsigned)r->action < FAULT_ACTION_COUNT && slots_are_valid(r) &&
           strnlen(r->command, sizeof r->command) < sizeof r->command &&
           r->key_len <= sizeof r->key && r->text_len <= sizeof r->text &&
           r->per_million <= FAULT_MILLION && r->delay_ms <= FAULT_DELAY_MS_MAX &&
           r->amount <= actions[r->action].amount_max &&
           (r->text_len > 0 || !actions[r->action].needs_text) &&
           (r->target != NODE_NOBODY || !redirects) && SLOT_NONE <= r->target_slot &&
           r->target_slot < SLOT_COUNT;
}

static bool is_used_up(const fault_rule *r) {
    return r->count > 0 && r->hits >= r->count;
}

static void remove_at(fault_rules *f, size_t index) {
    f->count--;
    memmove(&f->rules[index], &f->rules[index + 1], (f->count - index) * sizeof *f->rules);
}

static bool make_room(fault_rules *f) {
    for (size_t i = 0; f->count == FAULT_RULES_MAX && i < f->count; i++) {
        if (is_used_up(&f->rules[i])) {
            remove_at(f, i);
        }
    }
    return f->count < FAULT_RULES_MAX;
}

kw_status fault_rules_add(fault_rules *f, const fault_rule *rule, uint64_t *ret_id) {
    if (!is_valid(rule)) {
        return KW_ERR_INVALID;
    }
    if (!make_room(f)) {
        return KW_ERR_LIMIT;
    }
    if (f->count == f->capacity) {
        size_t wanted = f->capacity ? 2 * f->capacity : 4;
        fault_rule *grown = mem_resize(f->mem, f->rules, wanted, sizeof *grown);
        if (!grown) {
            return KW_ERR_NOMEM;
        }
        f->rules = grown;
        f->capacity = wanted;
    }
    fault_rule *added = &f->rules[f->count++];
    *added = *rule;
    added->id = ++f->last_id;
    added->seen = 0;
    added->hits = 0;
    *ret_id = added->id;
    return KW_OK;
}

bool fault_rules_remove(fault_rules *f, uint64_t id) {
    for (size_t i = 0; i < f->count; i++) {
        if (f->rules[i].id == id) {
            remove_at(f, i);
            return true;
        }
    }
    return false;
}

void fault_rules_clear(fault_rules *f) {
    f->count = 0;
}

const fault_rule *fault_rules_find(const fault_rules *f, uint64_t id) {
    for (size_t i = 0; i < f->count; i++) {
        if (f->rules[i].id == id) {
            return &f->rules[i];
        }
    }
    return NULL;
}

/* ---------------------------------------------------------------------------------- matching */

/* "cluster" picks all of CLUSTER's subcommands. */
static bool fits_name(const fault_rule *r, kw_slice name) {
    kw_slice pattern = slice_text(r->command);
    if (pattern.len == 0 || glob_match(pattern, name)) {
        return true;
    }
    const char *bar = name.len > 0 ? memchr(name.data, '|', name.len) : NULL;
    return bar && glob_match(pattern, slice_of(name.data, (size_t)(bar - name.data)));
}

static bool fits_a_key(const fault_rule *r, const fault_subject *s) {
    bool by_slot = r->first_slot != SLOT_NONE;
    if (r->key_len == 0 && !by_slot) {
        return true;
    }
    for (size_t i = 0; s->has_keys && i < node_key_count(&s->keys); i++) {
        kw_slice key = s->argv[node_key_at(&s->keys, i)];
        int slot = by_slot ? slot_of_key(key) : SLOT_NONE;
        if ((r->key_len == 0 || glob_match(slice_of(r->key, r->key_len), key)) &&
            (!by_slot || (r->first_slot <= slot && slot <= r->last_slot))) {
            return true;
        }
    }
    return false;
}

static bool has_its_turn(fault_rule *r, prng *random) {
    r->seen++;
    if (r->seen <= r->skip || is_used_up(r)) {
        return false;
    }
    return r->per_million == FAULT_MILLION || prng_below(random, FAULT_MILLION) < r->per_million;
}

const fault_rule *fault_rules_match(fault_rules *f, const fault_subject *subject) {
    for (size_t i = 0; i < f->count; i++) {
        fault_rule *r = &f->rules[i];
        if ((r->node == NODE_NOBODY || r->node == subject->node) && fits_name(r, subject->name) &&
            fits_a_key(r, subject) && has_its_turn(r, &f->random)) {
            r->hits++;
            return r;
        }
    }
    return NULL;
}
