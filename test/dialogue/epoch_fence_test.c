/* Views by their epoch: one that is behind is refused, until it is the truth after all (ROUTING
 * §4).
 */
#include "dialogue/support/dialogue.h"

static uint64_t refused_views(dialogue *d) {
    return count_of(d, KW_COUNT_REFUSED_EPOCH);
}

static void asks_once_more(dialogue *d) {
    cluster_refresh(d->c, d->now_us);
    settle(d);
}

/* Epochs were seen, so that a node without one is behind them. */
static const char info_without_epoch[] = "$20\r\ncluster_state:fail\r\n\r\n";

static void epoch_that_is_missing_is_lower_than_any(dialogue *d) {
    seeds(d, "127.0.0.1:7001,127.0.0.1:7011");
    view(d, "0-16383 1", 3);
    start(d);
    d->nodes[1].manual = true;
    d->nodes[11].frozen = true;
    view(d, "0-16383 2", 3);
    asks_once_more(d);
    expect(d, 1, "PING");
    expect(d, 1, "CLUSTER SLOTS");
    expect(d, 1, "CLUSTER INFO");
    reply(d, 1, "+PONG");
    reply(d, 1, "(view)");
    reply_bytes(d, 1, info_without_epoch, sizeof info_without_epoch - 1);
    assert_int_equal(refused_views(d), 1);
    assert_int_equal(cluster_refresh_accepted_count(d->c), 1);
    assert_int_equal(owner_of(d, 7629), 1);
}

/* Nobody else can agree with it: three runs must do. */
static void cluster_of_one_node_made_anew_is_believed_in_the_third_run(dialogue *d) {
    seeds(d, "127.0.0.1:7001,127.0.0.1:7011");
    view(d, "0-16383 1", 7);
    start(d);
    d->nodes[11].refuses = true;
    view(d, "0-9999 1", 1);
    for (unsigned run = 1; run <= 2; run++) {
        asks_once_more(d);
        advance_ms(d, 10);
        assert_int_equal(refused_views(d), run);
        assert_int_equal(cluster_refresh_accepted_count(d->c), 1);
        assert_int_equal(owner_of(d, 16000), 1);
    }
    asks_once_more(d);
    assert_int_equal(cluster_refresh_accepted_count(d->c), 2);
    assert_int_equal(owner_of(d, 9999), 1);
    assert_int_equal(owner_of(d, 16000), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DIALOGUE(epoch_that_is_missing_is_lower_than_any),
        DIALOGUE(cluster_of_one_node_made_anew_is_believed_in_the_third_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
