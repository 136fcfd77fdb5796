#include "node/node_redirect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

/* This node is peer 0, a primary that owns the slot; each row says what is different. */
enum { SELF = 0, OTHER = 1, MY_PRIMARY = 2, NONE = NODE_NOBODY };

#define HEALTHY .has_keys = true, .same_slot = true, .up = true, .channels_when_down = true
#define OWNED HEALTHY, .self = SELF, .shard = SELF, .owner = SELF
#define FOREIGN HEALTHY, .self = SELF, .shard = SELF, .owner = OTHER
#define CLOSED .migrating_to = NONE, .importing_from = NONE
#define MIGRATING .migrating_to = OTHER, .importing_from = NONE
#define IMPORTING .migrating_to = NONE, .importing_from = OTHER
#define REPLICA HEALTHY, .self = SELF, .shard = MY_PRIMARY, .owner = MY_PRIMARY

typedef struct row {
    const char *name;
    redirect_facts facts;
    redirect_verdict verdict;
    uint16_t target; /* of MOVED and ASK */
} row;

static const row rows[] = {
    {"no keys: served, even with the cluster down",
     {.has_keys = false, .up = false, .owner = NONE, CLOSED},
     REDIRECT_SERVE,
     NONE},
    {"EXEC without MULTI",
     {.lone_exec = true, .has_keys = true, .up = false, .owner = NONE, CLOSED},
     REDIRECT_SERVE,
     NONE},
    {"slot of nobody",
     {HEALTHY, .self = SELF, .shard = SELF, .owner = NONE, CLOSED},
     REDIRECT_UNBOUND,
     NONE},
    {"slot of nobody goes before CROSSSLOT",
     {.has_keys = true, .up = true, .owner = NONE, CLOSED},
     REDIRECT_UNBOUND,
     NONE},
    {"keys of two slots",
     {.has_keys = true, .up = true, .self = SELF, .shard = SELF, .owner = SELF, CLOSED},
     REDIRECT_CROSSSLOT,
     NONE},
    {"CROSSSLOT goes before the cluster being down",
     {.has_keys = true, .up = false, .self = SELF, .shard = SELF, .owner = SELF, CLOSED},
     REDIRECT_CROSSSLOT,
     NONE},
    {"CROSSSLOT goes before MOVED",
     {.has_keys = true, .up = true, .self = SELF, .shard = SELF, .owner = OTHER, CLOSED},
     REDIRECT_CROSSSLOT,
     NONE},

    {"my slot", {OWNED, CLOSED}, REDIRECT_SERVE, NONE},
    {"my slot, written", {OWNED, CLOSED, .writes = true}, REDIRECT_SERVE, NONE},
    {"another's slot", {FOREIGN, CLOSED}, REDIRECT_MOVED, OTHER},
    {"ASKING does not open a slot that I do not import",
     {FOREIGN, CLOSED, .asking = true},
     REDIRECT_MOVED,
     OTHER},

    {"down: nothing with keys is served",
     {.has_keys = true, .same_slot = true, .owner = SELF, CLOSED},
     REDIRECT_DOWN,
     NONE},
    {"down goes before MOVED",
     {.has_keys = true, .same_slot = true, .owner = OTHER, CLOSED},
     REDIRECT_DOWN,
     NONE},
    {"down goes before ASK",
     {.has_keys = true, .same_slot = true, .owner = SELF, MIGRATING, .missing_count = 1},
     REDIRECT_DOWN,
     NONE},
    {"down, reads allowed: a read",
     {.has_keys = true, .same_slot = true, .owner = SELF, CLOSED, .reads_when_down = true},
     REDIRECT_SERVE,
     NONE},
    {"down, reads allowed: a read of another's slot",
     {.has_keys = true, .same_slot = true, .owner = OTHER, CLOSED, .reads_when_down = true},
     REDIRECT_MOVED,
     OTHER},
    {"down, reads allowed: a write",
     {.has_keys = true,
      .same_slot = true,
      .owner = SELF,
      CLOSED,
      .reads_when_down = true,
      .writes = true},
     REDIRECT_DOWN_READ_ONLY,
     NONE},
    {"down: a shard channel is served",
     {.has_keys = true,
      .same_slot = true,
      .owner = SELF,
      CLOSED,
      .shard_channel = true,
      .channels_when_down = true},
     REDIRECT_SERVE,
     NONE},
    {"down: a shard channel, if not allowed",
     {.has_keys = true, .same_slot = true, .owner = SELF, CLOSED, .shard_channel = true},
     REDIRECT_DOWN,
     NONE},

    {"migrating, key here", {OWNED, MIGRATING, .existing_count = 1}, REDIRECT_SERVE, NONE},
    {"migrating, key gone", {OWNED, MIGRATING, .missing_count = 1}, REDIRECT_ASK, OTHER},
    {"migrating, all of several keys gone",
     {OWNED, MIGRATING, .several_keys = true, .missing_count = 3},
     REDIRECT_ASK,
     OTHER},
    {"migrating, some keys gone",
     {OWNED, MIGRATING, .several_keys = true, .missing_count = 1, .existing_count = 2},
     REDIRECT_TRYAGAIN,
     NONE},
    {"migrating: MIGRATE itself works here",
     {OWNED, MIGRATING, .missing_count = 1, .is_migrate = true, .writes = true},
     REDIRECT_SERVE,
     NONE},
    {"migrating: a shard channel stays until the slot moves",
     {OWNED, MIGRATING, .shard_channel = true},
     REDIRECT_SERVE,
     NONE},
    {"a mark on a slot that is not mine is dead",
     {FOREIGN, MIGRATING, .missing_count = 1},
     REDIRECT_MOVED,
     OTHER},

    {"importing, not asked", {FOREIGN, IMPORTING, .existing_count = 1}, REDIRECT_MOVED, OTHER},
    {"importing, ASKING",
     {FOREIGN, IMPORTING, .asking = true, .missing_count = 1},
     REDIRECT_SERVE,
     NONE},
    {"importing, RESTORE-ASKING",
     {FOREIGN, IMPORTING, .brings_asking = true, .missing_count = 1, .writes = true},
     REDIRECT_SERVE,
     NONE},
    {"importing, ASKING, several keys all here",
     {FOREIGN, IMPORTING, .asking = true, .several_keys = true, .existing_count = 2},
     REDIRECT_SERVE,
     NONE},
    {"importing, ASKING, several keys, one missing",
     {FOREIGN, IMPORTING, .asking = true, .several_keys = true, .missing_count = 1,
      .existing_count = 1},
     REDIRECT_TRYAGAIN,
     NONE},
    {"importing, ASKING, one key twice, missing",
     {FOREIGN, IMPORTING, .asking = true, .missing_count = 2},
     REDIRECT_SERVE,
     NONE},
    {"importing: MIGRATE itself works here",
     {FOREIGN, IMPORTING, .is_migrate = true, .writes = true, .missing_count = 1},
     REDIRECT_SERVE,
     NONE},

    {"replica, not READONLY", {REPLICA, CLOSED}, REDIRECT_MOVED, MY_PRIMARY},
    {"replica, READONLY, a read", {REPLICA, CLOSED, .readonly = true}, REDIRECT_SERVE, NONE},
    {"replica, READONLY, a write",
     {REPLICA, CLOSED, .readonly = true, .writes = true},
     REDIRECT_MOVED,
     MY_PRIMARY},
    {"replica, READONLY, a slot of another shard",
     {HEALTHY, CLOSED, .readonly = true, .self = SELF, .shard = MY_PRIMARY, .owner = OTHER},
     REDIRECT_MOVED,
     OTHER},
    {"replica, a shard channel", {REPLICA, CLOSED, .shard_channel = true}, REDIRECT_SERVE, NONE},
    {"replica, READONLY, slot migrating, key gone",
     {REPLICA, MIGRATING, .readonly = true, .missing_count = 1},
     REDIRECT_ASK,
     OTHER},
    {"replica, not READONLY, slot migrating",
     {REPLICA, MIGRATING, .missing_count = 1},
     REDIRECT_MOVED,
     MY_PRIMARY},
};

static void each_row_of_the_rules_holds(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        redirect_ruling ruling = node_redirect_decide(&rows[i].facts);
        if (ruling.verdict != rows[i].verdict || ruling.target != rows[i].target) {
            fail_msg("%s: verdict %d (want %d), target %d (want %d)", rows[i].name, ruling.verdict,
                     rows[i].verdict, ruling.target, rows[i].target);
        }
    }
}

static void readonly_makes_no_difference_on_a_primary(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        redirect_facts facts = rows[i].facts;
        if (facts.self != facts.shard) {
            continue;
        }
        facts.readonly = true;
        redirect_ruling ruling = node_redirect_decide(&facts);
        assert_int_equal(ruling.verdict, rows[i].verdict);
        assert_int_equal(ruling.target, rows[i].target);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_of_the_rules_holds),
        cmocka_unit_test(readonly_makes_no_difference_on_a_primary),
    };
    return cmocka_run_group_tests_name("node_redirect", tests, NULL, NULL);
}
