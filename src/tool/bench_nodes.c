#include "tool/bench_nodes.h"

#include "base/slice.h"

enum { MAP_NODES_MAX = 1024, ONE_FAILURE_US = 5 * 1000 * 1000 };

void bench_nodes_init(bench_nodes *n) {
    memset(n, 0, sizeof *n);
    if (pthread_mutex_init(&n->lock, NULL) != 0) {
        give_up("out of memory");
    }
}

void bench_nodes_done(bench_nodes *n) {
    pthread_mutex_destroy(&n->lock);
}

static int find(const bench_nodes *n, const char *endpoint) {
    int node = 0;
    while (node < n->count && strcmp(n->endpoint[node], endpoint) != 0) {
        node++;
    }
    return node;
}

int bench_nodes_find(bench_nodes *n, const char *endpoint) {
    pthread_mutex_lock(&n->lock);
    int node = find(n, endpoint);
    node = node < n->count ? node : BENCH_NODE_NONE;
    pthread_mutex_unlock(&n->lock);
    return node;
}

int bench_nodes_index(bench_nodes *n, const char *endpoint) {
    pthread_mutex_lock(&n->lock);
    int node = find(n, endpoint);
    if (node == BENCH_NODES_MAX) {
        node--;
    } else if (node == n->count) {
        bool last = node == BENCH_NODES_MAX - 1;
        slice_copy(n->endpoint[node], sizeof n->endpoint[node],
                   slice_text(last ? "other nodes" : endpoint));
        n->count++;
    }
    pthread_mutex_unlock(&n->lock);
    return node;
}

int bench_nodes_count(bench_nodes *n) {
    pthread_mutex_lock(&n->lock);
    int count = n->count;
    pthread_mutex_unlock(&n->lock);
    return count;
}

const char *bench_nodes_endpoint(const bench_nodes *n, int node) {
    return n->endpoint[node];
}

void bench_owners_init(bench_owners *o) {
    memset(o, 0, sizeof *o);
    for (int slot = 0; slot < KW_SLOT_COUNT; slot++) {
        o->node[slot] = BENCH_NODE_NONE;
    }
}

void bench_owners_fail(bench_owners *o, int node, bool is_dead, uint64_t now_us) {
    if (now_us - o->suspect_us[node] > ONE_FAILURE_US) {
        o->suspect_us[node] = now_us;
    }
    if (is_dead) {
        o->failed_us[node] = o->suspect_us[node];
        o->dead_us[node] = now_us;
    }
}

/* Its index; a replica has none until it is promoted. */
static int16_t take_node(bench_owners *o, bench_nodes *n, const kw_map_node *node,
                         uint64_t now_us) {
    if (node->slot_count > 0) {
        int index = bench_nodes_index(n, node->endpoint);
        o->is_primary[index] = true;
        return (int16_t)index;
    }
    int index = node->primary_index >= 0 ? bench_nodes_find(n, node->endpoint) : BENCH_NODE_NONE;
    if (index >= 0 && o->is_primary[index]) {
        o->is_primary[index] = false;
        bench_owners_fail(o, index, true, now_us);
    }
    return BENCH_NODE_NONE;
}

void bench_owners_read(bench_owners *o, bench_nodes *n, const kw_map *map, uint64_t now_us) {
    int16_t index[MAP_NODES_MAX];
    kw_map_node node;
    size_t count = 0;
    for (; count < MAP_NODES_MAX && kw_map_node_at(map, count, &node); count++) {
        index[count] = take_node(o, n, &node, now_us);
    }
    for (int slot = 0; slot < KW_SLOT_COUNT; slot++) {
        int owner = kw_map_owner(map, slot);
        if (owner >= 0 && (size_t)owner < count) {
            o->node[slot] = index[owner]; /* a hole keeps its last owner */
        }
    }
}
