#include "node/node_tracking.h"

#include "base/buffer.h"
#include "unit/support/torture.h"
#include "unit/support/unit.h"

typedef struct table {
    tracking tracking;
    buffer told;
    tracking_way way;
} table;

/* Notes "id:key,key " or "id:all ". */
static void note(void *arg, tracker *to, const kw_slice *keys, size_t count) {
    buffer *told = &((table *)arg)->told;
    assert_true(buffer_printf(told, "%llu:%s", (unsigned long long)to->id, count ? "" : "all"));
    for (size_t i = 0; i < count; i++) {
        assert_true(buffer_printf(told, "%s%.*s", i ? "," : "", (int)keys[i].len, keys[i].data));
    }
    assert_true(buffer_append_text(told, " "));
}

static void start(table *t, const mem *m) {
    tracking_init(&t->tracking, m, 1);
    buffer_init(&t->told, &mem_default, 0);
    t->way = (tracking_way){note, t};
}

static void stop(table *t) {
    LIST_FOR_EACH(at, after, &t->tracking.trackers) {
        tracker_free(&t->tracking, LIST_ENTRY(at, tracker, in_tracking));
    }
    tracking_done(&t->tracking);
    buffer_done(&t->told);
}

static tracker *enable(table *t, uint64_t id, unsigned flags) {
    tracker *r = tracker_new(&t->tracking, id, NULL);
    assert_non_null(r);
    assert_true(tracking_enable(&t->tracking, r, flags, 0, NULL, 0));
    return r;
}

static void reads(table *t, tracker *r, const char *key) {
    tracking_remember(&t->tracking, r, slice_text(key), &t->way);
}

static void changes(table *t, uint64_t changer, const char *key) {
    tracking_invalidate(&t->tracking, slice_text(key), changer, &t->way);
}

#define expect_told(t, text)                                                                       \
    do {                                                                                           \
        assert_slice_is(buffer_slice(&(t)->told), text);                                           \
        buffer_clear(&(t)->told, SIZE_MAX);                                                        \
    } while (0)

static void a_change_is_told_once_to_those_who_read_the_key(void **state) {
    (void)state;
    table t;
    start(&t, &mem_default);
    tracker *a = enable(&t, 3, 0);
    tracker *b = enable(&t, 4, 0);
    reads(&t, a, "x");
    reads(&t, b, "x");
    reads(&t, a, "x");
    changes(&t, 9, "x");
    expect_told(&t, "3:x 4:x ");
    changes(&t, 9, "x");
    changes(&t, 9, "y");
    expect_told(&t, "");
    stop(&t);
}

static void what_was_read_before_is_told_after_off_and_on(void **state) {
    (void)state;
    table t;
    start(&t, &mem_default);
    tracker *a = enable(&t, 3, 0);
    reads(&t, a, "x");
    reads(&t, a, "y");
    tracking_disable(&t.tracking, a);
    changes(&t, 9, "x");
    expect_told(&t, "");
    assert_true(tracking_enable(&t.tracking, a, 0, 0, NULL, 0));
    changes(&t, 9, "y");
    expect_told(&t, "3:y ");
    stop(&t);
}

static void optin_and_optout_ask_for_caching(void **state) {
    (void)state;
    static const struct {
        unsigned flags;
        bool remembered;
    } rows[] = {
        {TRACKING_OPTIN, false},
        {TRACKING_OPTIN | TRACKING_CACHING, true},
        {TRACKING_OPTOUT, true},
        {TRACKING_OPTOUT | TRACKING_CACHING, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        table t;
        start(&t, &mem_default);
        tracker *a = enable(&t, 3, rows[i].flags);
        reads(&t, a, "x");
        changes(&t, 9, "x");
        expect_told(&t, rows[i].remembered ? "3:x " : "");
        stop(&t);
    }
}

static void own_changes_wait_for_the_commands_end(void **state) {
    (void)state;
    table t;
    start(&t, &mem_default);
    tracker *a = enable(&t, 3, 0);
    tracker *quiet = enable(&t, 4, TRACKING_NOLOOP);
    reads(&t, a, "x");
    tracking_begin(&t.tracking, a);
    changes(&t, 3, "x");
    tracking_invalidate_all(&t.tracking, &t.way);
    expect_told(&t, "4:all ");
    tracking_end(&t.tracking, &t.way);
    expect_told(&t, "3:x 3:all ");

    reads(&t, quiet, "x");
    tracking_begin(&t.tracking, quiet);
    changes(&t, 4, "x");
    tracking_end(&t.tracking, &t.way);
    expect_told(&t, "");
    stop(&t);
}

static void prefixes_are_told_at_the_turns_end_sorted_and_once(void **state) {
    (void)state;
    const kw_slice two[] = {SLICE_LITERAL("u:"), SLICE_LITERAL("g")};
    table t;
    start(&t, &mem_default);
    tracker *a = tracker_new(&t.tracking, 3, NULL);
    tracker *quiet = tracker_new(&t.tracking, 4, NULL);
    assert_true(tracking_enable(&t.tracking, a, TRACKING_BCAST, 0, two, 2));
    assert_true(tracking_enable(&t.tracking, quiet, TRACKING_BCAST | TRACKING_NOLOOP, 0, two, 2));
    (void)enable(&t, 5, TRACKING_BCAST);
    changes(&t, 4, "u:2");
    changes(&t, 9, "u:1");
    changes(&t, 9, "u:2");
    changes(&t, 4, "g");
    changes(&t, 9, "u");
    expect_told(&t, "");
    tracking_flush(&t.tracking, &t.way);
    expect_told(&t, "5:g,u,u:1,u:2 3:g 3:u:1,u:2 4:u:1,u:2 ");
    tracking_flush(&t.tracking, &t.way);
    expect_told(&t, "");
    stop(&t);
}

static void prefixes_of_one_session_must_not_overlap(void **state) {
    (void)state;
    const kw_slice prefixes[] = {SLICE_LITERAL("b"), SLICE_LITERAL("a"), SLICE_LITERAL("ab")};
    kw_slice x;
    kw_slice y;
    bool own;
    table t;
    start(&t, &mem_default);
    tracker *a = tracker_new(&t.tracking, 3, NULL);
    assert_false(tracking_collides(NULL, prefixes, 2, &x, &y, &own));
    assert_true(tracking_collides(NULL, prefixes, 3, &x, &y, &own));
    assert_slice_is(x, "a");
    assert_slice_is(y, "ab");
    assert_false(own);
    assert_true(tracking_enable(&t.tracking, a, TRACKING_BCAST, 0, prefixes, 1));
    assert_true(tracking_collides(a, prefixes, 1, &x, &y, &own));
    assert_true(own);
    stop(&t);
}

static void the_oldest_keys_are_given_up_and_told(void **state) {
    (void)state;
    table t;
    start(&t, &mem_default);
    t.tracking.keys_max = 2;
    tracker *a = enable(&t, 3, 0);
    reads(&t, a, "x");
    reads(&t, a, "y");
    reads(&t, a, "z");
    tracking_limit(&t.tracking, &t.way);
    expect_told(&t, "3:x ");
    assert_int_equal(relation_topic_count(&t.tracking.keys), 2);
    stop(&t);
}

static void too_many_changes_of_a_prefix_mean_all_keys(void **state) {
    (void)state;
    table t;
    start(&t, &mem_default);
    (void)enable(&t, 3, TRACKING_BCAST);
    for (int i = 0; i <= TRACKING_PENDING_MAX; i++) {
        changes(&t, 9, "same");
    }
    tracking_flush(&t.tracking, &t.way);
    expect_told(&t, "3:all ");
    changes(&t, 9, "same");
    tracking_flush(&t.tracking, &t.way);
    expect_told(&t, "3:same ");
    stop(&t);
}

/* Whatever allocation fails: nobody keeps a key that changed without being told. */
static void change_a_key(torture *t) {
    failing_mem memory;
    table told;
    failing_mem_init(&memory);
    start(&told, &memory.mem);
    tracker *a = enable(&told, 3, 0);
    tracker *all = enable(&told, 4, TRACKING_BCAST);
    torture_arm(t, &memory);
    tracking_begin(&told.tracking, a);
    reads(&told, a, "x");
    changes(&told, 3, "x");
    tracking_end(&told.tracking, &told.way);
    tracking_flush(&told.tracking, &told.way);
    torture_disarm(t, &memory);
    kw_slice text = buffer_slice(&told.told);
    assert_true(memmem(text.data, text.len, "3:x ", 4) || memmem(text.data, text.len, "3:all ", 6));
    assert_true(memmem(text.data, text.len, "4:x ", 4) || memmem(text.data, text.len, "4:all ", 6));
    assert_true(tracker_has(all, TRACKING_BCAST));
    stop(&told);
    assert_int_equal(memory.live_count, 0);
}

static void failing_memory_never_hides_a_change(void **state) {
    (void)state;
    torture_run("change_a_key", change_a_key, NULL, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_is_told_once_to_those_who_read_the_key),
        cmocka_unit_test(what_was_read_before_is_told_after_off_and_on),
        cmocka_unit_test(optin_and_optout_ask_for_caching),
        cmocka_unit_test(own_changes_wait_for_the_commands_end),
        cmocka_unit_test(prefixes_are_told_at_the_turns_end_sorted_and_once),
        cmocka_unit_test(prefixes_of_one_session_must_not_overlap),
        cmocka_unit_test(the_oldest_keys_are_given_up_and_told),
        cmocka_unit_test(too_many_changes_of_a_prefix_mean_all_keys),
        cmocka_unit_test(failing_memory_never_hides_a_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
