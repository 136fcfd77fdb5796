/* Time: whose timer it is that has run out, and what becomes of a command at its deadline. */
#include "core/cluster_state.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* What its node last answered it, for which it waits; NULL: nothing that it would wait for. */
static const char *last_refusal(const request *r) {
    static const struct {
        const char *reason;
        const char *text;
    } refusals[] = {
        {"down", "CLUSTERDOWN or LOADING"}, {"tryagain", "TRYAGAIN"}, {"readonly", "READONLY"}};
    for (size_t i = 0; r->at.more->reason && i < sizeof refusals / sizeof refusals[0]; i++) {
        if (strcmp(r->at.more->reason, refusals[i].reason) == 0) {
            return refusals[i].text;
        }
    }
    return NULL;
}

static void explain_lane(const request *r, unsigned long long ms, char *dst, size_t size) {
    const char *refusal = last_refusal(r);
    char what[32] = "the command";
    if (r->slot != SLOT_NONE) {
        snprintf(what, sizeof what, "slot %d", r->slot);
    }
    if (refusal) {
        snprintf(dst, size, "%s was not served within %llu ms: the last answer was %s", what, ms,
                 refusal);
    } else {
        snprintf(dst, size,
                 "%s was not served, or earlier commands for it not answered, within %llu ms", what,
                 ms);
    }
}

/* What the command waited for in vain. */
static void explain_timeout(const cluster *c, const request *r, char *dst, size_t size) {
    char text[ENDPOINT_TEXT_BYTES];
    const char *last = c->refresh.error.message[0] ? c->refresh.error.message : "no answer";
    unsigned long long ms = r->at.more->timeout_us / 1000;
    switch ((request_place)r->place) {
    case PLACE_MAP:
        snprintf(dst, size, "no slot map could be had within %llu ms: %.*s", ms, (int)size - 64,
                 last);
        break;
    case PLACE_LEARNING:
        snprintf(dst, size, "no node said within %llu ms what this command's keys are", ms);
        break;
    case PLACE_LANE:
        explain_lane(r, ms, dst, size);
        break;
    case PLACE_LINK:
        snprintf(dst, size, "%.*s could not be reached, or was behind, within %llu ms",
                 (int)size - 80, node_text(r->at.more->link->node, text), ms);
        break;
    case PLACE_POOL:
        snprintf(dst, size,
                 "all %u connections for blocking commands to its node were in use for %llu ms",
                 c->config.blocking_connections_max, ms);
        break;
    case PLACE_PIPELINE:
    case PLACE_NOWHERE:
        snprintf(dst, size, "%.*s did not answer within %llu ms", (int)size - 64,
                 node_text(r->at.more->link->node, text), ms);
        break;
    }
}

static void on_deadline(cluster *c, request *r) {
    if (r->kind != REQUEST_USER) {
        learn_on_timeout(c, r);
        return;
    }
    char why[KW_ERROR_MESSAGE_SIZE];
    explain_timeout(c, r, why, sizeof why);
    link *l = r->at.more->link;
    node *n = l ? l->node : NULL;
    watch_answer(c, r, "timeout");
    if (n) {
        n->counters[KW_COUNT_TIMEOUTS]++;
    }
    if (MUTANT(REPLY_SHIFTED)) {
        r->on_wire = false;
    }
    if (r->place != PLACE_PIPELINE || !r->on_wire) {
        request_unqueue(c, r);
        request_fail(c, r, KW_ERR_TIMEOUT, n, "%s", why);
        if (l && l->own) {
            blocking_pump(c, l); /* it is free again */
        }
        if (l) {
            link_close_if_drained(c, l);
        }
        return;
    }
    /* Its reply may still come, and must then be told from the next one: it stays in the pipeline.
     */
    assert(n);
    lane_leave(c, r);
    request_fail(c, r, KW_ERR_TIMEOUT, n, "%s", why);
    if (r->at.more->blocking) { /* only the end of its connection takes it back from the server */
        if (!MUTANT(BLOCKING_KEPT)) {
            blocking_close(c, l);
        }
        return;
    }
    if (!lend_end(c, l, r)) {
        link_fail(c, l, KW_ERR_NOMEM, "out of memory for the rest of a command");
        return;
    }
    if (++n->timeouts_in_row >= c->config.suspect_timeouts) {
        link_fail(c, l, KW_ERR_TIMEOUT, "several commands in a row were not answered in time");
    }
}

static void on_timer(cluster *c, wheel_timer *t) {
    switch ((timer_tag)t->tag) {
    case TIMER_DEADLINE:
        on_deadline(c, LIST_ENTRY(t, request_more, deadline)->request);
        break;
    case TIMER_RETRY:
        lane_on_timer(c, LIST_ENTRY(t, request_more, retry)->request);
        break;
    case TIMER_EXPIRY:
        link_on_expiry(c, LIST_ENTRY(t, link, expiry));
        break;
    case TIMER_LINK:
        link_on_timer(c, LIST_ENTRY(t, link, timer));
        break;
    case TIMER_PROBE:
        node_on_probe(c, LIST_ENTRY(t, node, probe));
        break;
    case TIMER_REFRESH:
        refresh_on_timer(c, t);
        break;
    case TIMER_ASK:
        refresh_on_ask_timer(c, LIST_ENTRY(t, refresh_ask, timer));
        break;
    }
}

void cluster_settle(cluster *c) {
    wheel_timer *t;
    while ((t = wheel_expired(&c->wheel))) {
        on_timer(c, t);
    }
}

uint64_t cluster_deadline_us(const cluster *c) {
    return wheel_deadline_us(&c->wheel);
}

void cluster_tick(cluster *c, uint64_t now_us) {
    c->now_us = now_us;
    wheel_advance(&c->wheel, now_us);
    cluster_settle(c);
}
