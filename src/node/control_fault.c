#include "node/control.h"
#include "node/node_number.h"

#include <stdarg.h>
#include <stdio.h>

#define LINE_SIZE 1536
#define GARBAGE_BYTES 64
#define OVERSIZED_LEN (1ull << 40)
#define NEST_BYTES (16ull * 1024 * 1024)
#define TRICKLE_MS 1

/* ------------------------------------------------------------------------------- conditions */

/* "25%" or "0.25". */
static bool read_chance(control_call *c, fault_rule *rule) {
    kw_slice text = control_next(c);
    bool percent = text.len > 0 && text.data[text.len - 1] == '%';
    long double value;
    kw_slice digits = slice_of(text.data, text.len - percent);
    bool is_number = number_read_float(digits, &value);
    value = percent ? value / 100 : value;
    if (!is_number || !(value >= 0 && value <= 1)) {
        control_fail(c, "a chance is 0%% to 100%%, or 0.0 to 1.0");
        return false;
    }
    rule->per_million = (unsigned)(value * FAULT_MILLION + 0.5L);
    return true;
}

static bool read_command(control_call *c, fault_rule *rule) {
    kw_slice text = control_next(c);
    if (text.len == 0 || text.len >= sizeof rule->command) {
        control_fail(c, "a command's name or glob has 1 to %zu bytes", sizeof rule->command - 1);
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.data[i];
        rule->command[i] = (char)(byte == ' ' ? '|' : byte);
        if ('A' <= byte && byte <= 'Z') {
            rule->command[i] = (char)(byte + 'a' - 'A');
        }
    }
    rule->command[text.len] = '\0';
    return true;
}

static bool read_key(control_call *c, fault_rule *rule) {
    kw_slice text = control_next(c);
    if (text.len == 0 || text.len > sizeof rule->key) {
        control_fail(c, "a key or glob has 1 to %zu bytes", sizeof rule->key);
        return false;
    }
    memcpy(rule->key, text.data, text.len);
    rule->key_len = text.len;
    return true;
}

typedef enum option_result { OPTION_READ, OPTION_WRONG, OPTION_NONE } option_result;

static bool read_node(control_call *c, fault_rule *rule) {
    return control_read_nodes(c, &rule->node);
}

static bool read_slots(control_call *c, fault_rule *rule) {
    return control_read_slots(c, &rule->first_slot, &rule->last_slot);
}

static bool read_skip(control_call *c, fault_rule *rule) {
    return control_read_number(c, "SKIP", INT64_MAX, &rule->skip);
}

static bool read_count(control_call *c, fault_rule *rule) {
    return control_read_number(c, "COUNT", INT64_MAX, &rule->count);
}

static bool read_delay(control_call *c, fault_rule *rule) {
    uint64_t number;
    bool read = control_read_number(c, "DELAY", FAULT_DELAY_MS_MAX, &number);
    rule->delay_ms = read ? (uint32_t)number : 0;
    return read;
}

/* Each reads the value behind its name. */
static const struct {
    const char *name;
    bool (*read)(control_call *c, fault_rule *rule);
} conditions[] = {
    {"node", read_node},   {"command", read_command}, {"key", read_key},
    {"slot", read_slots},  {"slots", read_slots},     {"skip", read_skip},
    {"count", read_count}, {"chance", read_chance},   {"delay", read_delay},
};

static option_result read_option(control_call *c, fault_rule *rule) {
    for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++) {
        if (!control_takes(c, conditions[i].name)) {
            continue;
        }
        if (!control_has_more(c)) {
            kw_slice name = c->call->argv[c->at - 1];
            control_fail(c, "%.*s needs a value", (int)name.len, name.data);
            return OPTION_WRONG;
        }
        return conditions[i].read(c, rule) ? OPTION_READ : OPTION_WRONG;
    }
    return OPTION_NONE;
}

/* ---------------------------------------------------------------------------------- actions */

/* What is left of the line, its words joined by spaces. */
static bool read_text(control_call *c, fault_rule *rule) {
    size_t at = 0;
    while (control_has_more(c)) {
        kw_slice word = control_next(c);
        bool space = at > 0;
        if (word.len + space > sizeof rule->text - at) {
            control_fail(c, "a text has at most %zu bytes", sizeof rule->text);
            return false;
        }
        if (space) {
            rule->text[at++] = ' ';
        }
        if (word.len > 0) {
            memcpy(rule->text + at, word.data, word.len);
        }
        at += word.len;
    }
    rule->text_len = at;
    if (at == 0) {
        control_fail(c, "%s needs a text", fault_action_name(rule->action));
    }
    return at > 0;
}

static bool read_amount(control_call *c, fault_rule *rule, const char *what, uint64_t max,
                        uint64_t otherwise) {
    rule->amount = otherwise;
    return !control_has_more(c) || control_read_number(c, what, max, &rule->amount);
}

static bool read_oversized(control_call *c, fault_rule *rule) {
    static const struct {
        const char *name;
        char type;
    } types[] = {{"bulk", '$'}, {"array", '*'}, {"map", '%'},
                 {"set", '~'},  {"push", '>'},  {"verbatim", '='}};
    rule->text[0] = '$';
    rule->text_len = 1;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (control_takes(c, types[i].name)) {
            rule->text[0] = types[i].type;
            break;
        }
    }
    return read_amount(c, rule, "the length to announce", INT64_MAX, OVERSIZED_LEN);
}

static bool read_target(control_call *c, fault_rule *rule) {
    if (!control_has_more(c)) {
        control_fail(c, "%s needs a node", fault_action_name(rule->action));
        return false;
    }
    return control_read_node(c, &rule->target) &&
           (!control_has_more(c) || control_read_slot(c, &rule->target_slot));
}

static bool read_details(control_call *c, fault_rule *rule) {
    switch (rule->action) {
    case FAULT_ERROR:
    case FAULT_REPLY:
        return read_text(c, rule);
    case FAULT_MOVED:
    case FAULT_ASK:
        return read_target(c, rule);
    case FAULT_CUT:
    case FAULT_STALL:
        return read_amount(c, rule, "the number of bytes", INT64_MAX, 0);
    case FAULT_TRICKLE:
        return read_amount(c, rule, "the time between bytes in ms", FAULT_DELAY_MS_MAX, TRICKLE_MS);
    case FAULT_GARBAGE:
        return read_amount(c, rule, "the number of bytes", FAULT_GARBAGE_BYTES_MAX, GARBAGE_BYTES);
    case FAULT_OVERSIZED:
        return read_oversized(c, rule);
    case FAULT_NEST:
        return read_amount(c, rule, "the number of bytes", FAULT_NEST_BYTES_MAX, NEST_BYTES);
    default:
        return true;
    }
}

static bool read_action(control_call *c, fault_rule *rule) {
    kw_slice name = control_next(c);
    bool hangs = slice_is_nocase(name, "hang");
    rule->action = hangs ? FAULT_STALL : fault_action_by_name(name);
    if (rule->action == FAULT_ACTION_COUNT) {
        control_fail(c, "'%.*s' is neither a condition nor an action; LAB HELP FAULT lists both",
                     call_shown(c->call, c->at - 1), name.data);
        return false;
    }
    if (!hangs && !read_details(c, rule)) {
        return false;
    }
    if (control_has_more(c)) {
        control_fail(c, "'%.*s' is too much: the action comes last", call_shown(c->call, c->at),
                     c->call->argv[c->at].data);
        return false;
    }
    return true;
}

static bool read_rule(control_call *c, fault_rule *rule) {
    fault_rule_init(rule);
    while (control_has_more(c)) {
        option_result result = read_option(c, rule);
        if (result == OPTION_WRONG) {
            return false;
        }
        if (result == OPTION_NONE) {
            return read_action(c, rule);
        }
    }
    return true;
}

static void run_add(control_call *c) {
    fault_rule rule;
    uint64_t id;
    if (!read_rule(c, &rule)) {
        return;
    }
    kw_status status = fault_rules_add(&c->lab->faults, &rule, &id);
    if (status != KW_OK) {
        control_answer(c, status, "the rule is not added");
        return;
    }
    call_integer(c->call, (int64_t)id);
}

/* ------------------------------------------------------------------------------- other commands */

static void run_del(control_call *c) {
    uint64_t id;
    if (!control_read_number(c, "a rule's id", INT64_MAX, &id)) {
        return;
    }
    if (!fault_rules_remove(&c->lab->faults, id)) {
        control_fail(c, "there is no rule %llu; LAB FAULT LIST shows them", (unsigned long long)id);
        return;
    }
    call_ok(c->call);
}

static void run_clear(control_call *c) {
    fault_rules_clear(&c->lab->faults);
    call_ok(c->call);
}

/* Text that grows in a fixed place; what does not fit is cut off. */
typedef struct line {
    char text[LINE_SIZE];
    size_t len;
} line;

static void add(line *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(line *l, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int written = vsnprintf(l->text + l->len, sizeof l->text - l->len, format, args);
    va_end(args);
    l->len += written > 0 ? (size_t)written : 0;
    l->len = l->len < sizeof l->text ? l->len : sizeof l->text - 1;
}

static void add_conditions(line *l, const fault_rule *r) {
    if (r->node != NODE_NOBODY) {
        add(l, " NODE %u", r->node);
    }
    if (r->command[0]) {
        add(l, " COMMAND %s", r->command);
    }
    if (r->key_len > 0) {
        add(l, " KEY %.*s", (int)r->key_len, r->key);
    }
    if (r->first_slot != SLOT_NONE) {
        add(l, r->first_slot == r->last_slot ? " SLOT %d" : " SLOT %d-%d", r->first_slot,
            r->last_slot);
    }
    if (r->skip > 0) {
        add(l, " SKIP %llu", (unsigned long long)r->skip);
    }
    if (r->count > 0) {
        add(l, " COUNT %llu", (unsigned long long)r->count);
    }
    if (r->per_million < FAULT_MILLION) {
        add(l, " CHANCE %g", r->per_million / (double)FAULT_MILLION);
    }
    if (r->delay_ms > 0) {
        add(l, " DELAY %u", r->delay_ms);
    }
}

static void add_action(line *l, const fault_rule *r) {
    char name[16];
    size_t len = slice_copy(name, sizeof name, slice_text(fault_action_name(r->action)));
    for (size_t i = 0; i < len; i++) {
        name[i] = (char)(name[i] - ('a' <= name[i] && name[i] <= 'z' ? 'a' - 'A' : 0));
    }
    add(l, " %s", name);
    if (r->target != NODE_NOBODY) {
        add(l, " %u", r->target);
        if (r->target_slot != SLOT_NONE) {
            add(l, " %d", r->target_slot);
        }
    }
    if (r->action == FAULT_OVERSIZED) {
        add(l, " %c%llu", r->text[0], (unsigned long long)r->amount);
    } else if (r->text_len > 0) {
        add(l, " %.*s", (int)r->text_len, r->text);
    } else if (r->amount > 0) {
        add(l, " %llu", (unsigned long long)r->amount);
    }
}

static void run_list(control_call *c) {
    const fault_rules *f = &c->lab->faults;
    call_array(c->call, f->count);
    for (size_t i = 0; i < f->count; i++) {
        const fault_rule *r = &f->rules[i];
        line l = {.len = 0, .text = ""};
        add_conditions(&l, r);
        add_action(&l, r);
        call_map(c->call, 4);
        control_number_field(c, "id", r->id);
        control_text_field(c, "rule", l.text + 1);
        control_number_field(c, "seen", r->seen);
        control_number_field(c, "hits", r->hits);
    }
}

/* Each node of the ring sends commands on a slot to the next one, the last to the first. */
static void run_loop(control_call *c) {
    uint16_t ring[16];
    uint64_t ids[16];
    size_t count = 0;
    int slot;
    if (!control_read_slot(c, &slot)) {
        return;
    }
    while (control_has_more(c)) {
        if (!control_read_node(c, &ring[count])) {
            return;
        }
        count++;
    }
    for (size_t i = 0; i < count; i++) {
        fault_rule rule;
        fault_rule_init(&rule);
        rule.node = ring[i];
        rule.first_slot = slot;
        rule.last_slot = slot;
        rule.action = FAULT_MOVED;
        rule.target = ring[(i + 1) % count];
        rule.target_slot = slot;
        kw_status status = fault_rules_add(&c->lab->faults, &rule, &ids[i]);
        if (status != KW_OK) {
            while (i-- > 0) {
                (void)fault_rules_remove(&c->lab->faults, ids[i]); /* it is there */
            }
            control_answer(c, status, "the loop is not made");
            return;
        }
    }
    call_array(c->call, count);
    for (size_t i = 0; i < count; i++) {
        call_integer(c->call, (int64_t)ids[i]);
    }
}

const control_row control_fault_rows[] = {
    {"FAULT ADD", "[condition ...] [action]",
     "a rule; its id. Conditions: NODE node, COMMAND glob, KEY glob, SLOT slots, SKIP n, COUNT n, "
     "CHANCE 25%, DELAY ms. Actions: ERROR text, REPLY bytes, MOVED node [slot], ASK node [slot], "
     "DROP-BEFORE, DROP-AFTER, CUT n, STALL n, HANG, SWALLOW, TRICKLE [ms], GARBAGE [n], OVERSIZED "
     "[BULK|ARRAY|MAP|SET|PUSH|VERBATIM] [n], NEST [n], NONE",
     run_add, 1, CONTROL_MANY},
    {"FAULT DEL", "id", "removes a rule", run_del, 1, 1},
    {"FAULT LIST", NULL, "the rules, and how many commands each has hit", run_list, 0, 0},
    {"FAULT CLEAR", NULL, "removes all rules", run_clear, 0, 0},
    {"LOOP", "slot node [node ...]",
     "each node answers commands on the slot with MOVED to the next, the last to the first",
     run_loop, 2, 17},
    {0},
};
