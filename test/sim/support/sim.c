#include "sim/support/sim.h"

#include <stdlib.h>

#define STEPS_AT_ONE_TIME 100000 /* more: time stands still */

void sim_log(sim *s, const char *format, ...) {
    if (s->verbose) {
        va_list args;
        va_start(args, format);
        fprintf(stderr, "%10.3f  ", (double)(s->now_us % (1000 * SIM_S)) / 1000.0);
        vfprintf(stderr, format, args);
        fputc('\n', stderr);
        va_end(args);
    }
}

void sim_fail(sim *s, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "seed %llu: %s\n(again, with what happens: KEYWAY_SIM_SEED=%llu)\n",
            (unsigned long long)s->seed, text, (unsigned long long)s->seed);
    fail();
    abort();
}

bool sim_chance(sim *s, unsigned percent) {
    return prng_below(&s->prng, 100) < percent;
}

void sim_mark(sim *s, uint64_t what, uint64_t value) {
    const uint64_t words[] = {what, value, s->now_us};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        s->hash = (s->hash ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
        s->hash ^= s->hash >> 29;
    }
}

size_t sim_open_count(const sim *s) {
    size_t count = 0;
    for (unsigned i = 0; i < s->client_count; i++) {
        count += s->clients[i].open_count;
    }
    return count;
}

uint64_t sim_count(sim_client *k, kw_counter counter) {
    kw_stats *stats = NULL;
    assert_int_equal(cluster_stats_snapshot(k->c, &stats), KW_OK);
    uint64_t value = stats->counters[counter];
    mem_free(stats->mem, stats->nodes);
    mem_free(stats->mem, stats);
    return value;
}

/* --------------------------------------------------------------------- making */

static void make_fleet(sim *s) {
    bool many = sim_chance(s, 5);
    uint16_t replicas = (uint16_t)prng_range(&s->prng, 0, 2);
    uint64_t most = many ? SIM_NODES_MAX / (1u + replicas) : 5;
    s->primary_count = (uint16_t)prng_range(&s->prng, 2, most);
    s->node_count = (uint16_t)(s->primary_count * (1 + replicas));
    for (uint16_t i = 0; i < s->node_count; i++) {
        s->ports[i] = (uint16_t)(SIM_PORT + i);
    }
    fleet_config config = {.mem = &mem_default,
                           .seed = prng_next(&s->prng),
                           .primary_count = s->primary_count,
                           .replica_count = replicas,
                           .host = "127.0.0.1",
                           .ports = s->ports,
                           .password = s->password,
                           .failover_ms = (int)prng_range(&s->prng, 200, FAILOVER_MS_MAX),
                           .full_coverage_required = sim_chance(s, 30)};
    assert_int_equal(fleet_new(&config, s->now_us, &s->fleet), KW_OK);
}

static void make_client(sim *s, unsigned index) {
    sim_client *k = &s->clients[index];
    cluster_config *config = &k->config;
    kw_error err;
    k->s = s;
    k->index = index;
    k->burst_max = (unsigned)prng_range(&s->prng, 1, sim_chance(s, 10) ? 60 : 12);
    k->large = sim_chance(s, 20);
    k->load_at_us = SIM_NEVER;
    failing_mem_init(&k->mem);
    cluster_config_init(config);
    for (unsigned i = 0; i < 2; i++) {
        bool by_name = sim_chance(s, 50);
        assert_true(endpoint_make(slice_text(by_name ? "seed.test" : "127.0.0.1"),
                                  s->ports[i % s->node_count], &k->seeds[i]));
    }
    config->password = s->password;
    config->seeds = k->seeds;
    config->seed_count = 2;
    config->lib_name = "sim";
    config->lib_version = "1";
    config->resp = sim_chance(s, 80) ? 3 : 2;
    config->connections_per_node = sim_chance(s, 70) ? 1 : 3;
    config->blocking_connections_max = (uint32_t)prng_range(&s->prng, 1, 8);
    config->resolve_literals = sim_chance(s, 20);
    if (sim_chance(s, 20)) {
        config->in_flight_max = 4;
    }
    if (sim_chance(s, 20)) {
        config->refresh_interval_us = 2 * SIM_S;
    }
    config->uncovered = sim_chance(s, 10) ? UNCOVERED_FAIL : UNCOVERED_WAIT;
    config->require_full_coverage = sim_chance(s, 10);
    assert_int_equal(cluster_new(&k->mem.mem, config, prng_next(&s->prng), s->now_us, &k->c, &err),
                     KW_OK);
    cluster_watch_events(k->c, true);
}

void sim_init(sim *s, uint64_t seed) {
    memset(s, 0, sizeof *s);
    s->seed = seed;
    s->allowed = (1u << TROUBLE_COUNT) - 1;
    prng_init(&s->prng, seed);
    s->now_us = 1700000000 * SIM_S;
    s->latency_us = prng_range(&s->prng, 100, sim_chance(s, 10) ? 30000 : 3000);
    s->password = sim_chance(s, 20) ? "secret" : NULL;
    s->trouble_at_us = SIM_NEVER;
    make_fleet(s);
    s->client_count = sim_chance(s, 40) ? 1 : (unsigned)prng_range(&s->prng, 2, SIM_CLIENTS_MAX);
    for (unsigned i = 0; i < s->client_count; i++) {
        make_client(s, i);
    }
    truth_init(s);
}

void sim_shutdown(sim_client *k) {
    cluster_shutdown(k->c, KW_ERR_CLOSED, k->s->now_us);
    net_effects(k);
    load_completions(k);
    assert_int_equal(cluster_pending(k->c), 0);
    assert_int_equal(net_open_links(k), 0);
    k->load_at_us = SIM_NEVER;
    k->shut = true;
}

void sim_done(sim *s) {
    for (unsigned i = 0; i < s->client_count; i++) {
        sim_client *k = &s->clients[i];
        sim_shutdown(k);
        while (cluster_next_event(k->c)) {
        }
        cluster_free(k->c);
        net_done(k);
        if (k->mem.live_count != 0) {
            sim_fail(s, "%zu pieces of memory are left", k->mem.live_count);
        }
    }
    fleet_free(s->fleet);
    batch_done(s);
    load_done(s);
}

/* -------------------------------------------------------------------- running */

/* Runs never start closer together than they may (ROUTING §4). */
static void check_refresh_rate(sim_client *k) {
    uint64_t gap_us = k->s->now_us - k->refresh_started_us;
    uint64_t least_us = k->refresh_ended_well ? 1000 * SIM_MS : 400 * SIM_MS;
    if (k->refresh_started_us != 0 && !k->refresh_by_hand && gap_us < least_us) {
        sim_fail(k->s, "a refresh begins %llu us after the last", (unsigned long long)gap_us);
    }
    k->refresh_started_us = k->s->now_us;
    k->refresh_ended_well = false;
    k->refresh_by_hand = false;
}

static void take_events(sim_client *k) {
    const kw_event *e;
    while ((e = cluster_next_event(k->c))) {
        k->events[e->type]++;
        sim_log(k->s, "event: %s", e->text);
        if (e->type == KW_EVENT_REFRESH_STARTED) {
            check_refresh_rate(k);
        } else if (e->type == KW_EVENT_REFRESH_REFUSED) {
            truth_view_refused(k, e->text);
        } else if (e->type == KW_EVENT_REFRESH_ACCEPTED) {
            truth_view_accepted(k);
            k->refresh_ended_well = true;
        }
    }
}

void sim_drain(sim_client *k) {
    net_effects(k);
    load_completions(k);
    take_events(k);
    if (cluster_pending(k->c) != k->open_count) {
        sim_fail(k->s, "%zu commands are open, not %zu", k->open_count, cluster_pending(k->c));
    }
    if (k->open_count > 0 && cluster_deadline_us(k->c) == SIM_NEVER) {
        sim_fail(k->s, "commands are open, and nothing is timed");
    }
}

static void note_gains(sim *s) {
    const node_view *v = fleet_view(s->fleet);
    for (uint16_t i = 0; i < s->node_count; i++) {
        if (v->peers[i].slot_count > s->slot_count[i]) {
            s->gained_us[i] = s->now_us;
        }
        s->slot_count[i] = v->peers[i].slot_count;
    }
}

static uint64_t earlier(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static uint64_t next_us(sim *s) {
    uint64_t at_us = earlier(fleet_deadline_us(s->fleet), trouble_next_us(s));
    for (unsigned i = 0; i < s->client_count; i++) {
        const sim_client *k = &s->clients[i];
        at_us = earlier(at_us, cluster_deadline_us(k->c));
        at_us = earlier(at_us, earlier(net_next_us(k), k->load_at_us));
    }
    return at_us;
}

static void client_step(sim_client *k) {
    if (cluster_deadline_us(k->c) <= k->s->now_us) {
        cluster_tick(k->c, k->s->now_us);
        sim_drain(k);
    }
    net_step(k);
}

void sim_run_until(sim *s, uint64_t until_us) {
    unsigned standing = 0;
    for (;;) {
        uint64_t at_us = next_us(s);
        if (at_us > until_us) {
            break;
        }
        standing = at_us <= s->now_us ? standing + 1 : 0;
        if (standing > STEPS_AT_ONE_TIME) {
            sim_fail(s, "time stands still");
        }
        s->now_us = at_us > s->now_us ? at_us : s->now_us;
        fleet_tick(s->fleet, s->now_us);
        net_wake(s);
        for (unsigned i = 0; i < s->client_count; i++) {
            client_step(&s->clients[i]);
        }
        trouble_step(s);
        net_wake(s);
        note_gains(s);
        truth_note(s);
        for (unsigned i = 0; i < s->client_count; i++) {
            load_step(&s->clients[i]);
            sim_drain(&s->clients[i]);
        }
    }
    s->now_us = until_us;
}
