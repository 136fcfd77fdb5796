/* Large values: they are written from where the caller has them, so that the handle holds none of
 * their bytes; but a caller who leaves in the middle may use his memory for something else. */
#include "unit/support/lab_peer.h"
#include "unit/support/unit.h"

#include <keyway/keyway.h>

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
    VALUE_BYTES = 1024 * 1024,
    LONG_BYTES = 16 * 1024 * 1024, /* more than both ends' sockets take */
    TIMEOUT_MS = 100,
    TRIES = 50, /* until one is not so late that nothing of it was written */
    BESIDE_BYTES = 64 * 1024
};

static kw_lab *lab;
static kw_client *client;
static char *value;

/* ------------------------------------------------------------------- memory */

static _Atomic size_t live_bytes;
static _Atomic size_t peak_bytes;

static void count_bytes(size_t more, size_t less) {
    size_t now = atomic_fetch_add(&live_bytes, more - less) + more - less;
    if (now > atomic_load(&peak_bytes)) {
        atomic_store(&peak_bytes, now);
    }
}

static void *count_alloc(void *arg, size_t size) {
    (void)arg;
    void *ptr = malloc(size);
    count_bytes(ptr ? malloc_usable_size(ptr) : 0, 0);
    return ptr;
}

static void count_free(void *arg, void *ptr) {
    (void)arg;
    count_bytes(0, ptr ? malloc_usable_size(ptr) : 0);
    free(ptr);
}

static void *count_resize(void *arg, void *ptr, size_t size) {
    (void)arg;
    size_t before = ptr ? malloc_usable_size(ptr) : 0;
    void *moved = realloc(ptr, size);
    count_bytes(moved ? malloc_usable_size(moved) : 0, moved ? before : 0);
    return moved;
}

static int open_all(bool io_thread, bool tls) {
    kw_error err;
    kw_options *options = NULL;
    kw_lab_options *of_lab = lab_peer_options(3, 0);
    assert_int_equal(kw_lab_options_set_tls(of_lab, tls ? KW_LAB_TLS_ONLY : KW_LAB_TLS_OFF), KW_OK);
    lab = lab_peer_start(of_lab);
    assert_int_equal(kw_options_new(&options), KW_OK);
    kw_options_set_io_thread(options, io_thread);
    assert_int_equal(kw_options_set(options, "timeout_ms", "60000", NULL), KW_OK);
    assert_int_equal(kw_options_set(options, "tls_verify", tls ? "no" : "yes", NULL), KW_OK);
    assert_int_equal(kw_options_set_allocator(options, count_alloc, count_resize, count_free, NULL),
                     KW_OK);
    kw_status status = kw_open(kw_lab_url(lab), options, &client, &err);
    kw_options_free(options);
    value = malloc(LONG_BYTES);
    return status == KW_OK && value ? 0 : -1;
}

static int open_plain(void **state) {
    (void)state;
    return open_all(false, false);
}

static int open_threaded(void **state) {
    (void)state;
    return open_all(true, false);
}

static int open_tls(void **state) {
    (void)state;
    return open_all(false, true);
}

static int close_all(void **state) {
    (void)state;
    kw_close(client);
    kw_lab_stop(lab);
    free(value);
    assert_int_equal(atomic_load(&live_bytes), 0);
    return 0;
}

/* ----------------------------------------------------------------- commands */

static void pause_owner(bool paused) {
    int owner = kw_lab_owner(lab, kw_key_slot("k", 1));
    assert_int_equal(kw_lab_pause(lab, owner, paused), KW_OK);
}

static kw_call_options *brief(uint32_t timeout_ms) {
    kw_call_options *options = NULL;
    assert_int_equal(kw_call_options_new(&options), KW_OK);
    kw_call_options_set_timeout_ms(options, timeout_ms);
    return options;
}

static kw_status set(size_t len, uint32_t timeout_ms, kw_error *err) {
    const kw_slice argv[] = {{"SET", 3}, {"k", 1}, {value, len}};
    kw_reply *reply = NULL;
    kw_call_options *options = brief(timeout_ms);
    memset(value, 'v', len);
    kw_status status = kw_call_argv(client, argv, 3, options, &reply, err);
    kw_call_options_free(options);
    kw_reply_free(reply);
    return status;
}

static kw_status set_in_batch(size_t len, uint32_t timeout_ms, kw_error *err) {
    const kw_slice argv[] = {{"SET", 3}, {"k", 1}, {value, len}};
    kw_batch *batch = NULL;
    kw_call_options *options = timeout_ms > 0 ? brief(timeout_ms) : NULL;
    memset(value, 'v', len);
    assert_int_equal(kw_batch_new(client, &batch), KW_OK);
    assert_int_equal(kw_batch_add(batch, argv, 3, options, err), KW_OK);
    kw_status status = kw_batch_run(batch, err);
    kw_batch_free(batch);
    kw_call_options_free(options);
    return status;
}

/* The node has the value, whole. */
static void check_value(size_t len) {
    kw_reply *reply = NULL;
    kw_error err;
    if (kw_call(client, &reply, &err, "GET k") != KW_OK) {
        fail_msg("%s", err.message);
    }
    size_t got = 0;
    const char *bytes = kw_reply_string(reply, &got);
    assert_int_equal(got, len);
    assert_int_equal(strspn(bytes, "v"), len);
    kw_reply_free(reply);
}

/* -------------------------------------------------------------------- tests */

static void call_holds_none_of_a_large_value(void **state) {
    kw_error err;
    (void)state;
    assert_int_equal(set(1, 0, &err), KW_OK);
    for (int i = 0; i < 3; i++) {
        atomic_store(&peak_bytes, atomic_load(&live_bytes));
        size_t before = atomic_load(&live_bytes);
        assert_int_equal(set(VALUE_BYTES, 0, &err), KW_OK);
        assert_in_range(atomic_load(&peak_bytes) - before, 0, BESIDE_BYTES);
    }
    check_value(VALUE_BYTES);
}

static void large_value_of_a_format_arrives(void **state) {
    kw_error err;
    kw_reply *reply = NULL;
    (void)state;
    memset(value, 'v', VALUE_BYTES);
    assert_int_equal(
        kw_call(client, &reply, &err, "SET k %b EX %d", value, (size_t)VALUE_BYTES, 100), KW_OK);
    kw_reply_free(reply);
    check_value(VALUE_BYTES);
}

static void batch_sends_large_and_small_values(void **state) {
    kw_error err;
    kw_batch *batch = NULL;
    (void)state;
    memset(value, 'v', VALUE_BYTES);
    assert_int_equal(kw_batch_new(client, &batch), KW_OK);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(kw_batch_addf(batch, &err, "SET k %b", value, (size_t)VALUE_BYTES), KW_OK);
        assert_int_equal(kw_batch_addf(batch, &err, "STRLEN k"), KW_OK);
        assert_int_equal(kw_batch_addf(batch, &err, "SET k small"), KW_OK);
    }
    assert_int_equal(kw_batch_run(batch, &err), KW_OK);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(kw_reply_integer(kw_batch_reply(batch, 3 * i + 1)), VALUE_BYTES);
    }
    kw_batch_free(batch);
}

typedef kw_status set_fn(size_t len, uint32_t timeout_ms, kw_error *err);

/* The rest of it follows all the same: the caller's memory is not what it is read from. */
static void leave_in_the_middle(set_fn *how) {
    kw_error err;
    assert_int_equal(set(1, 0, &err), KW_OK);
    pause_owner(true);
    err.outcome = KW_NOT_SENT;
    for (int i = 0; i < TRIES && err.outcome == KW_NOT_SENT; i++) {
        assert_int_equal(how(LONG_BYTES, TIMEOUT_MS, &err), KW_ERR_TIMEOUT);
    }
    assert_int_equal(err.outcome, KW_MAYBE_EXECUTED);
    memset(value, '!', LONG_BYTES);
    pause_owner(false);
    check_value(LONG_BYTES);
}

static void call_that_ends_half_written_leaves_its_rest(void **state) {
    (void)state;
    leave_in_the_middle(set);
}

static void batch_that_ends_half_written_leaves_its_rest(void **state) {
    (void)state;
    leave_in_the_middle(set_in_batch);
}

#define EACH_WAY(test)                                                                             \
    cmocka_unit_test_setup_teardown(test, open_plain, close_all),                                  \
        {#test "/io_thread", test, open_threaded, close_all, NULL}, {                              \
#test "/tls", test, open_tls, close_all, NULL                                              \
    }

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH_WAY(call_holds_none_of_a_large_value),
        EACH_WAY(large_value_of_a_format_arrives),
        EACH_WAY(batch_sends_large_and_small_values),
        EACH_WAY(call_that_ends_half_written_leaves_its_rest),
        EACH_WAY(batch_that_ends_half_written_leaves_its_rest),
    };
    return cmocka_run_group_tests_name("client_lend", tests, NULL, NULL);
}
