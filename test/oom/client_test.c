/* The public interface while memory runs out, with the embedded cluster on the other side: each
 * call says so or does what it should, each callback is called once, nothing is leaked, and the
 * handle works afterwards. */
#include "unit/support/torture.h"

#include <keyway/keyway.h>
#include <keyway/lab.h>

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { BATCH = 12, SUBMITTED = 6, WAITS_MAX = 3000, TRIES = 50 };

static kw_lab *lab;

static int start_lab(void **state) {
    kw_error err;
    int target = 0;
    (void)state;
    if (kw_lab_start(NULL, &lab, &err) != KW_OK) {
        return -1;
    }
    target = (kw_lab_owner(lab, 3300) + 1) % 3;
    return kw_lab_migrate_begin(lab, 3300, target) == KW_OK ? 0 : -1; /* {b} is asked for there */
}

static int stop_lab(void **state) {
    (void)state;
    kw_lab_stop(lab);
    return 0;
}

/* ------------------------------------------------------------ an allocator for threads */

typedef struct guarded {
    failing_mem memory;
    pthread_mutex_t lock;
} guarded;

static void *guarded_alloc(void *arg, size_t size) {
    guarded *g = arg;
    pthread_mutex_lock(&g->lock);
    void *ptr = g->memory.mem.alloc(g->memory.mem.arg, size);
    pthread_mutex_unlock(&g->lock);
    return ptr;
}

static void *guarded_resize(void *arg, void *ptr, size_t size) {
    guarded *g = arg;
    pthread_mutex_lock(&g->lock);
    void *moved = ptr ? g->memory.mem.resize(g->memory.mem.arg, ptr, size)
                      : g->memory.mem.alloc(g->memory.mem.arg, size);
    pthread_mutex_unlock(&g->lock);
    return moved;
}

static void guarded_release(void *arg, void *ptr) {
    guarded *g = arg;
    if (ptr) {
        pthread_mutex_lock(&g->lock);
        g->memory.mem.release(g->memory.mem.arg, ptr);
        pthread_mutex_unlock(&g->lock);
    }
}

static void arm(torture *t, guarded *g) {
    pthread_mutex_lock(&g->lock);
    torture_arm(t, &g->memory);
    pthread_mutex_unlock(&g->lock);
}

static void disarm(torture *t, guarded *g) {
    pthread_mutex_lock(&g->lock);
    torture_disarm(t, &g->memory);
    pthread_mutex_unlock(&g->lock);
}

/* -------------------------------------------------------------------------- a program */

static void is_short(kw_status status, const kw_error *err) {
    if (status != KW_OK && status != KW_ERR_NOMEM && !strstr(err->message, "memory")) {
        fail_msg("%s: %s", kw_status_name(status), err->message);
    }
}

static kw_options *options_of(guarded *g, bool thread) {
    static const char *const settings[][2] = {
        {"reconnect_min_ms", "1"},      {"reconnect_max_ms", "5"},
        {"refresh_urgent_gap_ms", "1"}, {"refresh_urgent_jitter_ms", "0"},
        {"retry_max_ms", "10"},         {"timeout_ms", "1500"}, /* which some wait out */
    };
    kw_options *options = NULL;
    kw_error err;
    assert_int_equal(kw_options_new(&options), KW_OK);
    assert_int_equal(
        kw_options_set_allocator(options, guarded_alloc, guarded_resize, guarded_release, g),
        KW_OK);
    kw_options_set_io_thread(options, thread);
    for (size_t i = 0; i < COUNT_OF(settings); i++) {
        if (kw_options_set(options, settings[i][0], settings[i][1], &err) != KW_OK) {
            fail_msg("%s", err.message);
        }
    }
    return options;
}

static void calls(kw_client *c) {
    kw_error err = {0};
    kw_reply *reply = NULL;
    kw_status status = kw_call(c, &reply, &err, "SET %s %d", "k", 17);
    is_short(status, &err);
    kw_reply_free(reply);
    reply = NULL;
    status = kw_call(c, &reply, &err, "GET %s", "k");
    is_short(status, &err);
    if (status == KW_OK) {
        assert_string_equal(kw_reply_string(reply, NULL), "17");
    }
    kw_reply_free(reply);
    reply = NULL;
    status = kw_call(c, &reply, &err, "GET {b}missing");
    is_short(status, &err);
    assert_true(status != KW_OK || kw_reply_is_null(reply));
    kw_reply_free(reply);
}

static void batches(kw_client *c) {
    kw_batch *batch = NULL;
    kw_error err = {0};
    bool added[BATCH] = {false};
    size_t count = 0;
    if (kw_batch_new(c, &batch) != KW_OK) {
        return;
    }
    for (int i = 0; i < BATCH; i++) {
        kw_status status = kw_batch_addf(batch, &err, "ECHO %d", i);
        is_short(status, &err);
        added[i] = status == KW_OK;
    }
    kw_status ran = kw_batch_run(batch, &err);
    is_short(ran, &err);
    for (int i = 0; i < BATCH && ran == KW_OK; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        if (added[i]) {
            const kw_reply *reply = kw_batch_reply(batch, count);
            const kw_error *why = NULL;
            kw_status status = kw_batch_status(batch, count, &why);
            if (reply) {
                assert_string_equal(kw_reply_string(reply, NULL), text);
            } else {
                is_short(status, why);
            }
            count++;
        }
    }
    kw_batch_free(batch);
}

static void on_reply(kw_client *c, kw_reply *reply, const kw_error *err, void *arg) {
    (void)c;
    if (!reply) {
        is_short(err->status, err);
    }
    ++*(unsigned *)arg;
}

static void submits(kw_client *c, bool thread) {
    unsigned called[SUBMITTED] = {0};
    bool taken[SUBMITTED];
    kw_error err = {0};
    for (int i = 0; i < SUBMITTED; i++) {
        kw_status status = kw_submitf(c, on_reply, &called[i], &err, "GET {%d}k", i);
        is_short(status, &err);
        taken[i] = status == KW_OK;
    }
    for (int i = 0; i < WAITS_MAX && kw_pending(c) > 0; i++) {
        if (thread) {
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        } else {
            is_short(kw_wait(c, 10), &err);
        }
    }
    assert_int_equal(kw_pending(c), 0);
    for (int i = 0; i < SUBMITTED; i++) {
        assert_int_equal(called[i], taken[i]);
    }
}

static void looks(kw_client *c) {
    kw_map *map = NULL;
    kw_stats *stats = NULL;
    if (kw_map_new(c, &map) == KW_OK) {
        kw_map_free(map);
    }
    if (kw_stats_new(c, &stats) == KW_OK) {
        (void)kw_stats_prometheus(stats); /* NULL: memory is short */
        kw_stats_free(stats);
    }
}

static void check_works(kw_client *c) {
    kw_error err = {0};
    kw_reply *reply = NULL;
    kw_status status = KW_ERR_NOMEM;
    for (int i = 0; i < TRIES && status != KW_OK; i++) { /* the map may have been lost */
        status = kw_call(c, &reply, &err, "ECHO %s", "still here");
    }
    if (status != KW_OK) {
        fail_msg("%s: %s", kw_status_name(status), err.message);
    }
    assert_string_equal(kw_reply_string(reply, NULL), "still here");
    kw_reply_free(reply);
}

static void use(torture *t) {
    bool thread = t->arg != NULL;
    guarded g;
    kw_client *c = NULL;
    kw_error err = {0};
    failing_mem_init(&g.memory);
    assert_int_equal(pthread_mutex_init(&g.lock, NULL), 0);
    kw_options *options = options_of(&g, thread);
    arm(t, &g);
    kw_status status = kw_open(kw_lab_url(lab), options, &c, &err);
    is_short(status, &err);
    if (status == KW_OK) {
        calls(c);
        batches(c);
        submits(c, thread);
        looks(c);
    }
    disarm(t, &g);
    if (!c) {
        assert_int_equal(g.memory.live_count, 0);
        assert_int_equal(kw_open(kw_lab_url(lab), options, &c, &err), KW_OK);
    }
    check_works(c);
    kw_close(c);
    kw_options_free(options);
    assert_int_equal(g.memory.live_count, 0);
    pthread_mutex_destroy(&g.lock);
}

static void a_program_of_one_thread(void **state) {
    (void)state;
    torture_run("a_program_of_one_thread", use, NULL, 40);
}

static void a_handle_with_a_thread(void **state) {
    (void)state;
    torture_run("a_handle_with_a_thread", use, "thread", 40);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_of_one_thread),
        cmocka_unit_test(a_handle_with_a_thread),
    };
    return cmocka_run_group_tests_name("oom_client", tests, start_lab, stop_lab);
}
