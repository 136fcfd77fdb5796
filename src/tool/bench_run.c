#include "tool/bench_run.h"

#include "base/mem.h"
#include "tool/bench_load.h"
#include "tool/traffic.h"

#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

enum { VALUES_EXTRA = 64 * 1024, SPARE_DESCRIPTORS = 64, OWN_DESCRIPTORS = 4 };

static void choose_node_slots(bench_run *r) {
    bool seen[BENCH_NODES_MAX] = {false};
    for (int slot = 0; slot < KW_SLOT_COUNT; slot++) {
        int node = r->owners.node[slot];
        if (node >= 0 && !seen[node]) {
            seen[node] = true;
            r->node_slot[r->primary_count++] = (uint16_t)slot;
        }
    }
}

static void read_map(bench_run *r, const kw_client *scout) {
    kw_map *map = NULL;
    if (kw_map_new(scout, &map) != KW_OK) {
        give_up("out of memory");
    }
    bench_owners_init(&r->owners);
    bench_owners_read(&r->owners, &r->nodes, map, clock_us());
    kw_map_free(map);
    choose_node_slots(r);
}

/* Printable bytes, from which each value is a piece. */
static void make_values(bench_run *r) {
    prng random;
    prng_init(&random, r->plan->seed);
    r->values_len = (size_t)r->plan->size_high + VALUES_EXTRA;
    r->values = mem_alloc(&mem_default, r->values_len);
    if (!r->values) {
        give_up("out of memory");
    }
    for (size_t i = 0; i < r->values_len; i++) {
        r->values[i] = (char)('!' + prng_next(&random) % 94);
    }
}

/* As many descriptors as the handles need: the soft limit is often only 1024. */
static exit_status allow_descriptors(const bench_run *r, bool with_lab) {
    struct rlimit limit;
    uint64_t each = OWN_DESCRIPTORS + (uint64_t)r->primary_count * (with_lab ? 2 : 1);
    uint64_t needed = r->plan->handles * each + SPARE_DESCRIPTORS;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed) {
        return STATUS_OK;
    }
    limit.rlim_cur = limit.rlim_max < needed ? limit.rlim_max : needed;
    if (limit.rlim_cur < needed || setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        complain("%llu handles need about %llu descriptors, and %llu are allowed: see ulimit -n",
                 (unsigned long long)r->plan->handles, (unsigned long long)needed,
                 (unsigned long long)limit.rlim_max);
        return STATUS_USAGE;
    }
    return STATUS_OK;
}

/* With --verify each lost connection is made anew at once, however young it was: if it is refused
 * then, its node has died, also if it is back a moment later. */
static bool set_options(const bench_plan *p, kw_options *options, kw_error *err) {
    char number[24];
    snprintf(number, sizeof number, "%llu", (unsigned long long)p->timeout_ms);
    return (p->timeout_ms == 0 || kw_options_set(options, "timeout_ms", number, err) == KW_OK) &&
           (!p->verify || kw_options_set(options, "reconnect_min_ms", "1", err) == KW_OK);
}

static exit_status open_clients(bench_run *r, const char *url) {
    kw_options *options = NULL;
    kw_error err = {.slot = -1};
    if (kw_options_new(&options) != KW_OK) {
        give_up("out of memory");
    }
    bool good = set_options(r->plan, options, &err);
    for (uint64_t i = 0; good && i < r->plan->handles; i++) {
        uint64_t sharing =
            r->plan->clients / r->plan->handles + (i < r->plan->clients % r->plan->handles);
        good = bench_load_add_client(r->loads[i % r->load_count], url, options,
                                     sharing * r->plan->pipeline, &err);
    }
    kw_options_free(options);
    if (!good) {
        complain_error(NULL, &err);
        return err.status == KW_ERR_INVALID ? STATUS_USAGE : STATUS_NO_REPLY;
    }
    return STATUS_OK;
}

exit_status bench_run_open(bench_run *r, const bench_plan *plan, const char *url, bool with_lab,
                           const kw_client *scout) {
    const char *why = NULL;
    memset(r, 0, sizeof *r);
    r->plan = plan;
    r->run_id = clock_us() ^ (uint64_t)getpid() << 20;
    bench_nodes_init(&r->nodes);
    read_map(r, scout);
    make_values(r);
    r->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (r->done_fd < 0 || pthread_mutex_init(&r->trouble_lock, NULL) != 0 ||
        !bench_template_parse(&r->fill_template, "SET {key} {value}", &why)) {
        give_up("out of descriptors or memory");
    }
    exit_status status = allow_descriptors(r, with_lab);
    if (status != STATUS_OK) {
        return status;
    }
    r->loads = mem_calloc(&mem_default, plan->threads, sizeof(bench_load *));
    if (!r->loads) {
        give_up("out of memory");
    }
    for (; r->load_count < plan->threads; r->load_count++) {
        r->loads[r->load_count] = bench_load_new(r, (uint32_t)r->load_count);
    }
    return open_clients(r, url);
}

void bench_run_close(bench_run *r) {
    for (uint64_t i = 0; i < r->load_count; i++) {
        bench_load_free(r->loads[i]);
    }
    mem_free(&mem_default, r->loads);
    mem_free(&mem_default, r->values);
    close(r->done_fd);
    pthread_mutex_destroy(&r->trouble_lock);
    bench_nodes_done(&r->nodes);
}

/* ------------------------------------------------------------------- stages */

void bench_run_start(bench_run *r, bench_stage stage) {
    const bench_plan *p = r->plan;
    uint64_t now_us = clock_us();
    r->stage = stage;
    r->begin_us = now_us;
    r->measure_us = stage == BENCH_MEASURE ? now_us + p->warmup_us : UINT64_MAX;
    r->end_us = UINT64_MAX;
    if (stage == BENCH_MEASURE && p->duration_us > 0) {
        r->end_us = r->measure_us + p->duration_us;
    }
    atomic_store(&r->ops_left, p->ops);
    atomic_store(&r->running, (int)r->load_count);
    for (uint64_t i = 0; i < r->load_count; i++) {
        if (pthread_create(&r->loads[i]->thread, NULL, bench_load_run, r->loads[i]) != 0) {
            give_up("cannot start a thread");
        }
    }
}

bool bench_run_is_over(bench_run *r) {
    uint64_t count = 0;
    ssize_t got = read(r->done_fd, &count, sizeof count); /* empty: nobody has ended since */
    (void)got;
    if (atomic_load(&r->running) > 0) {
        return false;
    }
    for (uint64_t i = 0; i < r->load_count; i++) {
        pthread_join(r->loads[i]->thread, NULL);
    }
    return true;
}

void bench_run_collect(bench_run *r, bench_tally *warmup, bench_tally *measured,
                       bench_counters *ret) {
    memset(ret, 0, sizeof *ret);
    for (uint64_t i = 0; i < r->load_count; i++) {
        bench_load *l = r->loads[i];
        pthread_mutex_lock(&l->lock);
        bench_tally_merge(warmup, l->shared[BENCH_WARMUP]);
        bench_tally_merge(measured, l->shared[BENCH_COUNTED]);
        bench_tally_clear(l->shared[BENCH_WARMUP]);
        bench_tally_clear(l->shared[BENCH_COUNTED]);
        bench_counters_add(ret, &l->counters);
        pthread_mutex_unlock(&l->lock);
    }
}

uint64_t bench_run_last_us(const bench_run *r) {
    uint64_t last_us = r->measure_us;
    for (uint64_t i = 0; i < r->load_count; i++) {
        last_us = r->loads[i]->last_us > last_us ? r->loads[i]->last_us : last_us;
    }
    return last_us;
}

void bench_run_verdict(const bench_run *r, bench_verdict *ret) {
    memset(ret, 0, sizeof *ret);
    for (uint64_t i = 0; i < r->load_count; i++) {
        bench_verdict_merge(ret, bench_verify_verdict(r->loads[i]->verify));
    }
}

void bench_run_trouble(bench_run *r, const kw_error *err) {
    pthread_mutex_lock(&r->trouble_lock);
    if (!r->has_trouble) {
        r->has_trouble = true;
        r->trouble = *err;
    }
    pthread_mutex_unlock(&r->trouble_lock);
    atomic_store(&r->stop, true);
}
