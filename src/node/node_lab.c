#include "node/node_lab.h"

#include "node/node_call.h"

#define NAME_SIZE NODE_LOG_NAME_SIZE
#define TOLD_HITS 32

void node_lab_init(node_lab *lab, const mem *m, uint64_t seed, uint64_t now_us) {
    *lab = (node_lab){.now_us = now_us};
    fault_rules_init(&lab->faults, m, seed);
    node_log_init(&lab->log, m);
    node_events_init(&lab->events, m);
    node_clock_init(&lab->clock, now_us);
}

void node_lab_done(node_lab *lab) {
    fault_rules_done(&lab->faults);
    node_log_done(&lab->log);
    node_events_done(&lab->events);
}

/* ---------------------------------------------------------------------- in place of execution */

static int first_slot(const fault_rule *r, const fault_subject *s) {
    if (r->target_slot != SLOT_NONE) {
        return r->target_slot;
    }
    return s->has_keys ? slot_of_key(s->argv[s->keys.first]) : 0;
}

static void answer_instead(node_call *c, const fault_rule *r, const fault_subject *subject) {
    if (c->session->flags & SESSION_MULTI) {
        c->session->flags |= SESSION_DIRTY;
    }
    switch (r->action) {
    case FAULT_ERROR:
        call_errorf(c, "%.*s", (int)r->text_len, r->text);
        return;
    case FAULT_REPLY:
        call_raw(c, slice_of(r->text, r->text_len));
        return;
    case FAULT_MOVED:
        call_redirect(c, "MOVED", first_slot(r, subject), r->target);
        return;
    case FAULT_ASK:
        call_redirect(c, "ASK", first_slot(r, subject), r->target);
        return;
    default:
        c->session->flags |= SESSION_CLOSING;
        return;
    }
}

/* ----------------------------------------------------------------------- what becomes of replies
 */

static void append_garbage(node_call *c, size_t count) {
    static const char types[] = "+-:$*_#,(!=%~>|";
    char *to = buffer_reserve(c->out, count);
    if (!to) {
        c->session->flags |= SESSION_FAILED;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        do {
            to[i] = (char)prng_below(&c->node->random, 256);
        } while (i == 0 && memchr(types, to[0], sizeof types));
    }
    buffer_commit(c->out, count);
}

static void append_header(node_call *c, char type, uint64_t announced) {
    if (!buffer_printf(c->out, "%c%llu\r\n", type, (unsigned long long)announced)) {
        c->session->flags |= SESSION_FAILED;
    }
}

/* Keeps the earlier replies and `count` bytes of this one. */
static void shorten(node_call *c, size_t begin, uint64_t count) {
    size_t len = buffer_len(c->out) - begin;
    buffer_truncate(c->out, begin + (count < len ? (size_t)count : len));
}

/* The reply's bytes, from `begin` on, become what the rule says. */
static void spoil_reply(node_call *c, const fault_rule *r, size_t begin) {
    switch (r->action) {
    case FAULT_DROP_AFTER:
        shorten(c, begin, 0);
        c->session->flags |= SESSION_CLOSING;
        return;
    case FAULT_CUT:
        shorten(c, begin, r->amount);
        c->session->flags |= SESSION_CLOSING;
        return;
    case FAULT_STALL:
        shorten(c, begin, r->amount);
        return;
    case FAULT_SWALLOW:
    case FAULT_NEST:
        shorten(c, begin, 0);
        return;
    case FAULT_GARBAGE:
        shorten(c, begin, 0);
        append_garbage(c, (size_t)r->amount);
        return;
    case FAULT_OVERSIZED:
        shorten(c, begin, 0);
        append_header(c, r->text[0], r->amount);
        return;
    default:
        return;
    }
}

/* `free_count` bytes were waiting to be sent before the command ran. */
static void shape_output(node_call *c, const fault_rule *r, size_t free_count) {
    bool shapes = r->delay_ms > 0 || r->action == FAULT_STALL || r->action == FAULT_TRICKLE ||
                  r->action == FAULT_NEST;
    if (!shapes) {
        return;
    }
    session_shape *shape = session_shape_begin(c->node, c->session, free_count);
    shape->due_us = c->now_us + (uint64_t)r->delay_ms * 1000;
    shape->stalls = r->action == FAULT_STALL;
    shape->trickles = r->action == FAULT_TRICKLE;
    shape->trickle_us = shape->trickles ? r->amount * 1000 : 0;
    shape->nest_left = r->action == FAULT_NEST ? r->amount : 0;
}

/* --------------------------------------------------------------------------------------- the log
 */

static kw_slice outcome_of(const node_call *c, const fault_rule *r, size_t begin) {
    kw_slice reply = buffer_slice(c->out);
    reply = slice_of(reply.data + begin, reply.len - begin);
    if (r && r->action == FAULT_DROP_BEFORE) {
        return SLICE_LITERAL("dropped");
    }
    if (reply.len == 0) {
        return c->session->holds & HOLD_BLOCKED ? SLICE_LITERAL("waits") : SLICE_LITERAL("silent");
    }
    if (slice_starts_with(reply, "+QUEUED\r\n")) {
        return SLICE_LITERAL("queued");
    }
    if (reply.data[0] != '-') {
        return SLICE_LITERAL("served");
    }
    size_t end = 1;
    while (end < reply.len && reply.data[end] != ' ' && reply.data[end] != '\r') {
        end++;
    }
    return slice_of(reply.data + 1, end - 1);
}

/* The command's name in lower case; of one that is not known, its first word. */
static kw_slice name_of(const node_call *c, char text[NAME_SIZE]) {
    if (c->command) {
        return slice_text(c->command->name);
    }
    size_t len = slice_copy(text, NAME_SIZE, c->argv[0]);
    for (size_t i = 0; i < len; i++) {
        text[i] = (char)(text[i] + ('A' <= text[i] && text[i] <= 'Z' ? 'a' - 'A' : 0));
    }
    return slice_of(text, len);
}

static uint64_t log_command(node_lab *lab, const node_call *c, const fault_subject *s) {
    const node_log_command command = {
        .time_us = c->now_us,
        .client = c->session->id,
        .node = s->node,
        .name = s->name,
        .argv = c->argv,
        .argc = c->argc,
        .has_keys = s->has_keys,
        .keys = s->keys,
    };
    return node_log_begin(&lab->log, &command);
}

/* The first hits of a rule, then each time that their number has doubled. */
static bool is_worth_telling(uint64_t hits) {
    return hits <= TOLD_HITS || (hits & (hits - 1)) == 0;
}

static void tell(node_lab *lab, const node_call *c, const fault_rule *r, const fault_subject *s) {
    if (!is_worth_telling(r->hits)) {
        return;
    }
    node_events_add(&lab->events, c->now_us, EVENT_RULE_HIT, s->node,
                    "rule %llu (%s) hits %.*s at node %u%s", (unsigned long long)r->id,
                    fault_action_name(r->action), (int)s->name.len, s->name.data, s->node,
                    r->hits >= TOLD_HITS ? ", and so on" : "");
}

void node_lab_run(node_call *c, void (*run)(node_call *c)) {
    node_lab *lab = c->node->config.lab;
    char text[NAME_SIZE];
    if (c->command && (c->command->flags & NODE_LAB)) {
        run(c);
        return;
    }
    fault_subject subject = {
        .node = c->node->view->self,
        .name = name_of(c, text),
        .argv = c->argv,
    };
    subject.has_keys = c->command && node_command_arity_fits(c->command, c->argc) &&
                       node_command_keys(c->command, c->argv, c->argc, &subject.keys);
    uint64_t number = log_command(lab, c, &subject);
    const fault_rule *match =
        lab->faults.count > 0 ? fault_rules_match(&lab->faults, &subject) : NULL;
    size_t begin = buffer_len(c->out); /* which is not the session's after CLIENT REPLY OFF */
    size_t free_count = buffer_len(&c->session->out);
    if (!match) {
        run(c);
        node_log_end(&lab->log, number, outcome_of(c, NULL, begin), 0);
        return;
    }
    const fault_rule rule = *match; /* the command may change the rules */
    tell(lab, c, &rule, &subject);
    if (fault_action_executes(rule.action)) {
        run(c);
    } else {
        answer_instead(c, &rule, &subject);
    }
    node_log_end(&lab->log, number, outcome_of(c, &rule, begin), rule.id);
    spoil_reply(c, &rule, begin);
    shape_output(c, &rule, free_count);
}
