/* How long a refresh keeps a client from its commands: sixteen are in flight all the time, on a
 * cluster in which each slot is a row of its own, and the longest turn is told, by the processor
 * time of the thread that takes them. */
#include "speed.h"

#include <keyway/lab.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    IN_FLIGHT = 16,
    PRIMARIES = 3,
    SLOTS = 16384,
    REFRESHES = 11,
    MIDDLE = 5,
    QUIET_TURNS = 2000
};

typedef struct load {
    unsigned next;
    unsigned long count;
    bool accepted; /* a view was, since this was set to false */
    bool ends;
} load;

static uint64_t thread_cpu_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void submit(kw_client *c, load *w);

static void on_reply(kw_client *c, kw_reply *r, const kw_error *err, void *arg) {
    load *w = arg;
    if (w->ends) {
        return;
    }
    if (!r || kw_reply_is_error(r)) {
        speed_die(err ? err->message : kw_reply_string(r, NULL));
    }
    w->count++;
    submit(c, w);
}

static void submit(kw_client *c, load *w) {
    kw_error err;
    char key[32];
    int len = snprintf(key, sizeof key, "key:%u", w->next++ % 1000);
    kw_slice argv[] = {{"GET", 3}, {key, (size_t)len}};
    speed_check(kw_submit(c, argv, 2, NULL, on_reply, w, &err), &err);
}

static void on_event(kw_client *c, const kw_event *event, void *arg) {
    load *w = arg;
    (void)c;
    w->accepted = w->accepted || kw_event_get_type(event) == KW_EVENT_REFRESH_ACCEPTED;
}

static kw_lab *start_lab(void) {
    kw_lab_options *options = NULL;
    kw_lab *lab = NULL;
    kw_error err;
    if (kw_lab_options_new(&options) != KW_OK ||
        kw_lab_options_set_size(options, PRIMARIES, 1) != KW_OK) {
        speed_die("out of memory");
    }
    speed_check(kw_lab_start(options, &lab, &err), &err);
    kw_lab_options_free(options);
    for (int slot = 0; slot < SLOTS; slot++) {
        if (kw_lab_assign(lab, slot, slot, slot % PRIMARIES) != KW_OK) {
            speed_die("the slots cannot be assigned");
        }
    }
    return lab;
}

/* Processor time of one turn. */
static uint64_t take_turn(kw_client *c) {
    struct pollfd polled = {.fd = kw_fd(c), .events = POLLIN};
    (void)poll(&polled, 1, kw_timeout_ms(c));
    uint64_t begin = thread_cpu_ns();
    if (kw_process(c) != KW_OK) {
        speed_die("kw_process");
    }
    return thread_cpu_ns() - begin;
}

static int compare(const void *a, const void *b) {
    const uint64_t *x = a;
    const uint64_t *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* The longest turn until a view is accepted. */
static uint64_t refresh(kw_client *c, load *w) {
    kw_error err;
    uint64_t longest = 0;
    w->accepted = false;
    if (kw_refresh(c, 1, &err) == KW_OK) {
        speed_die("the lab is quicker than was thought");
    }
    while (!w->accepted) {
        uint64_t turn = take_turn(c);
        longest = turn > longest ? turn : longest;
    }
    return longest;
}

void speed_refresh(int argc, char **argv) {
    (void)argc;
    (void)argv;
    load w = {.next = 0};
    kw_lab *lab = start_lab();
    kw_client *c = NULL;
    kw_error err;
    speed_check(kw_open(kw_lab_url(lab), NULL, &c, &err), &err);
    speed_check(kw_refresh(c, 0, &err), &err);
    kw_on_event(c, on_event, &w);
    for (unsigned i = 0; i < IN_FLIGHT; i++) {
        submit(c, &w);
    }
    uint64_t quiet = 0;
    for (int i = 0; i < QUIET_TURNS; i++) {
        uint64_t turn = take_turn(c);
        quiet = i > QUIET_TURNS / 10 && turn > quiet ? turn : quiet;
    }
    uint64_t longest[REFRESHES];
    w.count = 0;
    for (int i = 0; i < REFRESHES; i++) {
        longest[i] = refresh(c, &w);
    }
    qsort(longest, REFRESHES, sizeof *longest, compare);
    printf("quiet_turn_ms %.3f\n", (double)quiet / 1e6);
    printf("refresh_turn_ms %.3f\n", (double)longest[MIDDLE] / 1e6);
    printf("answered_meanwhile %lu\n", w.count / REFRESHES);
    w.ends = true;
    kw_close(c);
    kw_lab_stop(lab);
}
