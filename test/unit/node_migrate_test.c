/* MIGRATE: what it is told wrongly, whom it reaches, and what it may show; and some other limits
 * that many requests come to. Three primaries; {b} 3300 is node 0's. */
#include "unit/support/node_names.h"
#include "unit/support/unit.h"

#include "node/node_acl.h"

static void migrate_is_told_all_it_needs(void **state) {
    (void)state;
    static const driver_row rows[] = {
        {"SET {b}x 1", "+OK\r\n"},
        {"MIGRATE 10.0.0.1 7001 {b}x 0 x", "-ERR value is not an integer or out of range\r\n"},
        {"MIGRATE 10.0.0.1 7001 {b}x x 10", "-ERR value is not an integer or out of range\r\n"},
        {"MIGRATE 10.0.0.1 7001 {b}x 0 10 FOO", "-ERR syntax error\r\n"},
        {"MIGRATE 10.0.0.1 7001 {b}x 0 10 AUTH", "-ERR syntax error\r\n"},
        {"MIGRATE 10.0.0.1 7001 {b}x 0 10 AUTH2 user", "-ERR syntax error\r\n"},
        {"MIGRATE 10.0.0.1 7001 {b}x 0 10 KEYS {b}y",
         "-ERR When using MIGRATE KEYS option, the key argument must be set to the empty "
         "string\r\n"},
        {"MIGRATE 10.0.0.1 7001 {b}none 0 10", "+NOKEY\r\n"},
        {"MIGRATE nosuch.example 7001 {b}x 0 10",
         "-IOERR error or timeout connecting to the client\r\n"},
        {"MIGRATE \"\" 7001 {b}x 0 10", "-IOERR error or timeout connecting to the client\r\n"},
        {"MIGRATE 10.0.0.1 70010 {b}x 0 10",
         "-IOERR error or timeout writing to target instance\r\n"},
        {"MIGRATE 10.0.0.1 x {b}x 0 10", "-IOERR error or timeout writing to target instance\r\n"},
        {"MIGRATE localhost 9 {b}x 0 10", "-IOERR error or timeout writing to target instance\r\n"},
        {"MIGRATE 10.0.0.1 7000 {b}x 0 10",
         "-IOERR error or timeout writing to target instance\r\n"}, /* to itself */
        {"GET {b}x", "$1\r\n1\r\n"},
    };
    node_driver d;
    driver_start(&d, 3, 0);
    driver_expect_rows(&d, 0, rows, COUNT_OF(rows));
    driver_stop(&d);
}

static void migrate_shows_its_password_to_the_target(void **state) {
    (void)state;
    static const driver_row rows[] = {
        {"MSET {b}1 1 {b}2 2 {b}3 3 {b}4 4", "+OK\r\n"},
        {"CLUSTER SETSLOT 3300 MIGRATING <1>", "+OK\r\n"},
        {"MIGRATE 10.0.0.1 7001 {b}1 0 10",
         "-ERR Target instance replied with error: NOAUTH Authentication required.\r\n"},
        {"MIGRATE 10.0.0.1 7001 {b}1 0 10 AUTH wrong",
         "-ERR Target instance replied with error: WRONGPASS invalid username-password pair or "
         "user is disabled.\r\n"},
        {"MIGRATE 10.0.0.1 7001 {b}1 0 10 AUTH secret", "+OK\r\n"},
        {"MIGRATE one.example 7001 {b}2 0 10 AUTH2 default secret", "+OK\r\n"},
        {"MIGRATE 10.0.0.1 7001 \"\" 0 10 COPY AUTH secret KEYS {b}3 {b}4", "+OK\r\n"},
        {"MIGRATE 10.0.0.1 7001 \"\" 0 10 AUTH secret KEYS {b}3 {b}4",
         "-ERR Target instance replied with error: BUSYKEY Target key name already exists.\r\n"},
        {"MIGRATE 10.0.0.1 7001 \"\" 0 10 REPLACE AUTH secret KEYS {b}3 {b}4", "+OK\r\n"},
        {"DBSIZE", ":0\r\n"},
    };
    node_driver d;
    driver_start(&d, 3, 0);
    driver_expect(&d, 0, "LAB HOSTNAME 1 one.example", "+OK\r\n");
    driver_expect(&d, 1, names_in(&d, "CLUSTER SETSLOT 3300 IMPORTING <0>"), "+OK\r\n");
    driver_expect(&d, 1, "CONFIG SET requirepass secret", "+OK\r\n");
    names_expect_rows(&d, 0, rows, COUNT_OF(rows));
    driver_expect(&d, 1, "DBSIZE", ":4\r\n");
    driver_stop(&d);
}

static void monitors_are_not_shown_passwords(void **state) {
    (void)state;
    static const struct {
        const char *line;
        const char *shown;
    } rows[] = {
        {"MIGRATE 10.0.0.1 7009 {b}x 0 10 AUTH secret",
         "\"MIGRATE\" \"10.0.0.1\" \"7009\" \"{b}x\" \"0\" \"10\" \"AUTH\" \"(redacted)\"\r\n"},
        {"MIGRATE 10.0.0.1 7009 {b}x 0 10 AUTH2 me secret",
         "\"10\" \"AUTH2\" \"(redacted)\" \"(redacted)\"\r\n"},
        {"MIGRATE 10.0.0.1 7009 {b}x 0 10 COPY", "\"10\" \"COPY\"\r\n"},
        {"ECHO \"a\\x01\\x22\\r\\n\"", "\"ECHO\" \"a\\x01\\\"\\r\\n\"\r\n"},
    };
    node_driver d;
    driver_start(&d, 3, 0);
    node_session *monitor = driver_open(&d, 0);
    driver_expect_on(&d, 0, monitor, "MONITOR", "+OK\r\n");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        (void)driver_ask(&d, 0, rows[i].line);
        char text[512];
        slice_copy(text, sizeof text, buffer_slice(&monitor->out));
        buffer_clear(&monitor->out, SIZE_MAX);
        if (!strstr(text, rows[i].shown)) {
            fail_msg("%s: %s", rows[i].line, text);
        }
    }
    driver_close(&d, 0, monitor);
    driver_stop(&d);
}

static void the_oldest_handshake_makes_room(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    for (int i = 0; i < NODE_HANDSHAKES_MAX + 2; i++) {
        char line[64];
        snprintf(line, sizeof line, "CLUSTER MEET 10.9.9.9 %d", 20000 + i);
        driver_expect(&d, 0, line, "+OK\r\n");
    }
    names_expect_part(&d, 0, "CLUSTER NODES", " 10.9.9.9:20002@30002 handshake ");
    assert_null(strstr(driver_ask(&d, 0, "CLUSTER NODES"), " 10.9.9.9:20001@"));
    driver_stop(&d);
}

static void users_and_their_rules_have_a_limit(void **state) {
    (void)state;
    static const struct {
        const char *format;
        kw_status status;
    } rows[] = {{"~k%d", KW_ERR_LIMIT},
                {"&c%d", KW_ERR_LIMIT},
                {">p%d", KW_ERR_LIMIT},
                {"(~k%d)", KW_ERR_NOMEM},
                {"+select|%d", KW_ERR_LIMIT}};
    enum { MORE = ACL_RULES_MAX + 2 };
    static char texts[MORE][16];
    static kw_slice rules[MORE];
    acl_refusal refusal;
    for (size_t k = 0; k < COUNT_OF(rows); k++) {
        acl *a = acl_new(&mem_default);
        assert_non_null(a);
        for (size_t i = 0; i < MORE; i++) {
            snprintf(texts[i], sizeof texts[i], rows[k].format, (int)i);
            rules[i] = slice_text(texts[i]);
        }
        assert_int_equal(acl_set_user(a, SLICE_LITERAL("u"), rules, MORE, &refusal),
                         rows[k].status);
        acl_free(a);
    }
}

static void there_are_so_many_users(void **state) {
    (void)state;
    acl_refusal refusal;
    acl *a = acl_new(&mem_default);
    assert_non_null(a);
    char name[300];
    memset(name, 'u', sizeof name);
    assert_int_equal(acl_set_user(a, slice_of(name, sizeof name), NULL, 0, &refusal), KW_ERR_LIMIT);
    kw_status status = KW_OK;
    int count = 0;
    for (; count < 20000 && status == KW_OK; count++) {
        snprintf(name, sizeof name, "u%d", count);
        status = acl_set_user(a, slice_text(name), NULL, 0, &refusal);
    }
    assert_int_equal(status, KW_ERR_LIMIT);
    assert_int_equal(acl_user_count(a), count); /* `default` is one, and the last was refused */
    acl_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(migrate_is_told_all_it_needs),
        cmocka_unit_test(migrate_shows_its_password_to_the_target),
        cmocka_unit_test(monitors_are_not_shown_passwords),
        cmocka_unit_test(the_oldest_handshake_makes_room),
        cmocka_unit_test(users_and_their_rules_have_a_limit),
        cmocka_unit_test(there_are_so_many_users),
    };
    return cmocka_run_group_tests_name("node_migrate", tests, NULL, NULL);
}
