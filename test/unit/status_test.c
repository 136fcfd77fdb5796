#include <keyway/keyway.h>

#include "unit/support/unit.h"

#include <string.h>

static void every_status_has_a_name_of_its_own(void **state) {
    (void)state;
    for (int a = KW_OK; a <= KW_ERR_BUSY; a++) {
        const char *name = kw_status_name((kw_status)a);
        assert_non_null(name);
        assert_string_not_equal(name, "UNKNOWN");
        for (int b = KW_OK; b < a; b++) {
            assert_string_not_equal(name, kw_status_name((kw_status)b));
        }
    }
    assert_string_equal(kw_status_name(KW_ERR_TIMEOUT), "TIMEOUT");
    assert_string_equal(kw_status_name((kw_status)(KW_ERR_BUSY + 1)), "UNKNOWN");
    assert_string_equal(kw_status_name((kw_status)-1), "UNKNOWN");
}

static void every_outcome_has_a_name(void **state) {
    (void)state;
    assert_string_equal(kw_outcome_name(KW_NOT_SENT), "NOT_SENT");
    assert_string_equal(kw_outcome_name(KW_REJECTED), "REJECTED");
    assert_string_equal(kw_outcome_name(KW_NO_EFFECT), "NO_EFFECT");
    assert_string_equal(kw_outcome_name(KW_MAYBE_EXECUTED), "MAYBE_EXECUTED");
    assert_string_equal(kw_outcome_name((kw_outcome)99), "UNKNOWN");
}

static void only_harmless_and_passing_failures_are_retriable(void **state) {
    (void)state;
    const struct {
        kw_status status;
        kw_outcome outcome;
        bool want;
    } cases[] = {
        {KW_ERR_TIMEOUT, KW_NOT_SENT, true},      {KW_ERR_TIMEOUT, KW_REJECTED, true},
        {KW_ERR_TIMEOUT, KW_NO_EFFECT, true},     {KW_ERR_TIMEOUT, KW_MAYBE_EXECUTED, false},
        {KW_ERR_CONNECTION, KW_NOT_SENT, true},   {KW_ERR_CONNECTION, KW_MAYBE_EXECUTED, false},
        {KW_ERR_NOMEM, KW_NOT_SENT, true},        {KW_ERR_LIMIT, KW_NOT_SENT, true},
        {KW_ERR_UNCOVERED, KW_REJECTED, true},    {KW_ERR_REDIRECTS, KW_REJECTED, true},
        {KW_ERR_INVALID, KW_NOT_SENT, false},     {KW_ERR_CROSSSLOT, KW_NOT_SENT, false},
        {KW_ERR_UNSUPPORTED, KW_NOT_SENT, false}, {KW_ERR_AUTH, KW_NOT_SENT, false},
        {KW_ERR_TLS, KW_NOT_SENT, false},         {KW_ERR_CLOSED, KW_NOT_SENT, false},
        {KW_ERR_FORKED, KW_NOT_SENT, false},      {KW_OK, KW_NOT_SENT, false},
        {(kw_status)1000, KW_NOT_SENT, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kw_error err = {.status = cases[i].status, .outcome = cases[i].outcome};
        assert_int_equal(kw_error_is_retriable(&err), cases[i].want);
    }
    assert_false(kw_error_is_retriable(NULL));
}

static void version_is_the_headers(void **state) {
    (void)state;
    assert_string_equal(kw_version(), KW_VERSION_STRING);
}

static void slot_of_a_key_counts_its_hash_tag(void **state) {
    (void)state;
    assert_int_equal(kw_key_slot("123456789", 9), 0x31c3);
    assert_int_equal(kw_key_slot("{user1000}.following", 20), kw_key_slot("user1000", 8));
    assert_int_equal(kw_key_slot("", 0), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_a_name_of_its_own),
        cmocka_unit_test(every_outcome_has_a_name),
        cmocka_unit_test(only_harmless_and_passing_failures_are_retriable),
        cmocka_unit_test(version_is_the_headers),
        cmocka_unit_test(slot_of_a_key_counts_its_hash_tag),
    };
    return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
