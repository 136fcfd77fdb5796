#include "node/node_acl.h"
#include "node/node_command.h"
#include "unit/support/failing_mem.h"
#include "unit/support/node_driver.h"
#include "unit/support/unit.h"

#define WORDS_MAX 16

/* Cuts at single spaces. */
static size_t cut(const char *line, kw_slice words[WORDS_MAX]) {
    kw_slice rest = slice_text(line);
    size_t count = 0;
    while (*line && slice_split(&rest, ' ', &words[count])) {
        count++;
        assert_true(count < WORDS_MAX);
    }
    return count;
}

static kw_status set_user(acl *a, const char *name, const char *rules, acl_refusal *refusal) {
    kw_slice words[WORDS_MAX];
    size_t count = cut(rules, words);
    return acl_set_user(a, slice_text(name), words, count, refusal);
}

static const char *show(const acl *a, const char *name) {
    static char text[1024];
    buffer out;
    buffer_init(&out, &mem_default, 0);
    assert_true(acl_show_user(acl_find(a, slice_text(name)), &out));
    slice_copy(text, sizeof text, buffer_slice(&out));
    buffer_done(&out);
    return text;
}

static void rules_are_shown_as_the_server_words_them(void **state) {
    (void)state;
    static const struct {
        const char *rules;
        const char *shown;
    } rows[] = {
        {"", "user u off resetchannels -@all"},
        {"on nopass allkeys allchannels +@all", "user u on nopass ~* &* +@all"},
        {"~a* %R~r* %W~w* %RW~rw* &ch*",
         "user u off ~a* %R~r* %W~w* ~rw* resetchannels &ch* -@all"},
        {"%R~a %W~a", "user u off ~a resetchannels -@all"},
        {"+@all -@dangerous +config|get -get +set",
         "user u off resetchannels +@all -@dangerous +config|get -get"},
        {"+get -get +@string -@string +get +client -client|kill",
         "user u off resetchannels -@all +client -client|kill +get"},
        {"reset +@all -@all +@read -get +get",
         "user u off sanitize-payload resetchannels -@all +@read"},
        {"allcommands -config -config|get", "user u off resetchannels +@all -config"},
        {"+config +config|get -config|set", "user u off resetchannels -@all +config -config|set"},
        {"+select|0", "user u off resetchannels -@all +select|0"},
        {"(+get ~x) (+set ~y %R~z &c) on",
         "user u on resetchannels -@all (~x resetchannels -@all +get) (~y %R~z resetchannels &c "
         "-@all +set)"},
        {"(+get ~x) clearselectors", "user u off resetchannels -@all"},
        {"on off nopass resetpass skip-sanitize-payload",
         "user u off skip-sanitize-payload resetchannels -@all"},
        {">p1", "user u off #f64551fcd6f07823cb87971cfb91446425da18286b3ab1ef935e0cbd7a69f68a "
                "resetchannels -@all"},
        {">p1 >p1 <p1", "user u off resetchannels -@all"},
        {"~a ~b resetkeys &a resetchannels", "user u off resetchannels -@all"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        acl_refusal refusal;
        acl *a = acl_new(&mem_default);
        assert_non_null(a);
        assert_int_equal(set_user(a, "u", rows[i].rules, &refusal), KW_OK);
        assert_string_equal(show(a, "u"), rows[i].shown);
        acl_free(a);
    }
}

static void a_refused_rule_changes_nothing(void **state) {
    (void)state;
    static const struct {
        const char *rules;
        const char *rule;
        const char *reason;
    } rows[] = {
        {"on foo", "foo", "Syntax error"},
        {"on +nosuch", "+nosuch", "Unknown command or category name in ACL"},
        {"on -@nosuch", "-@nosuch", "Unknown command or category name in ACL"},
        {"on +config|nosuch", "+config|nosuch", "Unknown command or category name in ACL"},
        {"on -get|foo", "-get|foo", "Unknown command or category name in ACL"},
        {"on #zz", "#zz",
         "The password hash must be exactly 64 characters and contain only lowercase hexadecimal "
         "characters"},
        {"on <nope", "<nope", "The password you are trying to remove from the user does not exist"},
        {"on allkeys ~b", "~b",
         "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not "
         "have any effect. Try 'resetkeys' to start with an empty list of patterns"},
        {"on %X~a", "%X~a", "Syntax error"},
        {"on (+get foo)", "(+get foo)", "Syntax error"},
        {"on (+get", "(+get", NULL},
    };
    acl *a = acl_new(&mem_default);
    acl_refusal refusal;
    assert_int_equal(set_user(a, "u", "", &refusal), KW_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(set_user(a, "u", rows[i].rules, &refusal), KW_ERR_INVALID);
        assert_string_equal(refusal.rule, rows[i].rule);
        if (rows[i].reason) {
            assert_string_equal(refusal.reason, rows[i].reason);
        } else {
            assert_null(refusal.reason);
        }
        assert_string_equal(show(a, "u"), "user u off resetchannels -@all");
        assert_int_equal(set_user(a, "new", rows[i].rules, &refusal), KW_ERR_INVALID);
        assert_null(acl_find(a, SLICE_LITERAL("new")));
    }
    acl_free(a);
}

static void commands_keys_and_channels_are_checked(void **state) {
    (void)state;
    static const struct {
        const char *rules;
        const char *command;
        acl_verdict verdict;
        size_t index;
    } rows[] = {
        {"+@all ~a*", "get abc", ACL_ALLOWED, 0},
        {"+@all ~a*", "get b", ACL_DENIED_KEY, 1},
        {"+@all ~a*", "mset a 1 b 2", ACL_DENIED_KEY, 3},
        {"+@all -get ~*", "get b", ACL_DENIED_COMMAND, 0},
        {"+@all -get ~*", "auth x", ACL_ALLOWED, 0},
        {"-@all", "auth x", ACL_ALLOWED, 0},
        {"-@all", "ping", ACL_DENIED_COMMAND, 0},
        {"+@all %R~r", "get r", ACL_ALLOWED, 0},
        {"+@all %R~r", "set r 1", ACL_DENIED_KEY, 1},
        {"+@all %W~w", "set w 1", ACL_ALLOWED, 0},
        {"+@all %W~w", "set w 1 get", ACL_DENIED_KEY, 1},
        {"+@all %W~w", "get w", ACL_DENIED_KEY, 1},
        {"+@all %W~w", "strlen w", ACL_ALLOWED, 0}, /* it tells nothing of what is written */
        {"+@all %R~r %W~w", "rename r w", ACL_DENIED_KEY, 1},
        {"+@all %RW~r %W~w", "rename r w", ACL_ALLOWED, 0},
        {"+config|get", "config get x", ACL_ALLOWED, 0},
        {"+config|get", "config set x y", ACL_DENIED_COMMAND, 0},
        {"+select|0", "select 0", ACL_ALLOWED, 0},
        {"+select|0", "select 1", ACL_DENIED_COMMAND, 0},
        {"+@pubsub &ch*", "publish ch1 x", ACL_ALLOWED, 0},
        {"+@pubsub &ch*", "publish dh1 x", ACL_DENIED_CHANNEL, 1},
        {"+@pubsub &ch*", "subscribe ch1 dh", ACL_DENIED_CHANNEL, 2},
        {"+@pubsub &ch*", "psubscribe ch*", ACL_ALLOWED, 0},
        {"+@pubsub &ch*", "psubscribe ch1*", ACL_DENIED_CHANNEL, 1},
        {"+@pubsub &ch*", "unsubscribe dh", ACL_ALLOWED, 0},
        {"(+get ~x) (+set ~y)", "get x", ACL_ALLOWED, 0},
        {"(+get ~x) (+set ~y)", "set y 1", ACL_ALLOWED, 0},
        {"(+get ~x) (+set ~y)", "get y", ACL_DENIED_KEY, 1},
        {"(+get ~x) (+set ~y)", "del y", ACL_DENIED_COMMAND, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        acl *a = acl_new(&mem_default);
        acl_refusal refusal;
        kw_slice argv[WORDS_MAX];
        size_t argc = cut(rows[i].command, argv);
        const node_command *container;
        size_t index;
        assert_int_equal(set_user(a, "u", rows[i].rules, &refusal), KW_OK);
        const node_command *command = node_command_find(argv, argc, &container);
        assert_non_null(command);
        acl_verdict verdict =
            acl_check(acl_find(a, SLICE_LITERAL("u")), command, argv, argc, &index);
        if (verdict != rows[i].verdict || (verdict && index != rows[i].index)) {
            fail_msg("%s with %s: %d, argument %zu", rows[i].command, rows[i].rules, verdict,
                     index);
        }
        acl_free(a);
    }
}

static void passwords_are_kept_as_sha256(void **state) {
    (void)state;
    static const char *const hashes[][2] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    for (size_t i = 0; i < sizeof hashes / sizeof *hashes; i++) {
        char hex[SHA256_HEX_SIZE];
        sha256_hex(slice_text(hashes[i][0]), hex);
        assert_string_equal(hex, hashes[i][1]);
    }
}

static void each_failed_allocation_leaves_the_users_as_they_were(void **state) {
    (void)state;
    failing_mem t;
    failing_mem_init(&t);
    acl *a = acl_new(&t.mem);
    acl_refusal refusal;
    assert_int_equal(set_user(a, "u", "on >p ~a &c +get", &refusal), KW_OK);
    char before[256];
    slice_copy(before, sizeof before, slice_text(show(a, "u")));
    kw_status status = KW_ERR_NOMEM;
    for (size_t call = 1; status == KW_ERR_NOMEM; call++) {
        assert_true(call < 100);
        failing_mem_fail_at(&t, call);
        status = set_user(a, "u", ">q ~b &d +select|0 (+set ~x)", &refusal);
        failing_mem_fail_at(&t, 0);
        if (status == KW_ERR_NOMEM) {
            assert_string_equal(show(a, "u"), before);
        }
    }
    assert_int_equal(status, KW_OK);
    acl_free(a);
    assert_int_equal(t.live_count, 0);
}

/* ------------------------------------------------------------------------- over a connection */

static void a_user_is_held_to_its_rules(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    static const driver_row rows[] = {
        {"ACL WHOAMI", "$7\r\ndefault\r\n"},
        {"ACL SETUSER u on >p ~a* +get +set +multi +exec +acl|whoami", "+OK\r\n"},
        {"AUTH u wrong", "-WRONGPASS invalid username-password pair or user is disabled.\r\n"},
        {"AUTH u p", "+OK\r\n"},
        {"ACL WHOAMI", "$1\r\nu\r\n"},
        {"SET a 1", "+OK\r\n"},
        {"SET b 1", "-NOPERM this user has no permissions to access one of the keys used as "
                    "arguments\r\n"},
        {"DEL a", "-NOPERM this user has no permissions to run the 'del' command\r\n"},
        {"NOSUCH", "-ERR unknown command 'NOSUCH', with args beginning with: \r\n"},
        {"DEL", "-ERR wrong number of arguments for 'del' command\r\n"},
        {"MULTI", "+OK\r\n"},
        {"DEL a", "-NOPERM this user has no permissions to run the 'del' command\r\n"},
        {"EXEC", "-EXECABORT Transaction discarded because of previous errors.\r\n"},
        {"AUTH default any", "+OK\r\n"},
        {"ACL DELUSER u", ":1\r\n"},
    };
    driver_expect_rows(&d, 0, rows, sizeof rows / sizeof *rows);
    const char *log = driver_ask(&d, 0, "ACL LOG");
    assert_non_null(strstr(log, "*4\r\n"));
    assert_non_null(strstr(log, "$7\r\ncontext\r\n$5\r\nmulti\r\n$6\r\nobject\r\n$3\r\ndel\r\n"));
    assert_non_null(strstr(log, "$6\r\nreason\r\n$3\r\nkey\r\n"));
    assert_non_null(strstr(log, "$6\r\nreason\r\n$4\r\nauth\r\n"));
    driver_expect(&d, 0, "ACL LOG RESET", "+OK\r\n");
    driver_expect(&d, 0, "ACL LOG", "*0\r\n");
    driver_stop(&d);
}

static void a_password_can_be_required_and_dropped(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    driver_expect(&d, 0, "CONFIG SET requirepass secret", "+OK\r\n");
    driver_expect(&d, 0, "PING", "+PONG\r\n");
    driver_hang_up(&d, 0);
    driver_expect(&d, 0, "PING", "-NOAUTH Authentication required.\r\n");
    driver_expect(&d, 0, "AUTH wrong",
                  "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    driver_expect(&d, 0, "AUTH secret", "+OK\r\n");
    driver_expect(&d, 0, "CONFIG SET requirepass \"\"", "+OK\r\n");
    driver_expect(&d, 0, "AUTH secret",
                  "-ERR AUTH <password> called without any password configured for the default "
                  "user. Are you sure your configuration is correct?\r\n");
    driver_stop(&d);
}

static void a_transaction_is_checked_again_when_it_runs(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    node_session *other = node_session_new(fleet_node(d.fleet, 0), "10.0.0.8:1", d.now_us);
    driver_expect(&d, 0, "ACL SETUSER u on nopass ~* +@all", "+OK\r\n");
    assert_string_equal(driver_ask_on(&d, 0, other, "AUTH u x"), "+OK\r\n");
    assert_string_equal(driver_ask_on(&d, 0, other, "MULTI"), "+OK\r\n");
    assert_string_equal(driver_ask_on(&d, 0, other, "SET a 1"), "+QUEUED\r\n");
    assert_string_equal(driver_ask_on(&d, 0, other, "PING"), "+QUEUED\r\n");
    driver_expect(&d, 0, "ACL SETUSER u -set", "+OK\r\n");
    assert_string_equal(
        driver_ask_on(&d, 0, other, "EXEC"),
        "*2\r\n-NOPERM ACLs rules changed between the moment the transaction was accumulated and "
        "the EXEC call. This command is no longer allowed for the following reason: no permission "
        "to execute the command or subcommand\r\n+PONG\r\n");
    node_session_free(fleet_node(d.fleet, 0), other);
    driver_stop(&d);
}

static void who_is_deleted_is_disconnected(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    driver_expect(&d, 0, "ACL SETUSER u on nopass +@all", "+OK\r\n");
    node_session *other = node_session_new(fleet_node(d.fleet, 0), "10.0.0.8:1", d.now_us);
    assert_string_equal(driver_ask_on(&d, 0, other, "AUTH u x"), "+OK\r\n");
    driver_expect(&d, 0, "ACL DELUSER u", ":1\r\n");
    assert_true(other->flags & SESSION_CLOSING);
    assert_ptr_equal(fleet_next_ready(d.fleet), other);
    node_session_free(fleet_node(d.fleet, 0), other);
    driver_stop(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_are_shown_as_the_server_words_them),
        cmocka_unit_test(a_refused_rule_changes_nothing),
        cmocka_unit_test(commands_keys_and_channels_are_checked),
        cmocka_unit_test(passwords_are_kept_as_sha256),
        cmocka_unit_test(each_failed_allocation_leaves_the_users_as_they_were),
        cmocka_unit_test(a_user_is_held_to_its_rules),
        cmocka_unit_test(a_password_can_be_required_and_dropped),
        cmocka_unit_test(a_transaction_is_checked_again_when_it_runs),
        cmocka_unit_test(who_is_deleted_is_disconnected),
    };
    return cmocka_run_group_tests_name("node_acl", tests, NULL, NULL);
}
