/* A handle in a libevent loop: one event for its descriptor, one for its timeout.
 *
 *     cc libevent.c $(pkg-config --cflags --libs keyway libevent) -o libevent
 *     ./libevent redis://127.0.0.1:7000 */
#include <keyway/keyway.h>

#include <event2/event.h>
#include <stdio.h>

enum { VISITORS = 20 };

typedef struct app {
    kw_client *client;
    struct event_base *base;
    struct event *readable;
    struct event *timer;
    int answered;
} app;

/* After every call into the handle: its timeout may be another one now. */
static void rearm(app *a) {
    int timeout_ms = kw_timeout_ms(a->client);
    if (timeout_ms >= 0) {
        struct timeval in = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
        event_add(a->timer, &in);
    } else {
        event_del(a->timer);
    }
}

/* Both events come here: readable or timed out, kw_process finds out what is to be done. */
static void drive(evutil_socket_t fd, short what, void *arg) {
    app *a = arg;
    (void)fd;
    (void)what;
    if (kw_process(a->client) != KW_OK || kw_pending(a->client) == 0) {
        event_base_loopbreak(a->base); /* all is done; a program that goes on would rearm */
        return;
    }
    rearm(a);
}

static void on_reply(kw_client *client, kw_reply *reply, const kw_error *err, void *arg) {
    app *a = arg;
    (void)client;
    if (reply && kw_reply_type(reply) == KW_TYPE_INTEGER) {
        a->answered++;
    } else {
        fprintf(stderr, "libevent: %s\n", reply ? kw_reply_string(reply, NULL) : err->message);
    }
}

int main(int argc, char **argv) {
    const char *url = argc > 1 ? argv[1] : "redis://127.0.0.1:7000";
    app a = {0};
    kw_error err;

    if (kw_open(url, NULL, &a.client, &err) != KW_OK) {
        fprintf(stderr, "libevent: %s\n", err.message);
        return 1;
    }
    a.base = event_base_new();
    a.readable = event_new(a.base, kw_fd(a.client), EV_READ | EV_PERSIST, drive, &a);
    a.timer = evtimer_new(a.base, drive, &a);
    if (!a.base || !a.readable || !a.timer) {
        fprintf(stderr, "libevent: out of memory\n");
        return 1;
    }
    event_add(a.readable, NULL);

    for (int i = 0; i < VISITORS; i++) {
        if (kw_submitf(a.client, on_reply, &a, &err, "INCR visitor:%d", i) != KW_OK) {
            fprintf(stderr, "libevent: %s\n", err.message);
        }
    }
    if (kw_pending(a.client) > 0) {
        rearm(&a);
        event_base_dispatch(a.base);
    }

    event_free(a.timer);
    event_free(a.readable); /* before its descriptor is closed */
    kw_close(a.client);
    event_base_free(a.base);
    printf("%d of %d answered\n", a.answered, VISITORS);
    return a.answered == VISITORS ? 0 : 1;
}
