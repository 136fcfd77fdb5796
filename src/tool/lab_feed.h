/* What `keyway lab` says: the URL, then a line an event, as text or JSON. Lines wait here until the
 * reader takes them, so that a slow reader stops neither the lab nor a signal; a reader that has
 * left ends the lines and nothing else. Owns the waiting bytes, not the descriptor. Any thread may
 * add lines; one thread writes them. */
#ifndef TOOL_LAB_FEED_H
#define TOOL_LAB_FEED_H

#include "tool/term.h"

#include <pthread.h>

typedef enum feed_mode { FEED_TEXT, FEED_JSON, FEED_QUIET } feed_mode;

/* Instead of a node's index. */
enum { FEED_LAB = -1, FEED_SCRIPT = -2 };

typedef struct lab_feed {
    pthread_mutex_t mutex; /* guards what follows */
    out waiting;
    out scratch; /* the line being made */
    uint64_t dropped_count;
    bool gone;
    bool ready; /* feed_init was called */
    feed_mode mode;
    term look;
    uint64_t started_us;
    int fd;
    int wake; /* readable when lines were added; -1: there is none */
} lab_feed;

void feed_init(lab_feed *f, int fd, feed_mode mode, uint64_t now_us);
void feed_done(lab_feed *f);

/* The first line: the URL alone, or as JSON; with the one for TLS (may be NULL) beside it, or as
 * an event of its own. */
void feed_ready(lab_feed *f, const char *url, const char *tls_url);

/* One line: when, which node (or FEED_LAB, FEED_SCRIPT), the event's name (for JSON), its text. */
void feed_event(lab_feed *f, uint64_t now_us, int node, const char *name, const char *text);

/* Whether bytes wait for a reader that is still there. */
bool feed_has_output(lab_feed *f);
/* Takes back the sign that there are lines. */
void feed_awake(lab_feed *f);
/* Writes as much as cannot block once the descriptor is writable. */
void feed_write(lab_feed *f);

#endif
