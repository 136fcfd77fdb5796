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

uint64_t sim_count(sim *s, kw_counter counter) {
    kw_stats *stats = NULL;
    assert_int_equal(cluster_stats_snapshot(s->c, &stats), KW_OK);
    uint64_t value = stats->counters[counter];
    mem_free(stats->mem, stats->nodes);
    mem_free(stats->mem, stats);
    return value;
}

/* --------------------------------------------------------------------- making */

static void make_fleet(sim *s) {
    s->primary_count = (uint16_t)prng_range(&s->prng, 2, 5);
    uint16_t replicas = (uint16_t)prng_range(&s->prng, 0, 2);
    s->node_count = (uint16_t)(s->primary_count * (1 + replicas));
    for (uint16_t i = 0; i < s->node_count; i++) {
        s->ports[i] = (uint16_t)(7000 + i);
    }
    fleet_config config = {.mem = &mem_default,
                           .seed = prng_next(&s->prng),
                           .primary_count = s->primary_count,
                           .replica_count = replicas,
                           .host = "127.0.0.1",
                           .ports = s->ports,
                           .password = s->config.password,
                           .failover_ms = (int)prng_range(&s->prng, 200, FAILOVER_MS_MAX),
                           .full_coverage_required = sim_chance(s, 30)};
    assert_int_equal(fleet_new(&config, s->now_us, &s->fleet), KW_OK);
}

static void make_client(sim *s) {
    kw_error err;
    for (unsigned i = 0; i < 2; i++) {
        bool by_name = sim_chance(s, 50);
        assert_true(endpoint_make(slice_text(by_name ? "seed.test" : "127.0.0.1"),
                                  s->ports[i % s->node_count], &s->seeds[i]));
    }
    s->config.seeds = s->seeds;
    s->config.seed_count = 2;
    s->config.lib_name = "sim";
    s->config.lib_version = "1";
    s->config.resp = sim_chance(s, 80) ? 3 : 2;
    s->config.connections_per_node = sim_chance(s, 70) ? 1 : 3;
    s->config.resolve_literals = sim_chance(s, 20);
    if (sim_chance(s, 20)) {
        s->config.in_flight_max = 4;
    }
    if (sim_chance(s, 20)) {
        s->config.refresh_interval_us = 2 * SIM_S;
    }
    s->config.uncovered = sim_chance(s, 10) ? UNCOVERED_FAIL : UNCOVERED_WAIT;
    s->config.require_full_coverage = sim_chance(s, 10);
    assert_int_equal(
        cluster_new(&s->mem.mem, &s->config, prng_next(&s->prng), s->now_us, &s->c, &err), KW_OK);
    cluster_watch_events(s->c, true);
}

void sim_init(sim *s, uint64_t seed) {
    memset(s, 0, sizeof *s);
    s->seed = seed;
    prng_init(&s->prng, seed);
    s->now_us = 1700000000 * SIM_S;
    s->latency_us = prng_range(&s->prng, 100, sim_chance(s, 10) ? 30000 : 3000);
    s->burst_max = (unsigned)prng_range(&s->prng, 1, sim_chance(s, 10) ? 60 : 12);
    s->large = sim_chance(s, 20);
    cluster_config_init(&s->config);
    s->config.password = sim_chance(s, 20) ? "secret" : NULL;
    s->load_at_us = SIM_NEVER;
    s->trouble_at_us = SIM_NEVER;
    failing_mem_init(&s->mem);
    make_fleet(s);
    make_client(s);
    truth_init(s);
}

void sim_shutdown(sim *s) {
    cluster_shutdown(s->c, KW_ERR_CLOSED, s->now_us);
    net_effects(s);
    load_completions(s);
    assert_int_equal(cluster_pending(s->c), 0);
    assert_int_equal(net_open_links(s), 0);
    s->load_at_us = SIM_NEVER;
    s->shut = true;
}

void sim_done(sim *s) {
    sim_shutdown(s);
    while (cluster_next_event(s->c)) {
    }
    cluster_free(s->c);
    net_done(s);
    fleet_free(s->fleet);
    load_done(s);
    if (s->mem.live_count != 0) {
        sim_fail(s, "%zu pieces of memory are left", s->mem.live_count);
    }
}

/* -------------------------------------------------------------------- running */

/* Runs never start closer together than they may (ROUTING §4). */
static void check_refresh_rate(sim *s) {
    uint64_t gap_us = s->now_us - s->refresh_started_us;
    uint64_t least_us = s->refresh_ended_well ? 1000 * SIM_MS : 400 * SIM_MS;
    if (s->refresh_started_us != 0 && !s->refresh_by_hand && gap_us < least_us) {
        sim_fail(s, "a refresh begins %llu us after the last", (unsigned long long)gap_us);
    }
    s->refresh_started_us = s->now_us;
    s->refresh_ended_well = false;
    s->refresh_by_hand = false;
}

static void take_events(sim *s) {
    const kw_event *e;
    while ((e = cluster_next_event(s->c))) {
        s->events[e->type]++;
        sim_log(s, "event: %s", e->text);
        if (e->type == KW_EVENT_REFRESH_STARTED) {
            check_refresh_rate(s);
        } else if (e->type == KW_EVENT_REFRESH_REFUSED) {
            truth_view_refused(s, e->text);
        } else if (e->type == KW_EVENT_REFRESH_ACCEPTED) {
            truth_view_accepted(s);
            s->refresh_ended_well = true;
        }
    }
}

void sim_drain(sim *s) {
    net_effects(s);
    load_completions(s);
    take_events(s);
    if (cluster_pending(s->c) != s->open_count) {
        sim_fail(s, "%zu commands are open, not %zu", s->open_count, cluster_pending(s->c));
    }
    if (s->open_count > 0 && cluster_deadline_us(s->c) == SIM_NEVER) {
        sim_fail(s, "commands are open, and nothing is timed");
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

static uint64_t next_us(sim *s) {
    uint64_t at_us = cluster_deadline_us(s->c);
    uint64_t others[] = {fleet_deadline_us(s->fleet), net_next_us(s), s->load_at_us,
                         trouble_next_us(s)};
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        at_us = others[i] < at_us ? others[i] : at_us;
    }
    return at_us;
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
        if (cluster_deadline_us(s->c) <= s->now_us) {
            cluster_tick(s->c, s->now_us);
            sim_drain(s);
        }
        net_step(s);
        trouble_step(s);
        note_gains(s);
        truth_note(s);
        load_step(s);
        sim_drain(s);
    }
    s->now_us = until_us;
}
