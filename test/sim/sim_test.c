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
#define TROUBLE_US (8 * SIM_S)

static uint64_t command_total;

static void wait_until_idle(sim *s) {
    uint64_t give_up_us = s->now_us + 10 * SIM_S;
    uint64_t wake_at_us = s->now_us + 8 * SIM_S; /* only those that wait for ever are left then */
    while (sim_open_count(s) > 0 && s->now_us < give_up_us) {
        sim_run_until(s, s->now_us + 10 * SIM_MS);
        if (s->now_us >= wake_at_us) {
            queue_wake_endless(s);
            wake_at_us += 100 * SIM_MS;
        }
    }
    if (sim_open_count(s) > 0) {
        sim_fail(s, "%zu commands never end", sim_open_count(s));
    }
}

static void all_succeed_since(sim *s, size_t first, const char *when) {
    for (size_t i = first; i < s->command_count; i++) {
        if (s->commands[i].status != KW_OK) {
            sim_fail(s, "command %zu failed %s: status %d", i, when, (int)s->commands[i].status);
        }
    }
}

static void read_all_keys(sim_client *k, const char *when) {
    size_t first = k->s->command_count;
    for (unsigned key = 0; key < SIM_KEYS; key++) {
        load_submit(k, SIM_GET, key, 5 * SIM_S);
        load_submit(k, SIM_APPEND, key, 5 * SIM_S);
    }
    wait_until_idle(k->s);
    all_succeed_since(k->s, first, when);
}

static void trouble(sim *s) {
    s->troubles = (unsigned)prng_next(&s->prng) & (unsigned)prng_next(&s->prng);
    s->troubles |= 1u << prng_below(&s->prng, TROUBLE_COUNT);
    s->troubles &= s->allowed;
    s->chosen = s->troubles;
    s->trouble_at_us = s->now_us + prng_below(&s->prng, SIM_S);
    for (unsigned i = 0; i < s->client_count; i++) {
        s->clients[i].load_at_us = s->now_us;
    }
    sim_run_until(s, s->now_us + TROUBLE_US);
    if (sim_chance(s, 5)) {
        sim_shutdown(&s->clients[0]); /* in the middle of it */
    }
    trouble_heal(s);
    for (unsigned i = 0; i < s->client_count; i++) {
        s->clients[i].load_at_us = SIM_NEVER;
    }
    sim_run_until(s, s->now_us + 200 * SIM_MS); /* what had broken is noticed */
}

/* A hole in the client's map heals by asking, though no node gives a view. */
static void heal_by_probing(sim_client *k) {
    fault_rules *rules = &fleet_lab(k->s->fleet)->faults;
    fault_rule no_view;
    uint64_t id = 0;
    fault_rule_init(&no_view);
    no_view.action = FAULT_ERROR;
    no_view.text_len = slice_copy(no_view.text, sizeof no_view.text, SLICE_LITERAL("ERR no view"));
    (void)slice_copy(no_view.command, sizeof no_view.command, SLICE_LITERAL("cluster|slots"));
    if (!k->config.require_full_coverage) { /* which waits for a whole map */
        assert_int_equal(fault_rules_add(rules, &no_view, &id), KW_OK);
    }
    cluster_forget_slots(k->c, 0, SLOT_COUNT - 1, k->s->now_us);
    truth_forgotten(k);
    read_all_keys(k, "though only the client's map has a hole");
    fault_rules_clear(rules);
}

static void refresh_by_hand(sim_client *k) {
    sim *s = k->s;
    uint64_t accepted = cluster_refresh_accepted_count(k->c);
    uint64_t give_up_us = s->now_us + 60 * SIM_S;
    while (cluster_refresh_accepted_count(k->c) == accepted && s->now_us < give_up_us) {
        k->refresh_by_hand = true;
        cluster_refresh(k->c, s->now_us);
        sim_drain(k);
        sim_run_until(s, s->now_us + SIM_S);
    }
    if (cluster_refresh_accepted_count(k->c) == accepted) {
        sim_fail(s, "no view is accepted though the cluster is healthy");
    }
}

/* Who waits at an empty queue is served by what comes into it, over whichever connection. */
static void wake_blocked(sim_client *k) {
    sim *s = k->s;
    size_t first = s->command_count;
    for (unsigned queue = 0; queue < SIM_QUEUES; queue += queue == SIM_PAIR ? 2 : 1) {
        queue_pop(k, queue, 4 * SIM_S);
    }
    size_t end = s->command_count;
    sim_run_until(s, s->now_us + 500 * SIM_MS);
    for (size_t i = first; i < end; i++) {
        queue_push(k, s->commands[i].key);
    }
    wait_until_idle(s);
    all_succeed_since(s, first, "though the cluster is healthy again");
    for (size_t i = first; i < end; i++) {
        if (s->commands[i].element == SIM_NOTHING) {
            sim_fail(s, "command %zu got nothing though queue %u was filled", i,
                     s->commands[i].key);
        }
    }
}

/* The client hears of a node's new address while replies are due from the old one. */
static void move_a_busy_node(sim_client *k) {
    sim *s = k->s;
    size_t first = s->command_count;
    unsigned key = (unsigned)prng_below(&s->prng, SIM_KEYS);
    uint64_t accepted = cluster_refresh_accepted_count(k->c);
    uint64_t give_up_us = s->now_us + 100 * SIM_MS;
    trouble_move_node(s, fleet_view(s->fleet)->owner[load_key_slot(key)]);
    k->refresh_by_hand = true;
    cluster_refresh(k->c, s->now_us);
    sim_drain(k);
    while (cluster_refresh_accepted_count(k->c) == accepted && s->now_us < give_up_us) {
        load_submit(k, SIM_APPEND, key, 5 * SIM_S);
        sim_run_until(s, s->now_us + s->latency_us / 2);
    }
    wait_until_idle(s);
    all_succeed_since(s, first, "though a node only got another address");
}

/* A slot moves after a node was asked for its view; the client hears of it, and then comes that
 * view. */
static void late_view(sim_client *k) {
    sim *s = k->s;
    size_t first = s->command_count;
    unsigned key = (unsigned)prng_below(&s->prng, SIM_KEYS);
    k->refresh_by_hand = true;
    cluster_refresh(k->c, s->now_us);
    sim_drain(k);
    sim_run_until(s, s->now_us + s->latency_us + 20); /* the question has arrived, mostly */
    uint16_t from = fleet_view(s->fleet)->owner[load_key_slot(key)];
    uint16_t to = trouble_migrate_at_once(s, load_key_slot(key));
    for (uint32_t i = 0; i < k->link_top; i++) {
        sim_link *l = &k->links[i];
        if (l->node != from && l->node != to) {
            net_delay(l, 100 * SIM_MS);
        }
    }
    uint64_t until_us = s->now_us + 150 * SIM_MS;
    while (s->now_us < until_us) {
        load_submit(k, SIM_APPEND, key, 5 * SIM_S);
        sim_run_until(s, s->now_us + 5 * SIM_MS);
    }
    wait_until_idle(s);
    all_succeed_since(s, first, "though only a slot has moved");
}

static void peace(sim_client *k) {
    wake_blocked(k);
    read_all_keys(k, "though the cluster is healthy again");
    refresh_by_hand(k);
    wait_until_idle(k->s);
    uint64_t redirects = sim_count(k, KW_COUNT_MOVED) + sim_count(k, KW_COUNT_ASK);
    read_all_keys(k, "after the refresh");
    if (sim_count(k, KW_COUNT_MOVED) + sim_count(k, KW_COUNT_ASK) != redirects) {
        sim_fail(k->s, "redirected after the refresh");
    }
    heal_by_probing(k);
    move_a_busy_node(k);
    late_view(k);
}

static void idle(sim_client *k) {
    sim *s = k->s;
    unsigned most = s->node_count * k->config.connections_per_node;
    if (net_open_links(k) > most) {
        sim_fail(s, "%u connections are open to %u nodes", net_open_links(k), s->node_count);
    }
    for (int i = 0; i < 20 && sim_count(k, KW_COUNT_IN_FLIGHT) != 0; i++) {
        sim_run_until(s, s->now_us + 10 * SIM_MS); /* a PING may be under way */
    }
    if (sim_count(k, KW_COUNT_WAITING) != 0 || sim_count(k, KW_COUNT_IN_FLIGHT) != 0) {
        sim_fail(s, "something is left in a queue");
    }
    if (k->mem.live_bytes > 1000000 + 100000u * most) {
        sim_fail(s, "%zu bytes are held", k->mem.live_bytes);
    }
}

static uint64_t run(uint64_t seed, unsigned allowed, bool verbose) {
    static sim s;
    sim_init(&s, seed);
    s.allowed = allowed;
    s.verbose = verbose;
    trouble(&s);
    wait_until_idle(&s);
    s.patient = true;
    for (unsigned i = 0; i < s.client_count; i++) {
        if (!s.clients[i].shut) {
            peace(&s.clients[i]);
        }
    }
    sim_run_until(&s, s.now_us + 70 * SIM_S);
    for (unsigned i = 0; i < s.client_count; i++) {
        if (!s.clients[i].shut) {
            idle(&s.clients[i]);
        }
    }
    history_check(&s);
    command_total += s.command_count;
    uint64_t hash = s.hash;
    sim_done(&s);
    return hash;
}

static uint64_t number_of(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

/* KEYWAY_SIM_WITHOUT=drop,hang: what the adversary does not do. */
static unsigned allowed_troubles(void) {
    unsigned allowed = (1u << TROUBLE_COUNT) - 1;
    const char *without = getenv("KEYWAY_SIM_WITHOUT");
    char text[512];
    snprintf(text, sizeof text, ",%s,", without ? without : "");
    for (unsigned i = 0; i < TROUBLE_COUNT; i++) {
        char name[32];
        snprintf(name, sizeof name, ",%s,", trouble_name((sim_trouble)i));
        if (strstr(text, name)) {
            allowed &= ~(1u << i);
        }
    }
    return allowed;
}

static void invariants_hold_for_every_seed(void **state) {
    (void)state;
    uint64_t one = number_of("KEYWAY_SIM_SEED", 0);
    uint64_t from = one ? one : number_of("KEYWAY_SIM_FIRST", 1);
    uint64_t seeds = one ? 1 : number_of("KEYWAY_SIM_SEEDS", SEEDS);
    unsigned allowed = allowed_troubles();
    uint64_t hash = 0;
    for (uint64_t seed = from; seed < from + seeds; seed++) {
        hash = hash * 31 + run(seed, allowed, one != 0);
    }
    printf("%llu seeds from %llu, %llu commands, trace %016llx\n", (unsigned long long)seeds,
           (unsigned long long)from, (unsigned long long)command_total, (unsigned long long)hash);
}

static void a_seed_repeats_its_run(void **state) {
    (void)state;
    uint64_t seed = number_of("KEYWAY_SIM_SEED", 7);
    assert_true(run(seed, allowed_troubles(), false) == run(seed, allowed_troubles(), false));
}

/* KEYWAY_MUTANT=NAME puts one fault into the brain. */
static void choose_mutant(const char *name) {
    static const char *const names[] = {"NONE",
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(invariants_hold_for_every_seed),
        cmocka_unit_test(a_seed_repeats_its_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
