/* A handle in a libuv loop: uv_poll_t for its descriptor, uv_timer_t for its timeout.
 *
 *     cc libuv.c $(pkg-config --cflags --libs keyway libuv) -o libuv
 *     ./libuv redis://127.0.0.1:7000 */
#include <keyway/keyway.h>

#include <stdio.h>
#include <uv.h>

enum { VISITORS = 20 };

typedef struct app {
    kw_client *client;
    uv_poll_t readable;
    uv_timer_t timer;
    int answered;
} app;

static void on_timer(uv_timer_t *timer);

/* After every call into the handle: its timeout may be another one now. */
static void rearm(app *a) {
    int timeout_ms = kw_timeout_ms(a->client);
    if (timeout_ms >= 0) {
        uv_timer_start(&a->timer, on_timer, (uint64_t)timeout_ms, 0);
    } else {
        uv_timer_stop(&a->timer);
    }
}

static void drive(app *a) {
    kw_status status = kw_process(a->client);
    if (status != KW_OK || kw_pending(a->client) == 0) {
        /* All is done; a program that goes on would rearm here too. */
        uv_close((uv_handle_t *)&a->readable, NULL);
        uv_close((uv_handle_t *)&a->timer, NULL);
        return;
    }
    rearm(a);
}

static void on_readable(uv_poll_t *readable, int status, int events) {
    (void)status; /* kw_process finds out by itself, also what went wrong */
    (void)events;
    drive(readable->data);
}

static void on_timer(uv_timer_t *timer) {
    drive(timer->data);
}

static void on_reply(kw_client *client, kw_reply *reply, const kw_error *err, void *arg) {
    app *a = arg;
    (void)client;
    if (reply && kw_reply_type(reply) == KW_TYPE_INTEGER) {
        a->answered++;
    } else {
        fprintf(stderr, "libuv: %s\n", reply ? kw_reply_string(reply, NULL) : err->message);
    }
}

int main(int argc, char **argv) {
    const char *url = argc > 1 ? argv[1] : "redis://127.0.0.1:7000";
    app a = {0};
    kw_error err;
    uv_loop_t *loop = uv_default_loop();

    if (kw_open(url, NULL, &a.client, &err) != KW_OK) {
        fprintf(stderr, "libuv: %s\n", err.message);
        return 1;
    }
    uv_poll_init(loop, &a.readable, kw_fd(a.client));
    uv_timer_init(loop, &a.timer);
    a.readable.data = a.timer.data = &a;
    uv_poll_start(&a.readable, UV_READABLE, on_readable);

    for (int i = 0; i < VISITORS; i++) {
        if (kw_submitf(a.client, on_reply, &a, &err, "INCR visitor:%d", i) != KW_OK) {
            fprintf(stderr, "libuv: %s\n", err.message);
        }
    }
    drive(&a); /* sets the first timeout */
    uv_run(loop, UV_RUN_DEFAULT);

    kw_close(a.client); /* after uv_close: the loop watches its descriptor no more */
    uv_loop_close(loop);
    printf("%d of %d answered\n", a.answered, VISITORS);
    return a.answered == VISITORS ? 0 : 1;
}
