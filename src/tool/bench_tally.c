#include "tool/bench_tally.h"

#include "base/mem.h"

static void *make(size_t size) {
    void *made = mem_calloc(&mem_default, 1, size);
    if (!made) {
        give_up("out of memory");
    }
    return made;
}

static bench_histogram *node_histogram(bench_tally *t, int node) {
    if (!t->nodes[node]) {
        t->nodes[node] = make(sizeof(bench_histogram));
        bench_histogram_init(t->nodes[node]);
    }
    return t->nodes[node];
}

bench_tally *bench_tally_new(void) {
    bench_tally *t = make(sizeof *t);
    bench_histogram_init(&t->response);
    bench_histogram_init(&t->service);
    for (int i = 0; i < BENCH_COMMANDS_MAX; i++) {
        bench_histogram_init(&t->commands[i]);
    }
    return t;
}

void bench_tally_free(bench_tally *t) {
    for (int i = 0; t && i < BENCH_NODES_MAX; i++) {
        mem_free(&mem_default, t->nodes[i]);
    }
    mem_free(&mem_default, t);
}

void bench_tally_clear(bench_tally *t) {
    bench_histogram_clear(&t->response);
    bench_histogram_clear(&t->service);
    for (int i = 0; i < BENCH_COMMANDS_MAX; i++) {
        bench_histogram_clear(&t->commands[i]);
    }
    for (int i = 0; i < BENCH_NODES_MAX; i++) {
        if (t->nodes[i]) {
            bench_histogram_clear(t->nodes[i]);
        }
    }
    t->done = 0;
    t->misses = 0;
    t->error_count = 0;
    t->ambiguous = 0;
    t->unsent = 0;
    memset(t->errors, 0, sizeof t->errors);
}

static void add_name(bench_tally *t, kw_slice name, uint64_t count) {
    bench_error *e = t->errors;
    const bench_error *last = &t->errors[BENCH_ERRORS_MAX - 1];
    while (e < last && e->count > 0 && !slice_equal(slice_text(e->name), name)) {
        e++;
    }
    if (e->count == 0) {
        slice_copy(e->name, sizeof e->name, e == last ? SLICE_LITERAL("others") : name);
    }
    e->count += count;
}

void bench_tally_error(bench_tally *t, const char *name, size_t name_len, uint64_t count) {
    size_t most = BENCH_ERROR_BYTES - 1;
    t->error_count += count;
    add_name(t, slice_of(name, name_len < most ? name_len : most), count);
}

void bench_tally_merge(bench_tally *to, const bench_tally *from) {
    bench_histogram_merge(&to->response, &from->response);
    bench_histogram_merge(&to->service, &from->service);
    for (int i = 0; i < BENCH_COMMANDS_MAX; i++) {
        bench_histogram_merge(&to->commands[i], &from->commands[i]);
    }
    for (int i = 0; i < BENCH_NODES_MAX; i++) {
        if (from->nodes[i] && from->nodes[i]->count > 0) {
            bench_histogram_merge(node_histogram(to, i), from->nodes[i]);
        }
    }
    to->done += from->done;
    to->misses += from->misses;
    to->error_count += from->error_count;
    to->ambiguous += from->ambiguous;
    to->unsent += from->unsent;
    for (int i = 0; i < BENCH_ERRORS_MAX && from->errors[i].count > 0; i++) {
        add_name(to, slice_text(from->errors[i].name), from->errors[i].count);
    }
}

void bench_tally_add(bench_tally *t, const bench_end *end) {
    t->done++;
    bench_histogram_add(&t->response, end->response_us);
    bench_histogram_add(&t->commands[end->command], end->response_us);
    if (end->has_service) {
        bench_histogram_add(&t->service, end->service_us);
    }
    if (end->node >= 0) {
        bench_histogram_add(node_histogram(t, end->node), end->response_us);
    }
}

/* ----------------------------------------------------------------- counters */

void bench_counters_add_client(bench_counters *c, bench_nodes *nodes, const kw_client *client) {
    kw_stats *stats = NULL;
    if (kw_stats_new(client, &stats) != KW_OK) {
        give_up("out of memory");
    }
    for (int i = 0; i < KW_COUNTER_COUNT; i++) {
        c->total[i] += kw_stats_total(stats, (kw_counter)i);
    }
    for (size_t i = 0; i < kw_stats_node_count(stats); i++) {
        if (kw_stats_node(stats, i, KW_COUNT_COMMANDS) == 0) {
            continue; /* a replica, or a node that was only asked for the map */
        }
        bench_node_counters *n =
            &c->nodes[bench_nodes_index(nodes, kw_stats_node_endpoint(stats, i))];
        n->bytes_out += kw_stats_node(stats, i, KW_COUNT_BYTES_OUT);
        n->bytes_in += kw_stats_node(stats, i, KW_COUNT_BYTES_IN);
        n->moved += kw_stats_node(stats, i, KW_COUNT_MOVED);
        n->ask += kw_stats_node(stats, i, KW_COUNT_ASK);
    }
    kw_stats_free(stats);
}

void bench_counters_add(bench_counters *to, const bench_counters *from) {
    for (int i = 0; i < KW_COUNTER_COUNT; i++) {
        to->total[i] += from->total[i];
    }
    for (int i = 0; i < BENCH_NODES_MAX; i++) {
        to->nodes[i].bytes_out += from->nodes[i].bytes_out;
        to->nodes[i].bytes_in += from->nodes[i].bytes_in;
        to->nodes[i].moved += from->nodes[i].moved;
        to->nodes[i].ask += from->nodes[i].ask;
    }
}

static void subtract(uint64_t *from, uint64_t what) {
    *from = bench_grown(*from, what);
}

void bench_counters_subtract(bench_counters *from, const bench_counters *what) {
    for (int i = 0; i < KW_COUNTER_COUNT; i++) {
        subtract(&from->total[i], what->total[i]);
    }
    for (int i = 0; i < BENCH_NODES_MAX; i++) {
        subtract(&from->nodes[i].bytes_out, what->nodes[i].bytes_out);
        subtract(&from->nodes[i].bytes_in, what->nodes[i].bytes_in);
        subtract(&from->nodes[i].moved, what->nodes[i].moved);
        subtract(&from->nodes[i].ask, what->nodes[i].ask);
    }
}
