#include "node/node_call.h"
#include "node/node_handlers.h"
#include "node/node_number.h"

#include <stdlib.h>

/* The options of CLIENT TRACKING. Owns `prefixes`; their bytes are the command's. */
typedef struct tracking_options {
    unsigned flags;
    int64_t redirect;
    kw_slice *prefixes;
    size_t prefix_count;
} tracking_options;

/* The session's id is looked for; false: an error was given. */
static bool read_redirect(node_call *c, size_t index, int64_t *redirect) {
    if (*redirect != 0) {
        call_error(c, "ERR A client can only redirect to a single other client");
        return false;
    }
    if (!call_read_integer(c, index, redirect)) {
        return false;
    }
    if (*redirect <= 0 || !node_find_session(c->node, (uint64_t)*redirect)) {
        call_error(c, "ERR The client ID you want redirect to does not exist");
        return false;
    }
    return true;
}

static unsigned flag_named(const node_call *c, size_t index) {
    static const struct {
        const char *name;
        unsigned flag;
    } names[] = {
        {"bcast", TRACKING_BCAST},
        {"optin", TRACKING_OPTIN},
        {"optout", TRACKING_OPTOUT},
        {"noloop", TRACKING_NOLOOP},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (call_argument_is(c, index, names[i].name)) {
            return names[i].flag;
        }
    }
    return 0;
}

static bool read_options(node_call *c, tracking_options *o) {
    for (size_t i = 3; i < c->argc; i++) {
        bool more = i + 1 < c->argc;
        unsigned flag = flag_named(c, i);
        if (call_argument_is(c, i, "redirect") && more) {
            if (!read_redirect(c, ++i, &o->redirect)) {
                return false;
            }
        } else if (call_argument_is(c, i, "prefix") && more) {
            o->prefixes[o->prefix_count++] = c->argv[++i];
        } else if (flag) {
            o->flags |= flag;
        } else {
            call_syntax_error(c);
            return false;
        }
    }
    return true;
}

/* Why the options do not go together, or with what is on already; NULL: they do. */
static const char *find_conflict(const tracker *r, const tracking_options *o) {
    bool bcast = (o->flags & TRACKING_BCAST) != 0;
    bool optin = (o->flags & TRACKING_OPTIN) != 0;
    bool optout = (o->flags & TRACKING_OPTOUT) != 0;
    if (!bcast && o->prefix_count > 0) {
        return "ERR PREFIX option requires BCAST mode to be enabled";
    }
    if (tracker_has(r, TRACKING_ON) && tracker_has(r, TRACKING_BCAST) != bcast) {
        return "ERR You can't switch BCAST mode on/off before disabling tracking for this client, "
               "and then re-enabling it with a different mode.";
    }
    if (bcast && (optin || optout)) {
        return "ERR OPTIN and OPTOUT are not compatible with BCAST";
    }
    if (optin && optout) {
        return "ERR You can't specify both OPTIN mode and OPTOUT mode";
    }
    if ((optin && tracker_has(r, TRACKING_OPTOUT)) || (optout && tracker_has(r, TRACKING_OPTIN))) {
        return "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, "
               "and then re-enabling it with a different mode.";
    }
    return NULL;
}

static bool prefixes_fit(node_call *c, const tracking_options *o) {
    kw_slice a;
    kw_slice b;
    bool own;
    if (!(o->flags & TRACKING_BCAST) ||
        !tracking_collides(c->session->tracker, o->prefixes, o->prefix_count, &a, &b, &own)) {
        return true;
    }
    call_errorf(c,
                "ERR Prefix '%.*s' overlaps with %s prefix '%.*s'. Prefixes for a single client "
                "must not overlap.",
                (int)(a.len < 256 ? a.len : 256), a.data, own ? "an existing" : "another provided",
                (int)(b.len < 256 ? b.len : 256), b.data);
    return false;
}

static void enable(node_call *c, const tracking_options *o) {
    tracking *t = &c->node->push.tracking;
    const char *conflict = find_conflict(c->session->tracker, o);
    if (conflict) {
        call_error(c, conflict);
        return;
    }
    if (!prefixes_fit(c, o)) {
        return;
    }
    tracker *r = node_push_tracker(c->node, c->session);
    if (!r ||
        !tracking_enable(t, r, o->flags, (uint64_t)o->redirect, o->prefixes, o->prefix_count)) {
        call_out_of_memory(c);
        return;
    }
    call_ok(c);
}

void serve_client_tracking(node_call *c) {
    tracking_options o = {.prefixes = mem_calloc(c->node->mem, c->argc, sizeof *o.prefixes)};
    if (!o.prefixes) {
        call_out_of_memory(c);
        return;
    }
    if (read_options(c, &o)) {
        if (call_argument_is(c, 2, "on")) {
            enable(c, &o);
        } else if (call_argument_is(c, 2, "off")) {
            if (c->session->tracker) {
                tracking_disable(&c->node->push.tracking, c->session->tracker);
            }
            call_ok(c);
        } else {
            call_syntax_error(c);
        }
    }
    mem_free(c->node->mem, o.prefixes);
}

void serve_client_caching(node_call *c) {
    tracker *r = c->session->tracker;
    bool optin = tracker_has(r, TRACKING_ON | TRACKING_OPTIN);
    bool optout = tracker_has(r, TRACKING_ON | TRACKING_OPTOUT);
    if (!tracker_has(r, TRACKING_ON)) {
        call_error(c, "ERR CLIENT CACHING can be called only when the client is in tracking mode "
                      "with OPTIN or OPTOUT mode enabled");
        return;
    }
    bool yes = call_argument_is(c, 2, "yes");
    if (!yes && !call_argument_is(c, 2, "no")) {
        call_syntax_error(c);
    } else if (yes && !optin) {
        call_error(c, "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN "
                      "mode.");
    } else if (!yes && !optout) {
        call_error(c, "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT "
                      "mode.");
    } else {
        r->flags |= TRACKING_CACHING;
        call_ok(c);
    }
}

void serve_client_getredir(node_call *c) {
    const tracker *r = c->session->tracker;
    call_integer(c, tracker_has(r, TRACKING_ON) ? (int64_t)r->redirect : -1);
}

static int by_bytes(const void *a, const void *b) {
    const kw_slice *x = a;
    const kw_slice *y = b;
    size_t len = x->len < y->len ? x->len : y->len;
    int order = len > 0 ? memcmp(x->data, y->data, len) : 0;
    return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

/* In the order of their bytes. */
static void answer_prefixes(node_call *c, const relation_member *prefixes) {
    size_t count = relation_member_count(prefixes);
    kw_slice *names = mem_calloc(c->node->mem, count + 1, sizeof *names);
    list *position = NULL;
    const relation_topic *topic;
    if (!names) {
        c->session->flags |= SESSION_FAILED;
        return;
    }
    for (size_t i = 0; (topic = relation_next_topic(prefixes, &position)); i++) {
        names[i] = relation_name(topic);
    }
    qsort(names, count, sizeof *names, by_bytes);
    call_array(c, count);
    for (size_t i = 0; i < count; i++) {
        call_bulk(c, names[i]);
    }
    mem_free(c->node->mem, names);
}

void serve_client_trackinginfo(node_call *c) {
    const tracker *r = c->session->tracker;
    unsigned flags = tracker_has(r, TRACKING_ON) ? r->flags : 0;
    bool caches = (flags & TRACKING_CACHING) != 0;
    const struct {
        const char *name;
        bool shown;
    } rows[] = {
        {"off", flags == 0},
        {"on", flags != 0},
        {"bcast", (flags & TRACKING_BCAST) != 0},
        {"optin", (flags & TRACKING_OPTIN) != 0},
        {"caching-yes", (flags & TRACKING_OPTIN) && caches},
        {"optout", (flags & TRACKING_OPTOUT) != 0},
        {"caching-no", (flags & TRACKING_OPTOUT) && caches},
        {"noloop", (flags & TRACKING_NOLOOP) != 0},
        {"broken_redirect", (flags & TRACKING_BROKEN) != 0},
    };
    size_t count = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        count += rows[i].shown;
    }
    call_map(c, 3);
    call_text(c, "flags");
    call_set(c, count);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].shown) {
            call_text(c, rows[i].name);
        }
    }
    call_text(c, "redirect");
    call_integer(c, flags ? (int64_t)r->redirect : -1);
    call_text(c, "prefixes");
    if (flags & TRACKING_BCAST) {
        answer_prefixes(c, &r->prefixes);
    } else {
        call_array(c, 0);
    }
}
