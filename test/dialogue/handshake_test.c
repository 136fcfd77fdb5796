/* What is said when a connection is made, to servers new and old. */
#include "dialogue/support/dialogue.h"

static void expect_questions(dialogue *d) {
    expect(d, 1, "PING");
    expect(d, 1, "CLUSTER SLOTS");
    expect(d, 1, "CLUSTER INFO");
    reply(d, 1, "+PONG");
    reply(d, 1, "(view)");
    reply(d, 1, "(info)");
}

static int manual_call(dialogue *d) {
    d->nodes[1].manual = true;
    start_cold(d);
    return call(d, "GET b");
}

static void served(dialogue *d, int a) {
    expect(d, 1, "GET b");
    reply(d, 1, "v");
    ok(d, a, "v");
}

static void hello_carries_password_and_name(dialogue *d) {
    d->config.user = "alice";
    d->config.password = "secret";
    d->config.client_name = "me";
    d->config.lib_name = "keyway";
    d->config.lib_version = "1.2.3";
    int a = manual_call(d);
    expect(d, 1, "HELLO 3 AUTH alice secret SETNAME me");
    expect(d, 1, "CLIENT SETINFO LIB-NAME keyway");
    expect(d, 1, "CLIENT SETINFO LIB-VER 1.2.3");
    expect_nothing(d); /* nothing else before HELLO is answered */
    reply(d, 1, "(hello)");
    reply(d, 1, "-ERR unknown subcommand"); /* a server before 7.2: no matter */
    reply(d, 1, "-ERR unknown subcommand");
    expect_questions(d);
    served(d, a);
}

static void password_alone_is_the_default_users(dialogue *d) {
    d->config.password = "secret";
    int a = manual_call(d);
    expect(d, 1, "HELLO 3 AUTH default secret");
    reply(d, 1, "(hello)");
    expect_questions(d);
    served(d, a);
}

static void falls_back(dialogue *d, const char *refusal) {
    d->config.password = "secret";
    d->config.client_name = "me";
    int a = manual_call(d);
    expect(d, 1, "HELLO 3 AUTH default secret SETNAME me");
    reply(d, 1, refusal);
    expect(d, 1, "AUTH secret");
    expect(d, 1, "CLIENT SETNAME me");
    expect_nothing(d);
    reply(d, 1, "+OK");
    reply(d, 1, "+OK");
    expect_questions(d);
    served(d, a);
}

static void unknown_hello_falls_back_to_resp2(dialogue *d) {
    falls_back(d, "-ERR unknown command 'HELLO'");
}

static void refused_protocol_falls_back_to_resp2(dialogue *d) {
    falls_back(d, "-NOPROTO unsupported protocol version");
}

static void fallback_without_password_is_ready_at_once(dialogue *d) {
    int a = manual_call(d);
    expect(d, 1, "HELLO 3");
    reply(d, 1, "-ERR unknown command 'HELLO'");
    expect_questions(d);
    served(d, a);
}

static void resp2_can_be_asked_for(dialogue *d) {
    d->config.resp = 2;
    d->config.user = "alice";
    d->config.password = "secret";
    int a = manual_call(d);
    expect(d, 1, "AUTH alice secret");
    expect_nothing(d);
    reply(d, 1, "+OK");
    expect_questions(d);
    served(d, a);
}

static void wrong_password_fails_at_once(dialogue *d) {
    d->config.password = "wrong";
    d->nodes[1].hello = "-WRONGPASS invalid username-password pair or user is disabled.";
    start_cold(d);
    int a = call(d, "SET k 1");
    failed(d, a, KW_ERR_AUTH, KW_NOT_SENT, "WRONGPASS invalid username-password pair");
    int b = call(d, "SET k 1"); /* and the next one is told as well, if later */
    advance_ms(d, 5002);
    failed(d, b, KW_ERR_AUTH, KW_NOT_SENT, "WRONGPASS");
}

static void wrong_password_in_resp2_fails_at_once(dialogue *d) {
    d->config.resp = 2;
    d->config.password = "wrong";
    int a = manual_call(d);
    expect(d, 1, "AUTH wrong");
    reply(d, 1, "-ERR invalid password");
    failed(d, a, KW_ERR_AUTH, KW_NOT_SENT, "invalid password");
}

static void missing_password_fails_at_once(dialogue *d) {
    d->nodes[1].hello = "-NOAUTH HELLO must be called with the client already authenticated";
    start_cold(d);
    int a = call(d, "SET k 1");
    failed(d, a, KW_ERR_AUTH, KW_NOT_SENT, "NOAUTH");
}

static void missing_password_of_an_old_server_fails_at_once(dialogue *d) {
    d->config.resp = 2;
    int a = manual_call(d);
    expect(d, 1, "PING");
    expect(d, 1, "CLUSTER SLOTS");
    expect(d, 1, "CLUSTER INFO");
    reply(d, 1, "-NOAUTH Authentication required.");
    reply(d, 1, "-NOAUTH Authentication required.");
    failed(d, a, KW_ERR_AUTH, KW_NOT_SENT, "a password is required");
    reply_if_owed(d, 1, "-NOAUTH Authentication required.");
}

static void node_that_refuses_the_password_fails_its_commands_only(dialogue *d) {
    d->config.password = "secret";
    d->nodes[2].hello = "-WRONGPASS invalid username-password pair";
    start(d);
    int a = call(d, "SET k 1");
    failed(d, a, KW_ERR_AUTH, KW_NOT_SENT, "127.0.0.1:7002 refused the connection");
    ok(d, answered_call(d, 3, "GET foo", "v"), "v");
}

static void other_handshake_errors_are_tried_again(dialogue *d) {
    d->nodes[1].hello = "-LOADING Redis is loading the dataset in memory";
    start_cold(d);
    int a = call(d, "GET b");
    advance_ms(d, 700);
    d->nodes[1].hello = NULL;
    advance_ms(d, 3000);
    served(d, a);
}

static void handshake_that_takes_too_long_is_given_up(dialogue *d) {
    start(d);
    d->nodes[2].frozen = true;
    int a = call(d, "GET k");
    assert_int_equal(links_to(d, 2), 1);
    advance_ms(d, 1002);
    assert_string_equal(state_of(d, 2), "down");
    d->nodes[2].frozen = false;
    advance_ms(d, 1200);
    expect(d, 2, "GET k");
    reply(d, 2, "v");
    ok(d, a, "v");
}

static void reply_before_the_question_closes(dialogue *d) {
    d->nodes[2].manual = true;
    start(d);
    int a = call(d, "SET k 1");
    expect(d, 2, "HELLO 3");
    reply_bytes(d, 2, "%0\r\n+OK\r\n", 9);
    is_open(d, a); /* it was not written when the connection broke, or at least not answered */
    d->nodes[2].manual = false;
    advance_ms(d, 400);
    for (int at = 1; at <= 3; at++) {
        if (hears(d, at)) {
            expect(d, at, "SET k 1");
            reply(d, at, "+OK");
        }
    }
    ok(d, a, "+OK");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DIALOGUE(hello_carries_password_and_name),
        DIALOGUE(password_alone_is_the_default_users),
        DIALOGUE(unknown_hello_falls_back_to_resp2),
        DIALOGUE(refused_protocol_falls_back_to_resp2),
        DIALOGUE(fallback_without_password_is_ready_at_once),
        DIALOGUE(resp2_can_be_asked_for),
        DIALOGUE(wrong_password_fails_at_once),
        DIALOGUE(wrong_password_in_resp2_fails_at_once),
        DIALOGUE(missing_password_fails_at_once),
        DIALOGUE(missing_password_of_an_old_server_fails_at_once),
        DIALOGUE(node_that_refuses_the_password_fails_its_commands_only),
        DIALOGUE(other_handshake_errors_are_tried_again),
        DIALOGUE(handshake_that_takes_too_long_is_given_up),
        DIALOGUE(reply_before_the_question_closes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
