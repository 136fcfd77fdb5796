/* A node answers as the redis-server did whose replies are in test/unit/recorded, and whatever
 * memory is refused to it, it says so, and leaks nothing. */
#include "unit/support/failing_mem.h"
#include "unit/support/recorded.h"
#include "unit/support/unit.h"

enum { SHOWN_MAX = 20 };

static recorded_file *files;
static size_t file_count;

typedef struct comparison {
    const recorded_file *file;
    size_t different;
    /* While memory is failing: */
    failing_mem memory;
    size_t fail_at;
    bool for_good;
} comparison;

static void print_bytes(const char *title, kw_slice bytes) {
    printf("  %s: ", title);
    for (size_t i = 0; i < bytes.len; i++) {
        char byte = bytes.data[i];
        printf(byte == '\r' ? "\\r" : byte == '\n' ? "\\n" : "%c", byte);
    }
    printf("\n");
}

static void compare(void *arg, const recorded_row *row, kw_slice reply, bool lost) {
    comparison *c = arg;
    if (!lost && slice_equal(reply, row->reply)) {
        return;
    }
    if (c->different++ >= SHOWN_MAX) {
        return;
    }
    printf("%s:%u: another reply%s\n", c->file->name, row->number,
           lost ? " (connection lost)" : "");
    print_bytes("recorded", row->reply);
    print_bytes("answered", reply);
}

static void each_reply_is_as_recorded(void **state) {
    (void)state;
    size_t different = 0;
    for (size_t i = 0; i < file_count; i++) {
        comparison c = {.file = &files[i]};
        recorded_run(&files[i], &mem_default, NULL, compare, &c);
        different += c.different;
    }
    assert_int_equal(different, 0);
}

static void begin_to_fail(void *arg) {
    comparison *c = arg;
    if (c->for_good) {
        failing_mem_fail_after(&c->memory, c->fail_at);
    } else {
        failing_mem_fail_at(&c->memory, c->fail_at);
    }
}

static bool says_why(kw_slice reply) {
    static const char why[] = "out of memory\r\n"; /* of one setting */
    size_t len = sizeof why - 1;
    return slice_starts_with(reply, "-OOM ") ||
           slice_starts_with(reply, "-ERR Insufficient memory") ||
           (reply.len > len && memcmp(reply.data + reply.len - len, why, len) == 0);
}

/* The first reply that is not the recorded one is an error that says why, or the connection's end;
 * after it, the node need not hold what the recording's did. */
static void survive(void *arg, const recorded_row *row, kw_slice reply, bool lost) {
    comparison *c = arg;
    if (c->different > 0 || slice_equal(reply, row->reply)) {
        return;
    }
    c->different++;
    if (!lost && !says_why(reply)) {
        print_bytes("recorded", row->reply);
        print_bytes("answered", reply);
        fail_msg("%s:%u: allocation %zu fails in silence", c->file->name, row->number, c->fail_at);
    }
}

/* Returns whether it came to the failure. */
static bool run_with_failure(const recorded_file *file, size_t fail_at, bool for_good) {
    comparison c = {.file = file, .fail_at = fail_at, .for_good = for_good};
    failing_mem_init(&c.memory);
    recorded_run(file, &c.memory.mem, begin_to_fail, survive, &c);
    assert_int_equal(c.memory.live_count, 0);
    return c.memory.call_count >= fail_at;
}

static void each_failed_allocation_is_told(void **state) {
    (void)state;
    size_t failures = 0;
    for (size_t i = 0; i < file_count; i++) {
        for (size_t fail_at = 1; run_with_failure(&files[i], fail_at, false); fail_at++) {
            failures++;
        }
    }
    assert_true(failures > 100);
}

static void memory_that_is_gone_for_good_is_told(void **state) {
    (void)state;
    for (size_t i = 0; i < file_count; i++) {
        for (size_t count = 1; run_with_failure(&files[i], count, true); count += 7) {
        }
    }
}

static int read_files(void **state) {
    (void)state;
    file_count = recorded_read(&files);
    return 0;
}

static int free_files(void **state) {
    (void)state;
    recorded_free(files, file_count);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_reply_is_as_recorded),
        cmocka_unit_test(each_failed_allocation_is_told),
        cmocka_unit_test(memory_that_is_gone_for_good_is_told),
    };
    return cmocka_run_group_tests_name("node_recorded", tests, read_files, free_files);
}
