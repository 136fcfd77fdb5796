/* One handle for many threads: each counts its own visits, and all share one connection to each
 * node. Callbacks of submitted commands run on the handle's I/O thread.
 *
 *     cc threads.c $(pkg-config --cflags --libs keyway) -pthread -o threads
 *     ./threads redis://127.0.0.1:7000 */
#include <keyway/keyway.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum { THREADS = 8, VISITS = 100 };

static kw_client *client; /* of all threads */
static atomic_int failures;
static atomic_int answered;

static void note_answer(kw_client *c, kw_reply *reply, const kw_error *err, void *arg) {
    (void)c;
    (void)reply;
    (void)arg;
    if (err) {
        fprintf(stderr, "threads: %s (%s)\n", err->message, kw_outcome_name(err->outcome));
    } else {
        atomic_fetch_add(&answered, 1);
    }
}

static void *visit(void *arg) {
    const int *number = arg;
    for (int i = 0; i < VISITS; i++) {
        kw_reply *reply = NULL;
        kw_error err;
        /* waits for its reply, while the other threads' commands are on their way too */
        if (kw_call(client, &reply, &err, "INCR visits:%d", *number) != KW_OK) {
            fprintf(stderr, "threads: %s (%s)\n", err.message, kw_outcome_name(err.outcome));
            atomic_fetch_add(&failures, 1);
            break;
        }
        kw_reply_free(reply);
        /* does not wait at all */
        if (kw_submitf(client, note_answer, NULL, &err, "INCR visits") != KW_OK) {
            fprintf(stderr, "threads: %s\n", err.message); /* KW_ERR_BUSY: too many are pending */
            atomic_fetch_add(&failures, 1);
        }
    }
    return NULL;
}

int main(int argc, char **argv) {
    const char *url = argc > 1 ? argv[1] : "redis://127.0.0.1:7000";
    pthread_t threads[THREADS];
    int numbers[THREADS];
    kw_options *options = NULL;
    kw_reply *reply = NULL;
    kw_error err;

    if (kw_options_new(&options) != KW_OK) {
        return 1;
    }
    kw_options_set_io_thread(options, true); /* or the URL: redis://...?io_thread=yes */
    kw_status status = kw_open(url, options, &client, &err);
    kw_options_free(options);
    if (status != KW_OK) {
        fprintf(stderr, "threads: %s\n", err.message);
        return 1;
    }
    int started = 0;
    for (; started < THREADS; started++) {
        numbers[started] = started;
        if (pthread_create(&threads[started], NULL, visit, &numbers[started]) != 0) {
            break;
        }
    }
    for (int i = 0; i < started; i++) {
        pthread_join(threads[i], NULL);
    }
    /* what this thread asks now comes after all that was submitted for the same key */
    if (kw_call(client, &reply, &err, "GET visits") == KW_OK) {
        printf("%d threads, visits: %s\n", started, kw_reply_string(reply, NULL));
    }
    kw_reply_free(reply);
    kw_close(client); /* ends what is open, and the I/O thread */
    return atomic_load(&failures) > 0 || atomic_load(&answered) < started * VISITS;
}
