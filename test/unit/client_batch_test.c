/* Batches of commands of all shapes: short and long, plain and not, before there is a connection
 * and after; and what is refused when it is added, or fails alone. */
#include "base/slice.h"
#include "unit/support/lab_peer.h"
#include "unit/support/unit.h"

#include <keyway/keyway.h>

#include <stdlib.h>

enum { LONG_BYTES = 70000, MANY = 20, BLOCKS = 700 };

static kw_lab *lab;
static kw_client *client;
static kw_batch *batch;

static int open_all(void **state) {
    kw_error err;
    (void)state;
    lab = lab_peer_start(NULL);
    return kw_open(kw_lab_url(lab), NULL, &client, &err) == KW_OK &&
                   kw_batch_new(client, &batch) == KW_OK
               ? 0
               : -1;
}

static int close_all(void **state) {
    (void)state;
    kw_batch_free(batch);
    kw_close(client);
    kw_lab_stop(lab);
    return 0;
}

static void add(const kw_slice *argv, size_t argc, const kw_call_options *options) {
    kw_error err;
    if (kw_batch_add(batch, argv, argc, options, &err) != KW_OK) {
        fail_msg("%s", err.message);
    }
}

static void run(void) {
    kw_error err;
    if (kw_batch_run(batch, &err) != KW_OK) {
        fail_msg("%s", err.message);
    }
}

static void expect_text(size_t index, const char *text) {
    assert_string_equal(kw_reply_string(kw_batch_reply(batch, index), NULL), text);
}

/* SET of a long value, MSET of many keys, a slot by option, a name that no table has. */
static void add_shapes(const char *value) {
    static const char *const words[] = {"MSET", "{m}1", "1",    "{m}2", "2",    "{m}3", "3",
                                        "{m}4", "4",    "{m}5", "5",    "{m}6", "6"};
    kw_slice many[COUNT_OF(words)];
    kw_call_options *options = NULL;
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        many[i] = slice_text(words[i]);
    }
    const kw_slice set[] = {SLICE_LITERAL("SET"), SLICE_LITERAL("{m}1"),
                            slice_of(value, LONG_BYTES)};
    const kw_slice get[] = {SLICE_LITERAL("get"), SLICE_LITERAL("{m}1")};
    const kw_slice none[] = {SLICE_LITERAL("NOSUCHCOMMAND"), SLICE_LITERAL("x")};
    assert_int_equal(kw_call_options_new(&options), KW_OK);
    kw_call_options_set_slot(options, kw_key_slot("{m}1", 4));
    add(many, COUNT_OF(words), NULL);
    add(get, COUNT_OF(get), NULL);
    add(set, COUNT_OF(set), NULL);
    add(get, COUNT_OF(get), options);
    add(none, COUNT_OF(none), NULL);
    kw_call_options_free(options); /* the batch has its own */
}

static void every_shape_of_command_is_run_in_its_order(void **state) {
    (void)state;
    char *value = malloc(LONG_BYTES);
    assert_non_null(value);
    memset(value, 'v', LONG_BYTES);
    for (int round = 0; round < 3; round++) { /* the first one waits for the map */
        add_shapes(value);
        run();
        assert_int_equal(kw_batch_count(batch), 5);
        expect_text(0, "OK");
        expect_text(1, "1");
        expect_text(2, "OK");
        size_t len = 0;
        assert_non_null(kw_reply_string(kw_batch_reply(batch, 3), &len));
        assert_int_equal(len, LONG_BYTES);
        assert_true(kw_reply_is_error(kw_batch_reply(batch, 4)));
        kw_batch_clear(batch);
    }
    free(value);
}

static void arguments_may_change_once_they_are_added(void **state) {
    (void)state;
    char key[] = "{k}00";
    for (int i = 0; i < MANY; i++) {
        key[3] = (char)('0' + i / 10);
        key[4] = (char)('0' + i % 10);
        const kw_slice set[] = {SLICE_LITERAL("SET"), slice_text(key), slice_text(key + 3)};
        const kw_slice get[] = {SLICE_LITERAL("GET"), slice_text(key)};
        add(set, 3, NULL);
        add(get, 2, NULL);
    }
    memset(key, 'x', sizeof key - 1);
    run();
    for (int i = 0; i < MANY; i++) {
        const char number[] = {(char)('0' + i / 10), (char)('0' + i % 10), '\0'};
        expect_text((size_t)i * 2 + 1, number);
    }
}

static void what_is_no_command_is_refused_when_it_is_added(void **state) {
    (void)state;
    kw_error err;
    const kw_slice nameless[] = {SLICE_LITERAL(""), SLICE_LITERAL("k")};
    assert_int_equal(kw_batch_add(batch, nameless, 0, NULL, &err), KW_ERR_INVALID);
    assert_int_equal(kw_batch_add(batch, nameless, 2, NULL, &err), KW_ERR_INVALID);
    assert_int_equal(kw_batch_add(batch, nameless, SIZE_MAX, NULL, NULL), KW_ERR_INVALID);
    const kw_slice huge[] = {SLICE_LITERAL("SET"), SLICE_LITERAL("k"), slice_of("", SIZE_MAX / 4)};
    assert_int_equal(kw_batch_add(batch, huge, 3, NULL, &err), KW_ERR_LIMIT);
    assert_int_equal(kw_batch_count(batch), 0);
}

static void command_that_fails_leaves_the_others_alone(void **state) {
    (void)state;
    kw_error err;
    const kw_error *why = NULL;
    const kw_slice set[] = {SLICE_LITERAL("SET"), SLICE_LITERAL("k"), SLICE_LITERAL("v")};
    const kw_slice crossed[] = {SLICE_LITERAL("MGET"), SLICE_LITERAL("a"), SLICE_LITERAL("b")};
    add(set, 3, NULL);
    add(crossed, 3, NULL);
    add(set, 2, NULL); /* the server's to refuse */
    add(set, 3, NULL);
    assert_int_equal(kw_batch_run(batch, &err), KW_ERR_CROSSSLOT);
    assert_int_equal(kw_batch_status(batch, 1, &why), KW_ERR_CROSSSLOT);
    assert_non_null(why);
    assert_true(kw_reply_is_error(kw_batch_reply(batch, 2)));
    expect_text(0, "OK");
    expect_text(3, "OK");
}

static void many_replies_cleared_are_used_again(void **state) {
    (void)state;
    const kw_slice set[] = {SLICE_LITERAL("SET"), SLICE_LITERAL("k"), SLICE_LITERAL("v")};
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < BLOCKS * (round + 1); i++) {
            add(set, 3, NULL);
        }
        run();
        expect_text((size_t)BLOCKS - 1, "OK");
        kw_batch_clear(batch);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_shape_of_command_is_run_in_its_order, open_all,
                                        close_all),
        cmocka_unit_test_setup_teardown(arguments_may_change_once_they_are_added, open_all,
                                        close_all),
        cmocka_unit_test_setup_teardown(what_is_no_command_is_refused_when_it_is_added, open_all,
                                        close_all),
        cmocka_unit_test_setup_teardown(command_that_fails_leaves_the_others_alone, open_all,
                                        close_all),
        cmocka_unit_test_setup_teardown(many_replies_cleared_are_used_again, open_all, close_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
