#include "core/redirect.h"

#include "base/prng.h"
#include "unit/support/unit.h"

static answer read_error(const char *text) {
    answer a;
    memset(&a, 0xee, sizeof(a));
    answer_read('-', slice_text(text), &a);
    return a;
}

static void redirects_name_slot_and_target(void **state) {
    (void)state;
    static const struct {
        const char *text;
        answer_kind kind;
        int slot;
        const char *host;
        uint16_t port;
    } cases[] = {
        {"MOVED 3999 127.0.0.1:6381", ANSWER_MOVED, 3999, "127.0.0.1", 6381},
        {"ASK 0 127.0.0.1:1", ANSWER_ASK, 0, "127.0.0.1", 1},
        {"MOVED 16383 node-7.example.com:65535", ANSWER_MOVED, 16383, "node-7.example.com", 65535},
        {"MOVED 3999 ::1:7000", ANSWER_MOVED, 3999, "::1", 7000},
        {"ASK 3999 [2001:db8::5]:7000", ANSWER_ASK, 3999, "2001:db8::5", 7000},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        answer a = read_error(cases[i].text);
        assert_int_equal(a.kind, cases[i].kind);
        assert_int_equal(a.slot, cases[i].slot);
        assert_string_equal(a.target.host, cases[i].host);
        assert_int_equal(a.target.port, cases[i].port);
        assert_false(a.uncovered);
    }
}

static void moved_with_empty_host_keeps_host_asked(void **state) {
    (void)state;
    answer a = read_error("MOVED 3999 :6381");
    assert_int_equal(a.kind, ANSWER_MOVED);
    assert_string_equal(a.target.host, "");
    assert_int_equal(a.target.port, 6381);
}

static void unknown_host_is_as_if_nobody_served_the_slot(void **state) {
    (void)state;
    static const char *const cases[] = {"MOVED 3999 ?:0", "MOVED 3999 ?:6379", "ASK 3999 ?:6379"};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        answer a = read_error(cases[i]);
        assert_int_equal(a.kind, ANSWER_CLUSTERDOWN);
        assert_int_equal(a.slot, 3999);
        assert_string_equal(a.target.host, "?");
        assert_true(a.uncovered);
    }
}

static void redirect_without_sense_is_broken(void **state) {
    (void)state;
    static const char *const cases[] = {
        "MOVED",
        "MOVED ",
        "MOVED 3999",
        "MOVED 3999 ",
        "MOVED  3999 127.0.0.1:6381",
        "MOVED 16384 127.0.0.1:6381",
        "MOVED -1 127.0.0.1:6381",
        "MOVED x 127.0.0.1:6381",
        "MOVED 99999999999999999999 127.0.0.1:6381",
        "MOVED 3999 127.0.0.1",
        "MOVED 3999 127.0.0.1:",
        "MOVED 3999 127.0.0.1:0",
        "MOVED 3999 127.0.0.1:65536",
        "MOVED 3999 127.0.0.1:6381 more",
        "MOVED 3999 12 7.0.0.1:6381",
        "MOVED 127.0.0.1:6381 3999",
        "ASK",
        "ASK 16384 127.0.0.1:6381",
        "ASK 1 host",
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        answer a = read_error(cases[i]);
        assert_int_equal(a.kind, ANSWER_BROKEN);
    }
}

static void code_words_are_exact(void **state) {
    (void)state;
    static const struct {
        const char *text;
        answer_kind kind;
        bool uncovered;
    } cases[] = {
        {"TRYAGAIN Multiple keys request during rehashing of slot", ANSWER_TRYAGAIN, false},
        {"TRYAGAIN", ANSWER_TRYAGAIN, false},
        {"CLUSTERDOWN Hash slot not served", ANSWER_CLUSTERDOWN, true},
        {"CLUSTERDOWN The cluster is down", ANSWER_CLUSTERDOWN, false},
        {"CLUSTERDOWN", ANSWER_CLUSTERDOWN, false},
        {"LOADING Redis is loading the dataset in memory", ANSWER_LOADING, false},
        {"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
         ANSWER_MASTERDOWN, false},
        {"READONLY You can't write against a read only replica.", ANSWER_READONLY, false},
        {"UNBLOCKED force unblock from blocking operation, instance state changed (master -> "
         "replica?)",
         ANSWER_UNBLOCKED, false},
        {"UNBLOCKED client unblocked via CLIENT UNBLOCK", ANSWER_ERROR, false},
        {"UNBLOCKED", ANSWER_ERROR, false},
        {"ERR unknown command", ANSWER_ERROR, false},
        {"WRONGTYPE Operation against a key holding the wrong kind of value", ANSWER_ERROR, false},
        {"CROSSSLOT Keys in request don't hash to the same slot", ANSWER_ERROR, false},
        {"MOVEDX 3999 127.0.0.1:6381", ANSWER_ERROR, false},
        {"moved 3999 127.0.0.1:6381", ANSWER_ERROR, false},
        {"ASKING 3999 127.0.0.1:6381", ANSWER_ERROR, false},
        {"ERR MOVED 3999 127.0.0.1:6381", ANSWER_ERROR, false},
        {"", ANSWER_ERROR, false},
        {" MOVED", ANSWER_ERROR, false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        answer a = read_error(cases[i].text);
        assert_int_equal(a.kind, cases[i].kind);
        assert_int_equal(a.uncovered, cases[i].uncovered);
        assert_int_equal(a.slot, -1);
    }
}

static void only_errors_are_classified(void **state) {
    (void)state;
    kw_slice text = SLICE_LITERAL("MOVED 3999 127.0.0.1:6381");
    for (const char *type = "+$:*_#,(=%~>|"; *type; type++) {
        answer a;
        answer_read(*type, text, &a);
        assert_int_equal(a.kind, ANSWER_REPLY);
        assert_int_equal(a.slot, -1);
    }
    answer a;
    answer_read('!', text, &a);
    assert_int_equal(a.kind, ANSWER_MOVED);
    answer_read('-', slice_of(NULL, 0), &a);
    assert_int_equal(a.kind, ANSWER_ERROR);
}

static void random_redirects_are_in_range_or_broken(void **state) {
    (void)state;
    static const char alphabet[] = "0123456789  ::..?[]aM-\n";
    prng random;
    prng_init(&random, 17);
    for (int round = 0; round < 50000; round++) {
        char text[40] = "MOVED 1";
        size_t len = prng_range(&random, 6, sizeof(text));
        for (size_t i = 6 + prng_below(&random, 2); i < len; i++) {
            text[i] = alphabet[prng_below(&random, sizeof(alphabet) - 1)];
        }
        answer a;
        answer_read('-', slice_of(text, len), &a);
        if (a.kind == ANSWER_MOVED) {
            assert_in_range(a.slot, 0, 16383);
            assert_int_not_equal(a.target.port, 0);
            assert_null(strpbrk(a.target.host, " \n"));
        } else {
            assert_true(a.kind == ANSWER_BROKEN || a.kind == ANSWER_CLUSTERDOWN);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(redirects_name_slot_and_target),
        cmocka_unit_test(moved_with_empty_host_keeps_host_asked),
        cmocka_unit_test(unknown_host_is_as_if_nobody_served_the_slot),
        cmocka_unit_test(redirect_without_sense_is_broken),
        cmocka_unit_test(code_words_are_exact),
        cmocka_unit_test(only_errors_are_classified),
        cmocka_unit_test(random_redirects_are_in_range_or_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
