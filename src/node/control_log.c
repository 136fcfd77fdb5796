#include "node/control.h"

#define LIST_LIMIT 1000 /* of one reply, unless more is asked for */
#define SHOWN_TEXT_SIZE (NODE_LOG_ARGUMENT_BYTES_MAX + 32)

/* ---------------------------------------------------------------------------------- the log */

/* Patterns in lower case, and "cluster slots" as "cluster|slots". */
static kw_slice lower(kw_slice s, char *dst, size_t size) {
    size_t len = slice_copy(dst, size, s);
    for (size_t i = 0; i < len; i++) {
        dst[i] =
            (char)(dst[i] == ' ' ? '|' : dst[i] + ('A' <= dst[i] && dst[i] <= 'Z' ? 'a' - 'A' : 0));
    }
    return slice_of(dst, len);
}

typedef struct log_question {
    node_log_filter filter;
    uint64_t limit;
    char command[FAULT_COMMAND_SIZE];
} log_question;

static bool read_filter(control_call *c, log_question *q) {
    if (control_takes(c, "node")) {
        return control_has_more(c) ? control_read_nodes(c, &q->filter.node) : false;
    }
    if (control_takes(c, "client")) {
        return control_has_more(c) &&
               control_read_number(c, "a client's id", INT64_MAX, &q->filter.client);
    }
    if (control_takes(c, "rule")) {
        return control_has_more(c) &&
               control_read_number(c, "a rule's id", INT64_MAX, &q->filter.rule);
    }
    if (control_takes(c, "after")) {
        return control_has_more(c) &&
               control_read_number(c, "an entry's number", INT64_MAX, &q->filter.after);
    }
    if (control_takes(c, "limit")) {
        return control_has_more(c) &&
               control_read_number(c, "the limit", NODE_LOG_CAPACITY_MAX, &q->limit);
    }
    if (c->at + 1 < c->call->argc) {
        if (control_takes(c, "command")) {
            q->filter.command = lower(control_next(c), q->command, sizeof q->command);
            return true;
        }
        if (control_takes(c, "key")) {
            q->filter.key = control_next(c);
            return true;
        }
        if (control_takes(c, "outcome")) {
            q->filter.outcome = control_next(c);
            return true;
        }
    }
    return false;
}

static bool read_question(control_call *c, log_question *q) {
    *q = (log_question){.filter = {.node = NODE_NOBODY}, .limit = LIST_LIMIT};
    while (control_has_more(c)) {
        size_t before = buffer_len(c->call->out);
        if (read_filter(c, q)) {
            continue;
        }
        if (buffer_len(c->call->out) == before) {
            control_fail(c, "filters are NODE node, CLIENT id, COMMAND glob, KEY glob, OUTCOME "
                            "glob, RULE id, AFTER number, LIMIT count");
        }
        return false;
    }
    return true;
}

static void write_argument(control_call *c, const node_log_entry *e, size_t index) {
    kw_slice kept = node_log_argument(e, index);
    if (kept.len == e->arguments[index].len) {
        call_bulk(c->call, kept);
        return;
    }
    char text[SHOWN_TEXT_SIZE];
    size_t len = slice_copy(text, sizeof text, kept);
    slice_copy(text + len, sizeof text - len, SLICE_LITERAL("... (cut short)"));
    call_text(c->call, text);
}

static void write_entry(control_call *c, const node_log_entry *e) {
    call_map(c->call, 8);
    control_number_field(c, "number", e->number);
    control_number_field(c, "time-ms", e->time_us / 1000);
    control_number_field(c, "node", e->node);
    control_number_field(c, "client", e->client);
    control_text_field(c, "command", e->name);
    control_text_field(c, "outcome", e->outcome);
    control_number_field(c, "rule", e->rule);
    call_text(c->call, "arguments");
    call_array(c->call, e->kept_count);
    for (size_t i = 0; i < e->kept_count; i++) {
        write_argument(c, e, i);
    }
}

/* The newest of those that pass, in the order in which they came. */
static void run_log(control_call *c) {
    log_question q;
    if (!read_question(c, &q)) {
        return;
    }
    size_t count = node_log_count(&c->lab->log, &q.filter);
    size_t skipped = count > q.limit ? count - (size_t)q.limit : 0;
    const node_log_entry *e = node_log_next(&c->lab->log, &q.filter, 0);
    call_array(c->call, count - skipped);
    for (size_t i = 0; e && i < count; i++) {
        if (i >= skipped) {
            write_entry(c, e);
        }
        e = node_log_next(&c->lab->log, &q.filter, e->number);
    }
}

static void run_log_count(control_call *c) {
    log_question q;
    if (read_question(c, &q)) {
        call_integer(c->call, (int64_t)node_log_count(&c->lab->log, &q.filter));
    }
}

static void run_log_clear(control_call *c) {
    node_log_clear(&c->lab->log);
    call_ok(c->call);
}

static void run_log_capacity(control_call *c) {
    uint64_t capacity;
    if (control_read_number(c, "the number of entries", NODE_LOG_CAPACITY_MAX, &capacity)) {
        control_answer(c, node_log_set_capacity(&c->lab->log, (size_t)capacity),
                       "the log stays as it is");
    }
}

/* ----------------------------------------------------------------------------------- events */

static void write_event(control_call *c, const node_event *e) {
    call_map(c->call, 5);
    control_number_field(c, "number", e->number);
    control_number_field(c, "time-ms", e->time_us / 1000);
    control_text_field(c, "kind", node_event_name(e->kind));
    call_text(c->call, "node");
    call_integer(c->call, e->node == NODE_NOBODY ? -1 : e->node);
    control_text_field(c, "text", e->text);
}

static void run_events(control_call *c) {
    const node_events *events = &c->lab->events;
    uint64_t after = 0;
    if (control_has_more(c)) {
        if (c->call->argc - c->at != 2 || !control_takes(c, "after")) {
            control_fail(c, "LAB EVENTS takes AFTER number, or nothing");
            return;
        }
        if (!control_read_number(c, "an event's number", INT64_MAX, &after)) {
            return;
        }
    }
    size_t count = 0;
    for (const node_event *e = node_events_next(events, after); e;
         e = node_events_next(events, e->number)) {
        count++;
    }
    call_array(c->call, count);
    for (const node_event *e = node_events_next(events, after); e;
         e = node_events_next(events, e->number)) {
        write_event(c, e);
    }
}

static void run_events_clear(control_call *c) {
    node_events_clear(&c->lab->events);
    call_ok(c->call);
}

static void run_events_clients(control_call *c) {
    bool on = control_takes(c, "on");
    if (!on && !control_takes(c, "off")) {
        control_fail(c, "LAB EVENTS CLIENTS takes ON or OFF");
        return;
    }
    c->lab->tells_of_clients = on;
    call_ok(c->call);
}

const control_row control_log_rows[] = {
    {"LOG", "[filter ...]",
     "received commands; filters: NODE node, CLIENT id, COMMAND glob, KEY glob, OUTCOME glob, RULE "
     "id, AFTER number, LIMIT count",
     run_log, 0, CONTROL_MANY},
    {"LOG COUNT", "[filter ...]", "how many there are", run_log_count, 0, CONTROL_MANY},
    {"LOG CLEAR", NULL, "forgets them", run_log_clear, 0, 0},
    {"LOG CAPACITY", "count", "keeps so many, 0: none; forgets those of now", run_log_capacity, 1,
     1},
    {"EVENTS", "[AFTER number]", "what happened", run_events, 0, 2},
    {"EVENTS CLEAR", NULL, "forgets it", run_events_clear, 0, 0},
    {"EVENTS CLIENTS", "ON|OFF", "whether clients that come and go are told of", run_events_clients,
     1, 1},
    {0},
};
