/* A handle in a GLib main loop: one source watches its descriptor, one is its timeout.
 *
 *     cc glib.c $(pkg-config --cflags --libs keyway glib-2.0) -o glib
 *     ./glib redis://127.0.0.1:7000 */
#include <keyway/keyway.h>

#include <glib-unix.h>
#include <stdio.h>

enum { VISITORS = 20 };

typedef struct app {
    kw_client *client;
    GMainLoop *loop;
    guint timer; /* 0: none is set */
    int answered;
} app;

static gboolean on_timer(gpointer arg);

/* After every call into the handle: its timeout may be another one now. */
static void rearm(app *a) {
    int timeout_ms = kw_timeout_ms(a->client);
    if (a->timer) {
        g_source_remove(a->timer);
        a->timer = 0;
    }
    if (timeout_ms >= 0) {
        a->timer = g_timeout_add((guint)timeout_ms, on_timer, a);
    }
}

static void drive(app *a) {
    if (kw_process(a->client) != KW_OK || kw_pending(a->client) == 0) {
        g_main_loop_quit(a->loop); /* all is done; a program that goes on would only rearm */
    }
    rearm(a);
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer arg) {
    (void)fd;
    (void)condition;
    drive(arg);
    return G_SOURCE_CONTINUE;
}

static gboolean on_timer(gpointer arg) {
    app *a = arg;
    a->timer = 0; /* this source ends with its return */
    drive(a);
    return G_SOURCE_REMOVE;
}

static void on_reply(kw_client *client, kw_reply *reply, const kw_error *err, void *arg) {
    app *a = arg;
    (void)client;
    if (reply && kw_reply_type(reply) == KW_TYPE_INTEGER) {
        a->answered++;
    } else {
        fprintf(stderr, "glib: %s\n", reply ? kw_reply_string(reply, NULL) : err->message);
    }
}

int main(int argc, char **argv) {
    const char *url = argc > 1 ? argv[1] : "redis://127.0.0.1:7000";
    app a = {0};
    kw_error err;

    if (kw_open(url, NULL, &a.client, &err) != KW_OK) {
        fprintf(stderr, "glib: %s\n", err.message);
        return 1;
    }
    a.loop = g_main_loop_new(NULL, FALSE);
    guint readable = g_unix_fd_add(kw_fd(a.client), G_IO_IN, on_readable, &a);

    for (int i = 0; i < VISITORS; i++) {
        if (kw_submitf(a.client, on_reply, &a, &err, "INCR visitor:%d", i) != KW_OK) {
            fprintf(stderr, "glib: %s\n", err.message);
        }
    }
    if (kw_pending(a.client) > 0) {
        rearm(&a);
        g_main_loop_run(a.loop);
    }

    g_source_remove(readable); /* before its descriptor is closed */
    if (a.timer) {
        g_source_remove(a.timer);
    }
    kw_close(a.client);
    g_main_loop_unref(a.loop);
    printf("%d of %d answered\n", a.answered, VISITORS);
    return a.answered == VISITORS ? 0 : 1;
}
