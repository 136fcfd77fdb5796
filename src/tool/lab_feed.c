#include "tool/lab_feed.h"

#include "tool/json.h"
#include "tool/tool.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { WAITING_BYTES_MAX = 1024 * 1024, KEPT_BYTES = 64 * 1024 };

void feed_init(lab_feed *f, int fd, feed_mode mode, uint64_t now_us) {
    *f = (lab_feed){.fd = fd, .mode = mode, .started_us = now_us};
    f->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (f->wake < 0) {
        give_up("out of descriptors");
    }
    f->ready = true;
    if (mode == FEED_TEXT) {
        term_probe(&f->look, fd);
    }
    pthread_mutex_init(&f->mutex, NULL);
    out_init(&f->waiting, -1);
    out_init(&f->scratch, -1);
}

void feed_done(lab_feed *f) {
    if (!f->ready) {
        return;
    }
    close(f->wake);
    out_done(&f->waiting);
    out_done(&f->scratch);
    pthread_mutex_destroy(&f->mutex);
}

static style style_of(const char *name) {
    static const struct {
        const char *name;
        style style;
    } rows[] = {
        {"node-killed", STYLE_BAD},   {"node-failed", STYLE_BAD},   {"script-error", STYLE_BAD},
        {"failover-won", STYLE_GOOD}, {"node-started", STYLE_GOOD}, {"failover-begun", STYLE_WARN},
        {"rule-hit", STYLE_WARN},     {"script-step", STYLE_BOLD},  {"script-end", STYLE_BOLD},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (slice_is(slice_text(name), rows[i].name)) {
            return rows[i].style;
        }
    }
    return STYLE_RESET;
}

static void make_json(lab_feed *f, uint64_t time_us, int node, const char *name, const char *text) {
    out *o = &f->scratch;
    out_printf(o, "{\"time_us\":%llu,\"event\":", (unsigned long long)time_us);
    json_text(o, name);
    if (node >= 0) {
        out_printf(o, ",\"node\":%d", node);
    }
    out_text(o, ",\"text\":");
    json_text(o, text);
    out_text(o, "}\n");
}

static void make_text(lab_feed *f, uint64_t time_us, int node, const char *name, const char *text) {
    out *o = &f->scratch;
    char place[24] = "lab";
    if (node >= 0) {
        int len = snprintf(place, sizeof place, "node %d", node);
        /* Not twice: what is told of a node may begin with its name. */
        text += strncmp(text, place, (size_t)len) == 0 && text[len] == ' ' ? len + 1 : 0;
    } else if (node == FEED_SCRIPT) {
        slice_copy(place, sizeof place, SLICE_LITERAL("script"));
    }
    const char *plain = term_style(&f->look, STYLE_RESET);
    out_printf(o, "%s%8.3f s%s  %-8s %s%s%s\n", term_style(&f->look, STYLE_DIM),
               (double)time_us / 1e6, plain, place, term_style(&f->look, style_of(name)), text,
               plain);
}

static void make_line(lab_feed *f, uint64_t time_us, int node, const char *name, const char *text) {
    (f->mode == FEED_JSON ? make_json : make_text)(f, time_us, node, name, text);
}

/* The line made goes to the others, if they have not piled up. */
static void push_line(lab_feed *f) {
    const uint64_t one = 1;
    kw_slice line = out_slice(&f->scratch);
    if (f->gone) {
        /* nobody wants it */
    } else if (out_slice(&f->waiting).len + line.len > WAITING_BYTES_MAX) {
        f->dropped_count++;
    } else {
        out_bytes(&f->waiting, line.data, line.len);
        ssize_t written = write(f->wake, &one, sizeof one);
        (void)written; /* full: it is readable already */
    }
    buffer_clear(&f->scratch.bytes, KEPT_BYTES);
}

void feed_awake(lab_feed *f) {
    uint64_t count;
    ssize_t len = read(f->wake, &count, sizeof count);
    (void)len; /* nothing there: so it should be */
}

void feed_ready(lab_feed *f, const char *url, const char *tls_url) {
    out *o = &f->scratch;
    pthread_mutex_lock(&f->mutex);
    if (f->mode == FEED_JSON) {
        out_text(o, "{\"time_us\":0,\"event\":\"ready\",\"url\":");
        json_text(o, url);
        if (tls_url) {
            out_text(o, ",\"tls_url\":");
            json_text(o, tls_url);
        }
        out_text(o, "}\n");
    } else {
        out_printf(o, "%s\n", url);
    }
    if (tls_url && f->mode == FEED_TEXT) {
        make_line(f, 0, FEED_LAB, "", tls_url);
    }
    push_line(f);
    pthread_mutex_unlock(&f->mutex);
}

void feed_event(lab_feed *f, uint64_t now_us, int node, const char *name, const char *text) {
    if (f->mode == FEED_QUIET) {
        return;
    }
    uint64_t time_us = now_us > f->started_us ? now_us - f->started_us : 0;
    pthread_mutex_lock(&f->mutex);
    make_line(f, time_us, node, name, text);
    push_line(f);
    pthread_mutex_unlock(&f->mutex);
}

bool feed_has_output(lab_feed *f) {
    pthread_mutex_lock(&f->mutex);
    bool has = !f->gone && out_slice(&f->waiting).len > 0;
    pthread_mutex_unlock(&f->mutex);
    return has;
}

/* What the slow reader missed is told as soon as there is room for it. */
static void tell_dropped(lab_feed *f) {
    if (f->dropped_count == 0 || out_slice(&f->waiting).len > WAITING_BYTES_MAX / 2) {
        return;
    }
    if (f->mode == FEED_JSON) {
        out_printf(&f->waiting, "{\"event\":\"dropped\",\"count\":%llu}\n",
                   (unsigned long long)f->dropped_count);
    } else {
        out_printf(&f->waiting, "    (%llu events are left out: the reader was too slow)\n",
                   (unsigned long long)f->dropped_count);
    }
    f->dropped_count = 0;
}

void feed_write(lab_feed *f) {
    pthread_mutex_lock(&f->mutex);
    kw_slice rest = out_slice(&f->waiting);
    /* Of a pipe that is writable so many bytes are taken without waiting. */
    size_t len = rest.len < PIPE_BUF ? rest.len : PIPE_BUF;
    ssize_t written = len > 0 && !f->gone ? write(f->fd, rest.data, len) : 0;
    if (written >= 0) {
        buffer_consume(&f->waiting.bytes, (size_t)written);
    } else if (errno != EINTR && errno != EAGAIN) {
        f->gone = true; /* closed pipe, full disk: the lab itself goes on */
    }
    if (out_slice(&f->waiting).len == 0 || f->gone) {
        buffer_clear(&f->waiting.bytes, KEPT_BYTES);
    }
    tell_dropped(f);
    pthread_mutex_unlock(&f->mutex);
}
