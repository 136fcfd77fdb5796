/* How an application is tested on the lab: the function under test is an ordinary one that talks to
 * a cluster; each test starts a cluster of its own in this process, makes it misbehave, and looks
 * both at what the function returned and at what the nodes received.
 *
 *     cc test_my_app.c $(pkg-config --cflags --libs keyway keyway-lab) -o test_my_app
 *     ./test_my_app                        (no server is needed; a second or so) */
#include <keyway/keyway.h>
#include <keyway/lab.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------- the application's own code */

typedef enum visit_result { VISIT_COUNTED, VISIT_NOT_COUNTED, VISIT_UNKNOWN } visit_result;

/* Counts a visit of a page and gives the sum. An INCR must not be repeated blindly: when nobody
 * knows whether it took place, the caller is told so. */
static visit_result count_visit(kw_client *client, const char *page, long long *ret_visits) {
    kw_reply *reply = NULL;
    kw_error err;
    if (kw_call(client, &reply, &err, "INCR {page:%s}:visits", page) != KW_OK) {
        return err.outcome == KW_MAYBE_EXECUTED ? VISIT_UNKNOWN : VISIT_NOT_COUNTED;
    }
    bool counted = !kw_reply_is_error(reply);
    *ret_visits = kw_reply_integer(reply);
    kw_reply_free(reply);
    return counted ? VISIT_COUNTED : VISIT_NOT_COUNTED;
}

/* ------------------------------------------------------------------------------ a cluster a test
 */

static const char *test_name;
static int failures;

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            failures++;                                                                            \
            printf("%s: line %d: %s does not hold\n", test_name, __LINE__, #condition);            \
        }                                                                                          \
    } while (0)

/* For what the tests themselves stand on. */
#define MUST(call)                                                                                 \
    do {                                                                                           \
        if ((call) != KW_OK) {                                                                     \
            printf("%s: line %d: %s fails\n", test_name, __LINE__, #call);                         \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

#define PAGE "home"
#define KEY "{page:home}:visits"

typedef struct cluster {
    kw_lab *lab;
    kw_client *client;
    int slot;  /* of the key */
    int owner; /* the slot's node */
    int other; /* another primary */
} cluster;

static cluster start_cluster(void) {
    cluster c = {0};
    kw_lab_options *options = NULL;
    kw_options *client_options = NULL;
    long long visits;
    MUST(kw_lab_options_new(&options));
    MUST(kw_lab_options_set_size(options, 3, 1)); /* primaries, replicas of each */
    kw_lab_options_set_failover_ms(options, 100);
    MUST(kw_lab_start(options, &c.lab, NULL));
    kw_lab_options_free(options);
    MUST(kw_options_new(&client_options));
    MUST(kw_options_set(client_options, "timeout_ms", "1000", NULL));
    MUST(kw_open(kw_lab_url(c.lab), client_options, &c.client, NULL));
    kw_options_free(client_options);
    c.slot = kw_key_slot(KEY, strlen(KEY));
    c.owner = kw_lab_owner(c.lab, c.slot);
    c.other = (c.owner + 1) % 3;
    EXPECT(count_visit(c.client, PAGE, &visits) == VISIT_COUNTED && visits == 1);
    MUST(kw_lab_clear_log(c.lab)); /* from here on it is the test's own */
    return c;
}

static void stop_cluster(cluster *c) {
    kw_close(c->client);
    kw_lab_stop(c->lab);
}

/* How often the nodes received the INCR, and answered it so. */
static size_t received(const cluster *c, int node, const char *outcome) {
    kw_lab_filter filter;
    kw_lab_filter_init(&filter);
    filter.node = node;
    filter.command = "incr";
    filter.key = KEY;
    filter.outcome = outcome;
    return kw_lab_count_log(c->lab, &filter);
}

/* -------------------------------------------------------------------------------------- the tests
 */

static void moved_slot_is_followed_and_counted_once(void) {
    cluster c = start_cluster();
    long long visits = 0;
    MUST(kw_lab_move(c.lab, c.slot, c.slot, c.other));
    EXPECT(count_visit(c.client, PAGE, &visits) == VISIT_COUNTED);
    EXPECT(visits == 2);
    EXPECT(received(&c, c.owner, "MOVED") == 1);
    EXPECT(received(&c, c.other, "served") == 1);
    stop_cluster(&c);
}

static void half_moved_slot_is_asked_for_at_its_target(void) {
    cluster c = start_cluster();
    long long visits = 0;
    MUST(kw_lab_migrate_begin(c.lab, c.slot, c.other));
    MUST(kw_lab_migrate_keys(c.lab, c.slot, 1, NULL));
    EXPECT(count_visit(c.client, PAGE, &visits) == VISIT_COUNTED);
    EXPECT(count_visit(c.client, PAGE, &visits) == VISIT_COUNTED);
    EXPECT(visits == 3);
    EXPECT(received(&c, c.owner, "ASK") == 2); /* an ASK teaches nothing: the next asks again */
    EXPECT(received(&c, c.other, "served") == 2);
    stop_cluster(&c);
}

static void tryagain_is_waited_out(void) {
    cluster c = start_cluster();
    long long visits = 0;
    kw_lab_fault fault;
    kw_lab_fault_init(&fault);
    fault.command = "incr";
    fault.count = 2;
    fault.action = KW_LAB_ERROR;
    fault.text = "TRYAGAIN Multiple keys request during rehashing of slot";
    MUST(kw_lab_add_fault(c.lab, &fault, NULL));
    EXPECT(count_visit(c.client, PAGE, &visits) == VISIT_COUNTED);
    EXPECT(visits == 2);
    EXPECT(received(&c, -1, "TRYAGAIN") == 2);
    EXPECT(received(&c, -1, "served") == 1);
    stop_cluster(&c);
}

static void lost_slot_fails_without_counting_and_comes_back(void) {
    cluster c = start_cluster();
    long long visits = 0;
    MUST(kw_lab_assign(c.lab, c.slot, c.slot, -1)); /* nobody's */
    EXPECT(count_visit(c.client, PAGE, &visits) == VISIT_NOT_COUNTED);
    EXPECT(received(&c, -1, "CLUSTERDOWN") >= 1);
    EXPECT(received(&c, -1, "served") == 0);
    MUST(kw_lab_assign(c.lab, c.slot, c.slot, c.owner));
    EXPECT(count_visit(c.client, PAGE, &visits) == VISIT_COUNTED);
    EXPECT(visits == 2);
    stop_cluster(&c);
}

static void killed_primary_is_followed_to_its_replica(void) {
    cluster c = start_cluster();
    long long visits = 0;
    MUST(kw_lab_kill(c.lab, c.owner));
    EXPECT(count_visit(c.client, PAGE, &visits) == VISIT_COUNTED);
    EXPECT(visits == 2); /* the first one was replicated */
    EXPECT(kw_lab_owner(c.lab, c.slot) != c.owner);
    EXPECT(received(&c, kw_lab_owner(c.lab, c.slot), "served") == 1);
    stop_cluster(&c);
}

static void lost_reply_leaves_it_unknown_and_is_not_repeated(void) {
    cluster c = start_cluster();
    long long visits = 0;
    kw_lab_fault fault;
    kw_lab_fault_init(&fault);
    fault.command = "incr";
    fault.count = 1;
    fault.action = KW_LAB_DROP_AFTER;
    MUST(kw_lab_add_fault(c.lab, &fault, NULL));
    EXPECT(count_visit(c.client, PAGE, &visits) == VISIT_UNKNOWN);
    EXPECT(received(&c, -1, NULL) == 1);
    EXPECT(count_visit(c.client, PAGE, &visits) == VISIT_COUNTED);
    EXPECT(visits == 3); /* it had been executed */
    stop_cluster(&c);
}

int main(void) {
    static const struct {
        const char *name;
        void (*run)(void);
    } tests[] = {
        {"moved_slot_is_followed_and_counted_once", moved_slot_is_followed_and_counted_once},
        {"half_moved_slot_is_asked_for_at_its_target", half_moved_slot_is_asked_for_at_its_target},
        {"tryagain_is_waited_out", tryagain_is_waited_out},
        {"lost_slot_fails_without_counting_and_comes_back",
         lost_slot_fails_without_counting_and_comes_back},
        {"killed_primary_is_followed_to_its_replica", killed_primary_is_followed_to_its_replica},
        {"lost_reply_leaves_it_unknown_and_is_not_repeated",
         lost_reply_leaves_it_unknown_and_is_not_repeated},
    };
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        int before = failures;
        test_name = tests[i].name;
        tests[i].run();
        printf("%-5s %s\n", failures == before ? "ok" : "FAILS", test_name);
    }
    return failures ? 1 : 0;
}
