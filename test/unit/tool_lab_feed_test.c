#include "tool/lab_feed.h"

#include "unit/support/unit.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { TEXT_SIZE = 8 * 1024 * 1024 };

typedef struct fixture {
    lab_feed feed;
    int reader;
    char *text; /* all that was read */
    size_t len;
} fixture;

static void open_feed(fixture *f, feed_mode mode) {
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    *f = (fixture){.reader = ends[0], .text = malloc(TEXT_SIZE)};
    assert_non_null(f->text);
    feed_init(&f->feed, ends[1], mode, 1000000);
}

static void close_feed(fixture *f) {
    close(f->feed.fd);
    if (f->reader >= 0) {
        close(f->reader);
    }
    feed_done(&f->feed);
    free(f->text);
}

/* Writes and reads until nothing is left. */
static const char *drain(fixture *f) {
    for (;;) {
        bool more = feed_has_output(&f->feed);
        feed_write(&f->feed);
        ssize_t got = read(f->reader, f->text + f->len, TEXT_SIZE - 1 - f->len);
        f->len += got > 0 ? (size_t)got : 0;
        if (!more && got <= 0) {
            break;
        }
    }
    f->text[f->len] = '\0';
    return f->text;
}

static void lines_have_time_place_and_text(void **state) {
    (void)state;
    fixture f;
    open_feed(&f, FEED_TEXT);
    feed_ready(&f.feed, "redis://h:1", "rediss://h:2");
    feed_event(&f.feed, 1000000, 3, "node-here", "is a primary");
    feed_event(&f.feed, 2234567, 3, "node-killed", "node 3 (h:1) is dead");
    feed_event(&f.feed, 2234567, 3, "node-killed", "node 31 is dead");
    feed_event(&f.feed, 61000000, FEED_LAB, "time", "time stands still");
    feed_event(&f.feed, 61000000, FEED_SCRIPT, "script-step", "LAB KILL 1");
    feed_event(&f.feed, 500000, 0, "early", "before the start");
    assert_string_equal(drain(&f), "redis://h:1\n"
                                   "   0.000 s  lab      rediss://h:2\n"
                                   "   0.000 s  node 3   is a primary\n"
                                   "   1.235 s  node 3   (h:1) is dead\n"
                                   "   1.235 s  node 3   node 31 is dead\n"
                                   "  60.000 s  lab      time stands still\n"
                                   "  60.000 s  script   LAB KILL 1\n"
                                   "   0.000 s  node 0   before the start\n");
    close_feed(&f);
}

static void json_has_an_object_a_line(void **state) {
    (void)state;
    fixture f;
    open_feed(&f, FEED_JSON);
    feed_ready(&f.feed, "redis://h:1", NULL);
    feed_event(&f.feed, 1000007, 3, "node-killed", "node 3 is \"dead\"");
    feed_event(&f.feed, 1000007, FEED_LAB, "time", "goes on");
    assert_string_equal(drain(&f),
                        "{\"time_us\":0,\"event\":\"ready\",\"url\":\"redis://h:1\"}\n"
                        "{\"time_us\":7,\"event\":\"node-killed\",\"node\":3,\"text\":\"node 3 is "
                        "\\\"dead\\\"\"}\n"
                        "{\"time_us\":7,\"event\":\"time\",\"text\":\"goes on\"}\n");
    close_feed(&f);
}

static void quiet_feed_says_the_url(void **state) {
    (void)state;
    fixture f;
    open_feed(&f, FEED_QUIET);
    feed_ready(&f.feed, "redis://h:1", "rediss://h:2");
    feed_event(&f.feed, 1000007, 3, "node-killed", "x");
    assert_string_equal(drain(&f), "redis://h:1\n");
    close_feed(&f);
}

static void added_lines_wake_the_writer(void **state) {
    (void)state;
    fixture f;
    open_feed(&f, FEED_TEXT);
    struct pollfd wake = {.fd = f.feed.wake, .events = POLLIN};
    assert_int_equal(poll(&wake, 1, 0), 0);
    feed_event(&f.feed, 1000000, 0, "x", "y");
    assert_int_equal(poll(&wake, 1, 0), 1);
    feed_awake(&f.feed);
    assert_int_equal(poll(&wake, 1, 0), 0);
    assert_true(feed_has_output(&f.feed));
    close_feed(&f);
}

static void what_a_slow_reader_misses_is_counted(void **state) {
    (void)state;
    static const char line[] = "   0.000 s  node 0   0123456789012345678901234567890123456789\n";
    fixture f;
    open_feed(&f, FEED_TEXT);
    const size_t added = 40000;
    for (size_t i = 0; i < added; i++) {
        feed_event(&f.feed, 1000000, 0, "x", "0123456789012345678901234567890123456789");
    }
    drain(&f);
    const char *note = strstr(f.text, "    (");
    assert_non_null(note);
    unsigned long long missed = 0;
    assert_int_equal(sscanf(note, "    (%llu events are left out", &missed), 1);
    size_t note_len = strcspn(note, "\n") + 1;
    assert_true(missed > 0);
    assert_int_equal((f.len - note_len) / (sizeof line - 1) + missed, added);
    feed_event(&f.feed, 1000000, 0, "x", "goes on");
    assert_non_null(strstr(drain(&f), "goes on\n"));
    close_feed(&f);
}

static void reader_that_left_is_no_trouble(void **state) {
    (void)state;
    fixture f;
    signal(SIGPIPE, SIG_IGN);
    open_feed(&f, FEED_TEXT);
    close(f.reader);
    f.reader = -1;
    feed_ready(&f.feed, "redis://h:1", NULL);
    assert_true(feed_has_output(&f.feed));
    feed_write(&f.feed);
    assert_false(feed_has_output(&f.feed));
    feed_event(&f.feed, 1000000, 0, "x", "y");
    assert_false(feed_has_output(&f.feed));
    close_feed(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_have_time_place_and_text),
        cmocka_unit_test(json_has_an_object_a_line),
        cmocka_unit_test(quiet_feed_says_the_url),
        cmocka_unit_test(added_lines_wake_the_writer),
        cmocka_unit_test(what_a_slow_reader_misses_is_counted),
        cmocka_unit_test(reader_that_left_is_no_trouble),
    };
    return cmocka_run_group_tests_name("tool_lab_feed", tests, NULL, NULL);
}
