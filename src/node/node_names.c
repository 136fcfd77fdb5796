#include "node/node_names.h"

#define SWEEP_AT_LEAST 64

typedef struct name {
    bool held; /* since the last sweep */
    char text[];
} name;

void names_init(node_names *n, const mem *m, uint64_t seed) {
    n->mem = m;
    n->sweep_at = SWEEP_AT_LEAST;
    map_init(&n->texts, m, seed);
}

void names_done(node_names *n) {
    size_t position = 0;
    kw_slice text;
    void *value;
    while (map_next(&n->texts, &position, &text, &value)) {
        mem_free(n->mem, value);
    }
    map_done(&n->texts);
}

const char *names_keep(node_names *n, kw_slice text) {
    if (text.len == 0) {
        return "";
    }
    name *kept = map_get(&n->texts, text);
    if (kept) {
        return kept->text;
    }
    kept = mem_alloc(n->mem, sizeof *kept + text.len + 1);
    if (!kept) {
        return NULL;
    }
    kept->held = false;
    memcpy(kept->text, text.data, text.len);
    kept->text[text.len] = '\0';
    if (!map_set(&n->texts, text, kept, NULL)) {
        mem_free(n->mem, kept);
        return NULL;
    }
    return kept->text;
}

bool names_are_many(const node_names *n) {
    return map_count(&n->texts) >= n->sweep_at;
}

void names_hold(const char *text) {
    if (text[0] != '\0') {
        name *kept = (name *)(text - offsetof(name, text)); /* it is ours, so it may be changed */
        kept->held = true;
    }
}

void names_sweep(node_names *n) {
    size_t position = 0;
    kw_slice text;
    void *value;
    while (map_next(&n->texts, &position, &text, &value)) {
        name *kept = value;
        if (kept->held) {
            kept->held = false;
        } else {
            (void)map_remove(&n->texts, text); /* it is `kept` */
            mem_free(n->mem, kept);
        }
    }
    size_t twice = 2 * map_count(&n->texts);
    n->sweep_at = twice > SWEEP_AT_LEAST ? twice : SWEEP_AT_LEAST;
}
