#include "node/node_channels.h"

#include "base/buffer.h"
#include "core/slot.h"
#include "unit/support/unit.h"

/* Notes "owner" or "owner(pattern)" for each delivery. */
static void note(void *arg, void *owner, kw_slice pattern) {
    buffer *seen = arg;
    if (pattern.data) {
        assert_true(
            buffer_printf(seen, "%s(%.*s) ", (const char *)owner, (int)pattern.len, pattern.data));
    } else {
        assert_true(buffer_printf(seen, "%s ", (const char *)owner));
    }
}

static void subscribe(channels *c, subscriber *s, channel_kind kind, const char *name) {
    assert_int_equal(channels_subscribe(c, s, kind, slice_text(name), 0), RELATION_ADDED);
}

static void a_message_reaches_channel_then_patterns(void **state) {
    (void)state;
    channels c;
    buffer seen;
    buffer_init(&seen, &mem_default, 0);
    channels_init(&c, &mem_default, 1);
    subscriber *a = subscriber_new(&c, "a");
    subscriber *b = subscriber_new(&c, "b");
    subscribe(&c, b, CHANNEL_PATTERN, "n?ws");
    subscribe(&c, a, CHANNEL_PATTERN, "n*");
    subscribe(&c, a, CHANNEL_PLAIN, "news");
    subscribe(&c, b, CHANNEL_PLAIN, "news");
    subscribe(&c, b, CHANNEL_SHARD, "news");
    assert_int_equal(channels_publish(&c, CHANNEL_PLAIN, SLICE_LITERAL("news"), note, &seen), 4);
    assert_slice_is(buffer_slice(&seen), "a b b(n?ws) a(n*) ");
    buffer_clear(&seen, 0);
    assert_int_equal(channels_publish(&c, CHANNEL_SHARD, SLICE_LITERAL("news"), note, &seen), 1);
    assert_slice_is(buffer_slice(&seen), "b ");
    buffer_clear(&seen, 0);
    assert_int_equal(channels_publish(&c, CHANNEL_PLAIN, SLICE_LITERAL("olds"), note, &seen), 0);

    assert_true(channels_unsubscribe(&c, a, CHANNEL_PATTERN, SLICE_LITERAL("n*")));
    assert_false(channels_unsubscribe(&c, a, CHANNEL_PATTERN, SLICE_LITERAL("n*")));
    assert_false(channels_unsubscribe(&c, NULL, CHANNEL_PLAIN, SLICE_LITERAL("news")));
    assert_int_equal(channels_publish(&c, CHANNEL_PLAIN, SLICE_LITERAL("nx"), note, &seen), 0);
    assert_int_equal(subscriber_count(a, CHANNEL_PLAIN), 1);
    assert_int_equal(subscriber_count(NULL, CHANNEL_PLAIN), 0);
    subscriber_free(&c, a);
    subscriber_free(&c, b);
    buffer_done(&seen);
    channels_done(&c);
}

typedef struct ended {
    buffer text;
} ended;

static void note_end(void *arg, void *owner, kw_slice channel) {
    ended *e = arg;
    assert_true(
        buffer_printf(&e->text, "%s:%.*s ", (const char *)owner, (int)channel.len, channel.data));
}

static void shard_channels_end_when_their_slot_goes_to_another(void **state) {
    (void)state;
    enum { ME = 3, OTHER = 5 };
    static uint16_t owner[SLOT_COUNT];
    ended e;
    channels c;
    buffer_init(&e.text, &mem_default, 0);
    channels_init(&c, &mem_default, 1);
    subscriber *a = subscriber_new(&c, "a");
    subscriber *b = subscriber_new(&c, "b");
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        owner[slot] = ME;
    }
    static const char *const names[] = {"x", "y", "{y}2", "z"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        kw_slice name = slice_text(names[i]);
        assert_int_equal(channels_subscribe(&c, a, CHANNEL_SHARD, name, ME), RELATION_ADDED);
        assert_int_equal(channels_subscribe(&c, b, CHANNEL_SHARD, name, ME), RELATION_ADDED);
    }
    channels_follow(&c, owner, ME, note_end, &e);
    assert_int_equal(buffer_len(&e.text), 0);
    owner[slot_of_key(SLICE_LITERAL("y"))] = OTHER;
    channels_follow(&c, owner, ME, note_end, &e);
    assert_slice_is(buffer_slice(&e.text), "a:y b:y a:{y}2 b:{y}2 ");
    assert_int_equal(subscriber_count(a, CHANNEL_SHARD), 2);
    subscriber_free(&c, a);
    subscriber_free(&c, b);
    buffer_done(&e.text);
    channels_done(&c);
}

static void shard_channels_survive_that_their_replica_is_promoted(void **state) {
    (void)state;
    enum { PRIMARY = 0, ME = 3 };
    static uint16_t owner[SLOT_COUNT];
    ended e;
    channels c;
    buffer_init(&e.text, &mem_default, 0);
    channels_init(&c, &mem_default, 1);
    subscriber *a = subscriber_new(&c, "a");
    assert_int_equal(channels_subscribe(&c, a, CHANNEL_SHARD, SLICE_LITERAL("x"), PRIMARY),
                     RELATION_ADDED);
    owner[slot_of_key(SLICE_LITERAL("x"))] = ME;
    channels_follow(&c, owner, ME, note_end, &e);
    assert_int_equal(subscriber_count(a, CHANNEL_SHARD), 1);
    owner[slot_of_key(SLICE_LITERAL("x"))] = PRIMARY;
    channels_follow(&c, owner, ME, note_end, &e);
    assert_int_equal(subscriber_count(a, CHANNEL_SHARD), 0);
    subscriber_free(&c, a);
    buffer_done(&e.text);
    channels_done(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_reaches_channel_then_patterns),
        cmocka_unit_test(shard_channels_end_when_their_slot_goes_to_another),
        cmocka_unit_test(shard_channels_survive_that_their_replica_is_promoted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
