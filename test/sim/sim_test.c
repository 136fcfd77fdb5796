/* The client and a cluster under faults, one run for each seed; what must hold is ROUTING §9.
 * KEYWAY_SIM_SEEDS=N runs so many seeds, KEYWAY_SIM_SEED=N one of them and tells what happens. */
#include "core/mutant.h"
#include "sim/support/sim.h"

#include <stdlib.h>

#ifdef __SANITIZE_ADDRESS__ /* which makes each run dear */
#define SEEDS 60
#else
#define SEEDS 300
#endif

static void wait_until_idle(sim *s) {
    uint64_t give_up_us = s->now_us + 10 * SIM_S;
    while (s->open_count > 0 && s->now_us < give_up_us) {
        sim_run_until(s, s->now_us + 10 * SIM_MS);
    }
    if (s->open_count > 0) {
        sim_fail(s, "%zu commands never end", s->open_count);
    }
}

static void all_succeed_since(sim *s, size_t first, const char *when) {
    for (size_t i = first; i < s->command_count; i++) {
        if (s->commands[i].status != KW_OK) {
            sim_fail(s, "command %zu failed %s: status %d", i, when, (int)s->commands[i].status);
        }
    }
}

static void read_all_keys(sim *s, const char *when) {
    size_t first = s->command_count;
    for (unsigned key = 0; key < SIM_KEYS; key++) {
        load_submit(s, SIM_GET, key, 5 * SIM_S);
        load_submit(s, SIM_APPEND, key, 5 * SIM_S);
    }
    wait_until_idle(s);
    all_succeed_since(s, first, when);
}

static void trouble(sim *s) {
    s->troubles = (unsigned)prng_next(&s->prng) & (unsigned)prng_next(&s->prng);
    s->troubles |= 1u << prng_below(&s->prng, TROUBLE_COUNT);
    s->load_at_us = s->now_us;
    s->trouble_at_us = s->now_us + prng_below(&s->prng, SIM_S);
    sim_run_until(s, s->now_us + 8 * SIM_S);
    if (sim_chance(s, 5)) {
        sim_shutdown(s); /* in the middle of it */
    }
    trouble_heal(s);
    s->load_at_us = SIM_NEVER;
    sim_run_until(s, s->now_us + 200 * SIM_MS); /* what had broken is noticed */
}

/* A hole in the client's map heals by asking, though no node gives a view. */
static void heal_by_probing(sim *s) {
    fault_rules *rules = &fleet_lab(s->fleet)->faults;
    fault_rule no_view;
    uint64_t id = 0;
    fault_rule_init(&no_view);
    no_view.action = FAULT_ERROR;
    no_view.text_len = slice_copy(no_view.text, sizeof no_view.text, SLICE_LITERAL("ERR no view"));
    (void)slice_copy(no_view.command, sizeof no_view.command, SLICE_LITERAL("cluster|slots"));
    if (!s->config.require_full_coverage) { /* which waits for a whole map */
        assert_int_equal(fault_rules_add(rules, &no_view, &id), KW_OK);
    }
    cluster_forget_slots(s->c, 0, SLOT_COUNT - 1, s->now_us);
    truth_forgotten(s);
    read_all_keys(s, "though only the client's map has a hole");
    fault_rules_clear(rules);
}

static void peace(sim *s) {
    read_all_keys(s, "though the cluster is healthy again");
    uint64_t accepted = cluster_refresh_accepted_count(s->c);
    uint64_t give_up_us = s->now_us + 60 * SIM_S;
    while (cluster_refresh_accepted_count(s->c) == accepted && s->now_us < give_up_us) {
        s->refresh_by_hand = true;
        cluster_refresh(s->c, s->now_us);
        sim_drain(s);
        sim_run_until(s, s->now_us + SIM_S);
    }
    if (cluster_refresh_accepted_count(s->c) == accepted) {
        sim_fail(s, "no view is accepted though the cluster is healthy");
    }
    wait_until_idle(s);
    uint64_t redirects = sim_count(s, KW_COUNT_MOVED) + sim_count(s, KW_COUNT_ASK);
    read_all_keys(s, "after the refresh");
    if (sim_count(s, KW_COUNT_MOVED) + sim_count(s, KW_COUNT_ASK) != redirects) {
        sim_fail(s, "redirected after the refresh");
    }
    heal_by_probing(s);
}

static void idle(sim *s) {
    sim_run_until(s, s->now_us + 70 * SIM_S);
    unsigned most = s->node_count * s->config.connections_per_node;
    if (net_open_links(s) > most) {
        sim_fail(s, "%u connections are open to %u nodes", net_open_links(s), s->node_count);
    }
    for (int i = 0; i < 20 && sim_count(s, KW_COUNT_IN_FLIGHT) != 0; i++) {
        sim_run_until(s, s->now_us + 10 * SIM_MS); /* a PING may be under way */
    }
    if (sim_count(s, KW_COUNT_WAITING) != 0 || sim_count(s, KW_COUNT_IN_FLIGHT) != 0) {
        sim_fail(s, "something is left in a queue");
    }
    if (s->mem.live_bytes > 4000000) {
        sim_fail(s, "%zu bytes are held", s->mem.live_bytes);
    }
}

static void run(uint64_t seed, bool verbose) {
    static sim s;
    sim_init(&s, seed);
    s.verbose = verbose;
    trouble(&s);
    wait_until_idle(&s);
    s.patient = true;
    if (!s.shut) {
        peace(&s);
        idle(&s);
    }
    load_check(&s);
    sim_done(&s);
}

static void invariants_hold_for_every_seed(void **state) {
    (void)state;
    const char *one = getenv("KEYWAY_SIM_SEED");
    const char *count = getenv("KEYWAY_SIM_SEEDS");
    const char *first = getenv("KEYWAY_SIM_FIRST");
    if (one) {
        run(strtoull(one, NULL, 10), true);
        return;
    }
    uint64_t from = first ? strtoull(first, NULL, 10) : 1;
    uint64_t seeds = count ? strtoull(count, NULL, 10) : SEEDS;
    for (uint64_t seed = from; seed < from + seeds; seed++) {
        run(seed, false);
    }
}

/* KEYWAY_MUTANT=NAME puts one fault into the brain. */
static void choose_mutant(const char *name) {
    static const char *const names[] = {
        "NONE",
#define X(name, what) #name,
        MUTANTS(X)
#undef X
    };
    for (size_t i = 0; name && i < COUNT_OF(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            mutant_chosen = (mutant)i;
            return;
        }
    }
    if (name) {
        fprintf(stderr, "no mutant is called %s\n", name);
        exit(2);
    }
}

int main(void) {
    choose_mutant(getenv("KEYWAY_MUTANT"));
    const struct CMUnitTest tests[] = {cmocka_unit_test(invariants_hold_for_every_seed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
