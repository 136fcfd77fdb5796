/* Every allocation of a long dialogue fails in turn: nothing crashes, nothing leaks, and the client
 * lives on. */
#include "dialogue/support/dialogue.h"

#include <stdlib.h>

static int round_of_answers;

/* What the nodes answer, the same each time: redirects of each kind and refusals among it. */
static const char *answer(int node, const char *text) {
    if (strncmp(text, "COMMAND", 7) == 0) {
        return "-ERR unknown subcommand";
    }
    if (strcmp(text, "ASKING") == 0) {
        return "+OK";
    }
    if (strcmp(text, "GET k") == 0 && node == 2) {
        return "-MOVED 7629 127.0.0.1:7009";
    }
    if (strcmp(text, "SET c 1") == 0 && node == 2) {
        return "-ASK 7365 127.0.0.1:7003";
    }
    if (strcmp(text, "MGET foo foo") == 0 && round_of_answers++ % 3 == 0) {
        return "-TRYAGAIN later";
    }
    return "v";
}

static void a_bit_of_everything(dialogue *d) {
    static const char *const texts[] = {"GET k",  "SET c 1", "MGET foo foo", "GET b",
                                        "JUMP x", "GET k",   "DBSIZE",       "SET k 1"};
    d->lenient = true;
    d->answer = answer;
    round_of_answers = 0;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        call(d, texts[i]);
        advance_ms(d, 20);
    }
    hang_up(d, 2);
    call(d, "GET k");
    call(d, "SET k 2");
    cluster_refresh(d->c, d->now_us);
    advance_ms(d, 6000);
}

/* False: there was no such allocation. */
static bool one_fails(size_t which, bool all_after) {
    dialogue *d = malloc(sizeof *d);
    dialogue_init(d, WHOLE);
    d->config.password = "secret";
    d->config.client_name = "me";
    start_cold(d);
    d->mem.fail_after = all_after;
    failing_mem_fail_at(&d->mem, which);
    a_bit_of_everything(d);
    bool failed_one = d->mem.call_count >= which;
    failing_mem_fail_at(&d->mem, 0);
    advance_ms(d, 15000); /* links that could not be made are tried again */
    for (int i = 0; i < 2; i++) {
        int a = call(d, "GET b");
        advance_ms(d, 5100);
        assert_true(d->calls[a].done);
        if (i > 0) {
            ok(d, a, "v");
        }
    }
    dialogue_done(d);
    free(d);
    return failed_one;
}

static void any_allocation_may_fail(void **state) {
    (void)state;
    size_t which = 1;
    while (one_fails(which, false)) {
        which++;
    }
    assert_true(which > 50);
}

static void memory_may_be_gone_for_a_while(void **state) {
    (void)state;
    size_t which = 1;
    while (one_fails(which, true)) {
        which += which < 40 ? 1 : 7;
    }
    assert_true(which > 50);
}

static void making_a_client_may_fail(void **state) {
    (void)state;
    dialogue *d = malloc(sizeof *d);
    kw_error err;
    size_t which = 1;
    kw_status status = KW_ERR_NOMEM;
    dialogue_init(d, WHOLE);
    d->config.seeds = d->seeds;
    d->config.seed_count = 1;
    d->config.password = "secret";
    d->config.client_name = "me";
    d->config.lib_name = "keyway";
    d->config.lib_version = "1";
    while (status == KW_ERR_NOMEM) {
        failing_mem_fail_at(&d->mem, which++);
        status = cluster_new(&d->mem.mem, &d->config, 1, d->now_us, &d->c, &err);
        assert_true(status == KW_OK || err.status == KW_ERR_NOMEM);
        assert_true(status == KW_OK || d->mem.live_count == 0);
    }
    assert_int_equal(status, KW_OK);
    assert_true(which > 5);
    dialogue_done(d);
    free(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_allocation_may_fail),
        cmocka_unit_test(memory_may_be_gone_for_a_while),
        cmocka_unit_test(making_a_client_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
