#include "core/link.h"

#include "unit/support/failing_mem.h"
#include "unit/support/unit.h"

static failing_mem memory;
static link l;
static request requests[4];
static chunk *home;
static char *bytes; /* home's */

#define HOME_BYTES 64

static int setup(void **state) {
    (void)state;
    failing_mem_init(&memory);
    link_init(&l, &memory.mem, 7, 100000);
    memset(requests, 0, sizeof requests);
    home = mem_calloc(&mem_default, 1, sizeof *home + HOME_BYTES);
    assert_non_null(home);
    bytes = home->data;
    for (size_t i = 0; i < HOME_BYTES; i++) {
        bytes[i] = (char)('a' + i % 26);
    }
    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        list_init(&requests[i].node);
        requests[i].at.chunk = home;
        requests[i].offset = (uint32_t)i * 10;
        requests[i].len = 10;
    }
    return 0;
}

static int teardown(void **state) {
    (void)state;
    while (link_pop(&l)) {
    }
    link_done(&l);
    mem_free(&mem_default, home);
    assert_int_equal(memory.live_count, 0);
    return 0;
}

static void push(size_t count) {
    for (size_t i = 0; i < count; i++) {
        link_push(&l, &requests[i]);
    }
}

static void neighbours_are_one_piece_of_output(void **state) {
    (void)state;
    kw_slice slices[4];
    requests[2].offset = 40; /* not next to the second */
    push(3);
    assert_true(link_has_output(&l));
    assert_int_equal(link_output(&l, slices, 4), 2);
    assert_ptr_equal(slices[0].data, bytes);
    assert_int_equal(slices[0].len, 20);
    assert_ptr_equal(slices[1].data, bytes + 40);
    assert_int_equal(slices[1].len, 10);
    assert_int_equal(link_output(&l, slices, 1), 1);
    assert_int_equal(slices[0].len, 20);
    assert_int_equal(l.count, 3);
    assert_int_equal(l.bytes, 30);
}

static void partly_written_output_goes_on_where_it_stopped(void **state) {
    (void)state;
    kw_slice slices[4];
    push(3);
    link_written(&l, 13);
    assert_true(requests[0].on_wire && requests[0].was_sent);
    assert_true(requests[1].on_wire && requests[1].was_sent);
    assert_false(requests[2].on_wire);
    assert_int_equal(link_output(&l, slices, 4), 1);
    assert_ptr_equal(slices[0].data, bytes + 13);
    assert_int_equal(slices[0].len, 17);
    link_written(&l, 7);
    assert_false(requests[2].on_wire); /* not a byte of it */
    link_written(&l, 10);
    assert_false(link_has_output(&l));
    assert_int_equal(link_output(&l, slices, 4), 0);
}

static void pushed_after_all_was_written_is_next(void **state) {
    (void)state;
    kw_slice slices[4];
    push(1);
    link_written(&l, 10);
    link_push(&l, &requests[1]);
    assert_int_equal(link_output(&l, slices, 4), 1);
    assert_ptr_equal(slices[0].data, bytes + 10);
}

static void unwritten_request_can_be_withdrawn(void **state) {
    (void)state;
    kw_slice slices[4];
    push(3);
    link_written(&l, 10);
    link_withdraw(&l, &requests[1]);
    assert_int_equal(requests[1].place, PLACE_NOWHERE);
    assert_int_equal(link_output(&l, slices, 4), 1);
    assert_ptr_equal(slices[0].data, bytes + 20);
    link_withdraw(&l, &requests[2]);
    assert_false(link_has_output(&l));
    assert_int_equal(l.count, 1);
}

static void pop_gives_the_oldest_written_or_not(void **state) {
    (void)state;
    kw_slice slices[4];
    push(2);
    link_written(&l, 4);
    assert_ptr_equal(link_pop(&l), &requests[0]); /* in the middle of its output */
    assert_int_equal(link_output(&l, slices, 4), 1);
    assert_ptr_equal(slices[0].data, bytes + 10);
    assert_ptr_equal(link_pop(&l), &requests[1]);
    assert_null(link_pop(&l));
    assert_int_equal(l.count, 0);
    assert_int_equal(l.bytes, 0);
}

static size_t joined(const kw_slice *slices, size_t count, char *dst) {
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        assert_true(slices[i].len > 0);
        memcpy(dst + len, slices[i].data, slices[i].len);
        len += slices[i].len;
    }
    return len;
}

/* The second of three: four bytes, what is lent, and six more. */
static void lend(chunk *its_own, char text[48]) {
    static const char lent[] = "LENT";
    memset(its_own, 0, sizeof *its_own);
    its_own->lent = slice_of(lent, 4);
    its_own->lent_at = 7;
    its_own->used = 13;
    memcpy(its_own->data, "xyzheadbehind", 13);
    requests[1].at.chunk = its_own;
    requests[1].offset = 3;
    requests[1].len = 14;
    snprintf(text, 48, "%.10sheadLENTbehind%.10s", bytes, bytes + 20);
}

static void lent_bytes_go_out_between_those_around_them(void **state) {
    (void)state;
    char text[48];
    char out[48];
    kw_slice slices[8];
    chunk *its_own = mem_alloc(&mem_default, sizeof *its_own + 16);
    lend(its_own, text);
    push(3);
    for (size_t written = 0; written < 34; written++) {
        for (size_t max = 1; max <= COUNT_OF(slices); max++) {
            size_t count = link_output(&l, slices, max);
            assert_in_range(count, 1, max < 5 ? max : 5);
            size_t len = joined(slices, count, out);
            assert_memory_equal(out, text + written, len);
            assert_true(len == 34 - written || count == max);
        }
        link_written(&l, 1);
    }
    assert_false(link_has_output(&l));
    mem_free(&mem_default, its_own);
}

static void long_lent_command_begins_with_a_write_of_its_own(void **state) {
    (void)state;
    static char value[300 * 1024];
    char text[48];
    kw_slice slices[8];
    chunk *its_own = mem_alloc(&mem_default, sizeof *its_own + 16);
    lend(its_own, text);
    its_own->lent = slice_of(value, sizeof value);
    requests[1].len = 10 + sizeof value;
    push(3);
    assert_int_equal(link_output(&l, slices, 8), 3);
    assert_int_equal(slices[0].len + slices[1].len + slices[2].len, 10 + 16384);
    link_written(&l, 10 + 16000);
    assert_int_equal(link_output(&l, slices, 8), 1);
    assert_ptr_equal(slices[0].data, value + 16000 - 4);
    assert_int_equal(slices[0].len, 384);
    link_written(&l, 384);
    assert_int_equal(link_output(&l, slices, 8), 3); /* all that is left */
    assert_int_equal(slices[0].len, sizeof value - 16384 + 4);
    assert_int_equal(slices[1].len, 6);
    assert_int_equal(slices[2].len, 10);
    mem_free(&mem_default, its_own);
}

static void receive(const char *text, size_t len) {
    size_t room = 0;
    char *at = link_input(&l, &room);
    assert_non_null(at);
    assert_true(room >= len);
    memcpy(at, text, len);
    link_received(&l, len);
}

static void frames_are_cut_whatever_the_pieces(void **state) {
    (void)state;
    static const char text[] = "+OK\r\n$5\r\nhello\r\n*2\r\n:1\r\n:2\r\n";
    static const size_t lens[] = {5, 11, 12};
    for (size_t piece = 1; piece < sizeof text; piece++) {
        link_frame frame;
        size_t found = 0;
        for (size_t at = 0; at < sizeof text - 1; at += piece) {
            size_t left = sizeof text - 1 - at;
            receive(text + at, left < piece ? left : piece);
            while (link_next_frame(&l, &frame) == RESP_DONE) {
                assert_int_equal(frame.len, lens[found]);
                found++;
                link_consume(&l, &frame);
            }
        }
        assert_int_equal(found, 3);
    }
}

static void broken_bytes_are_told(void **state) {
    (void)state;
    link_frame frame;
    receive("HTTP\r\n", 6);
    assert_int_equal(link_next_frame(&l, &frame), RESP_BROKEN);
    assert_non_null(l.scanner.error);
    assert_false(l.scanner.over_limit);
}

static void value_over_the_limit_is_told_before_it_comes(void **state) {
    (void)state;
    link_frame frame;
    receive("$100000\r\n", 9);
    assert_int_equal(link_next_frame(&l, &frame), RESP_BROKEN);
    assert_true(l.scanner.over_limit);
}

static void reset_forgets_what_was_received(void **state) {
    (void)state;
    link_frame frame;
    receive("$5\r\nhel", 7);
    assert_int_equal(link_next_frame(&l, &frame), RESP_MORE);
    link_reset(&l);
    receive("+OK\r\n", 5);
    assert_int_equal(link_next_frame(&l, &frame), RESP_DONE);
    assert_int_equal(frame.len, 5);
    link_consume(&l, &frame);
}

static void large_input_is_given_back(void **state) {
    (void)state;
    link_frame frame;
    receive("$90000\r\n", 8);
    for (int i = 0; i < 90; i++) {
        static char kilo[1000];
        assert_int_equal(link_next_frame(&l, &frame), RESP_MORE);
        receive(kilo, sizeof kilo);
    }
    receive("\r\n", 2);
    assert_int_equal(link_next_frame(&l, &frame), RESP_DONE);
    link_consume(&l, &frame);
    assert_true(memory.live_bytes <= 4 * LINK_INPUT_BYTES);
}

/* Not a doubled buffer because the rest is less than what is usually offered. */
static void rest_of_a_long_string_goes_into_the_room_made_for_it(void **state) {
    (void)state;
    static const char head[] = "$90000\r\n";
    const size_t total = sizeof head - 1 + 90000 + 2;
    link_frame frame;
    receive(head, sizeof head - 1);
    size_t got = sizeof head - 1;
    while (got < total) {
        size_t room = 0;
        assert_int_equal(link_next_frame(&l, &frame), RESP_MORE);
        char *at = link_input(&l, &room);
        assert_non_null(at);
        size_t len = room < total - got ? room : total - got;
        len = len > 5000 ? 5000 : len; /* so that a short rest is left */
        memset(at, 'v', len);
        got += len;
        if (got == total) {
            memcpy(at + len - 2, "\r\n", 2);
        }
        link_received(&l, len);
    }
    assert_int_equal(link_next_frame(&l, &frame), RESP_DONE);
    assert_true(l.input.capacity <= total + LINK_INPUT_BYTES);
    link_consume(&l, &frame);
}

static void no_memory_for_input_is_told(void **state) {
    (void)state;
    size_t room = 1;
    failing_mem_fail_at(&memory, 1);
    assert_null(link_input(&l, &room));
    assert_int_equal(room, 0);
}

#define WITH_LINK(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_LINK(neighbours_are_one_piece_of_output),
        WITH_LINK(partly_written_output_goes_on_where_it_stopped),
        WITH_LINK(pushed_after_all_was_written_is_next),
        WITH_LINK(unwritten_request_can_be_withdrawn),
        WITH_LINK(pop_gives_the_oldest_written_or_not),
        WITH_LINK(lent_bytes_go_out_between_those_around_them),
        WITH_LINK(long_lent_command_begins_with_a_write_of_its_own),
        WITH_LINK(frames_are_cut_whatever_the_pieces),
        WITH_LINK(broken_bytes_are_told),
        WITH_LINK(value_over_the_limit_is_told_before_it_comes),
        WITH_LINK(reset_forgets_what_was_received),
        WITH_LINK(large_input_is_given_back),
        WITH_LINK(rest_of_a_long_string_goes_into_the_room_made_for_it),
        WITH_LINK(no_memory_for_input_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
