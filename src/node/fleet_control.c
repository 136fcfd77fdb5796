#include "node/fleet_control.h"

#include "base/suggest.h"
#include "node/control.h"
#include "node/node_handlers.h"

#include <stdarg.h>
#include <stdio.h>

#define NAME_SIZE 32
#define LINE_SIZE 160
#define ID_START_MIN 6 /* so that a wrong number is not taken for an id */

/* The argument read last, as "%.*s" wants it. */
#define SHOWN(c) call_shown((c)->call, (c)->at - 1), (c)->call->argv[(c)->at - 1].data

static void run_help(control_call *c);

static const control_row own_rows[] = {
    {"HELP", "[command]", "these lines; with words those that begin with them", run_help, 0, 2},
    {0},
};

enum { TABLE_COUNT = 7, ROWS_MAX = 96 };

static const control_row *const tables[TABLE_COUNT] = {
    own_rows,           control_node_rows, control_slot_rows, control_view_rows,
    control_fault_rows, control_log_rows,  control_time_rows,
};

/* All rows in the order of help; `rows` has room for ROWS_MAX. */
static size_t list_rows(const control_row **rows) {
    size_t count = 0;
    for (size_t t = 0; t < TABLE_COUNT; t++) {
        for (const control_row *row = tables[t]; row->name && count < ROWS_MAX; row++) {
            rows[count++] = row;
        }
    }
    return count;
}

/* ---------------------------------------------------------------------------------- replies */

void control_fail(control_call *c, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args); /* cut short is good enough */
    va_end(args);
    call_errorf(c->call, "ERR %s", text);
}

void control_answer(control_call *c, kw_status status, const char *what) {
    switch (status) {
    case KW_OK:
        call_ok(c->call);
        return;
    case KW_ERR_NOMEM:
        control_fail(c, "%s: out of memory", what);
        return;
    case KW_ERR_CONNECTION:
        control_fail(c, "%s: the port cannot be had", what);
        return;
    case KW_ERR_LIMIT:
        control_fail(c, "%s: there are too many already", what);
        return;
    default:
        control_fail(c, "%s: that cannot be done now; LAB NODES and LAB SLOT SHOW tell the state",
                     what);
        return;
    }
}

void control_text_field(control_call *c, const char *name, const char *text) {
    call_text(c->call, name);
    call_text(c->call, text);
}

void control_number_field(control_call *c, const char *name, uint64_t value) {
    call_text(c->call, name);
    call_integer(c->call, (int64_t)value);
}

/* --------------------------------------------------------------------------------- arguments */

bool control_takes(control_call *c, const char *word) {
    bool takes = control_has_more(c) && slice_is_nocase(c->call->argv[c->at], word);
    c->at += takes;
    return takes;
}

bool control_read_number(control_call *c, const char *what, uint64_t max, uint64_t *ret) {
    kw_slice text = control_next(c);
    uint64_t value;
    if (!slice_to_u64(text, &value) || value > max) {
        control_fail(c, "%s must be a number from 0 to %llu, not '%.*s'", what,
                     (unsigned long long)max, SHOWN(c));
        return false;
    }
    *ret = value;
    return true;
}

bool control_read_slot(control_call *c, int *ret) {
    kw_slice text = control_next(c);
    uint64_t slot;
    if (slice_starts_with(text, "key:")) {
        *ret = slot_of_key(slice_of(text.data + 4, text.len - 4));
        return true;
    }
    if (!slice_to_u64(text, &slot) || slot >= SLOT_COUNT) {
        control_fail(c, "a slot is a number from 0 to 16383 or key:NAME, not '%.*s'", SHOWN(c));
        return false;
    }
    *ret = (int)slot;
    return true;
}

bool control_read_slots(control_call *c, int *ret_first, int *ret_last) {
    kw_slice text = c->call->argv[c->at];
    kw_slice rest = text;
    kw_slice first;
    uint64_t slots[2];
    if (control_takes(c, "all")) {
        *ret_first = 0;
        *ret_last = SLOT_COUNT - 1;
        return true;
    }
    if (slice_starts_with(text, "key:") || !memchr(text.data, '-', text.len)) {
        bool is_slot = control_read_slot(c, ret_first);
        *ret_last = *ret_first;
        return is_slot;
    }
    c->at++;
    if (!slice_split(&rest, '-', &first) || !slice_to_u64(first, &slots[0]) ||
        !slice_to_u64(rest, &slots[1]) || slots[0] > slots[1] || slots[1] >= SLOT_COUNT) {
        control_fail(c, "slots are N, N-M (up to 16383), key:NAME or ALL, not '%.*s'", SHOWN(c));
        return false;
    }
    *ret_first = (int)slots[0];
    *ret_last = (int)slots[1];
    return true;
}

/* The node whose id begins with the text; NODE_NOBODY: none, or several. */
static uint16_t find_by_id(const node_view *view, uint16_t count, kw_slice text) {
    uint16_t found = NODE_NOBODY;
    for (uint16_t i = 0; i < count; i++) {
        if (text.len < NODE_ID_SIZE && memcmp(view->peers[i].id, text.data, text.len) == 0) {
            if (found != NODE_NOBODY) {
                return NODE_NOBODY;
            }
            found = i;
        }
    }
    return found;
}

static uint16_t find_by_address(const node_view *view, uint16_t count, kw_slice text) {
    for (uint16_t i = 0; i < count; i++) {
        char address[NODE_HOST_SIZE + 8];
        const node_peer *peer = &view->peers[i];
        (void)snprintf(address, sizeof address, "%s:%u", peer->host, peer->port); /* fits */
        if (slice_is(text, address) || slice_is(text, strrchr(address, ':') + 1)) {
            return i;
        }
    }
    return NODE_NOBODY;
}

static uint16_t find_node(const control_call *c, kw_slice text) {
    const node_view *view = fleet_view(c->fleet);
    uint16_t count = fleet_count(c->fleet);
    uint64_t index;
    if (slice_is_nocase(text, "me")) {
        return c->me;
    }
    bool by_index = text.len > 0 && text.data[0] == '#'; /* and by nothing else */
    kw_slice digits = slice_of(text.data + by_index, text.len - by_index);
    if (slice_to_u64(digits, &index) && index < count) {
        return (uint16_t)index;
    }
    if (by_index) {
        return NODE_NOBODY;
    }
    if (slice_starts_with(text, "key:")) {
        return view->owner[slot_of_key(slice_of(text.data + 4, text.len - 4))];
    }
    if (slice_starts_with(text, "slot:")) {
        bool is_slot = slice_to_u64(slice_of(text.data + 5, text.len - 5), &index);
        return is_slot && index < SLOT_COUNT ? view->owner[index] : NODE_NOBODY;
    }
    uint16_t found = find_by_address(view, count, text);
    return found == NODE_NOBODY && text.len >= ID_START_MIN ? find_by_id(view, count, text) : found;
}

bool control_read_node(control_call *c, uint16_t *ret) {
    uint16_t found = find_node(c, control_next(c));
    if (found == NODE_NOBODY) {
        control_fail(c,
                     "no node '%.*s': name one by index, id or its start, host:port, port, "
                     "slot:N, key:NAME or me",
                     SHOWN(c));
        return false;
    }
    *ret = found;
    return true;
}

bool control_read_living_node(control_call *c, uint16_t *ret) {
    uint16_t found;
    if (!control_read_node(c, &found)) {
        return false;
    }
    if (!fleet_node(c->fleet, found)) {
        control_fail(c, "node %u is dead; LAB START %u starts it", found, found);
        return false;
    }
    *ret = found;
    return true;
}

bool control_read_nodes(control_call *c, uint16_t *ret) {
    if (control_takes(c, "all")) {
        *ret = NODE_NOBODY;
        return true;
    }
    return control_read_node(c, ret);
}

void control_write_slots(const node_view *view, uint16_t owner, char *dst, size_t size) {
    size_t at = 0;
    dst[0] = '\0';
    for (int slot = 0; slot < SLOT_COUNT && at + 16 < size; slot++) {
        if (view->owner[slot] != owner) {
            continue;
        }
        int last = slot;
        while (last + 1 < SLOT_COUNT && view->owner[last + 1] == owner) {
            last++;
        }
        const char *space = at > 0 ? " " : "";
        int written = slot == last ? snprintf(dst + at, size - at, "%s%d", space, slot)
                                   : snprintf(dst + at, size - at, "%s%d-%d", space, slot, last);
        at += written > 0 ? (size_t)written : 0;
        slot = last;
    }
}

/* -------------------------------------------------------------------------------------- help */

static bool begins_with(const char *name, kw_slice word) {
    kw_slice start = slice_text(name);
    start.len = start.len < word.len ? start.len : word.len;
    return slice_equal_nocase(start, word);
}

static void run_help(control_call *c) {
    const control_row *rows[ROWS_MAX];
    size_t count = list_rows(rows);
    char start[LINE_SIZE];
    size_t len = 0;
    size_t fitting = 0;
    while (control_has_more(c)) {
        if (len > 0) {
            len += slice_copy(start + len, sizeof start - len, SLICE_LITERAL(" "));
        }
        len += slice_copy(start + len, sizeof start - len, control_next(c));
    }
    kw_slice word = slice_of(start, len);
    for (size_t i = 0; i < count; i++) {
        fitting += begins_with(rows[i]->name, word);
    }
    call_array(c->call, fitting);
    for (size_t i = 0; i < count; i++) {
        char line[LINE_SIZE * 5];
        if (begins_with(rows[i]->name, word)) {
            const char *arguments = rows[i]->arguments ? rows[i]->arguments : "";
            (void)snprintf(line, sizeof line, "LAB %s%s%s: %s", rows[i]->name,
                           *arguments ? " " : "", arguments, rows[i]->help); /* fits */
            call_text(c->call, line);
        }
    }
}

/* ---------------------------------------------------------------------------------- dispatch */

/* How many words of the arguments the row's name takes up; 0: it is not meant. */
static size_t words_of(const control_row *row, const node_call *c) {
    kw_slice rest = slice_text(row->name);
    kw_slice word;
    size_t count = 0;
    while (slice_split(&rest, ' ', &word)) {
        if (1 + count >= c->argc || !slice_equal_nocase(word, c->argv[1 + count])) {
            return 0;
        }
        count++;
    }
    return count;
}

static void suggest_name(control_call *c) {
    const control_row *rows[ROWS_MAX];
    const char *names[ROWS_MAX + 1];
    char firsts[ROWS_MAX][NAME_SIZE];
    char said[2 * NAME_SIZE];
    size_t count = list_rows(rows);
    size_t len = slice_copy(said, NAME_SIZE, c->call->argv[1]);
    bool is_group = false;
    for (size_t i = 0; i < count; i++) {
        const char *space = strchr(rows[i]->name, ' ');
        kw_slice first = space ? slice_of(rows[i]->name, (size_t)(space - rows[i]->name))
                               : slice_text(rows[i]->name);
        slice_copy(firsts[i], NAME_SIZE, first);
        is_group = is_group || (space && slice_equal_nocase(first, c->call->argv[1]));
    }
    for (size_t i = 0; i < count; i++) {
        names[i] = is_group ? rows[i]->name : firsts[i];
    }
    names[count] = NULL;
    if (is_group && c->call->argc > 2) {
        said[len++] = ' ';
        slice_copy(said + len, NAME_SIZE, c->call->argv[2]);
    }
    for (char *at = said; *at; at++) {
        *at = (char)(*at - ('a' <= *at && *at <= 'z' ? 'a' - 'A' : 0));
    }
    const char *near = suggest(said, names);
    if (near) {
        control_fail(c, "unknown command 'LAB %s'. Did you mean LAB %s? LAB HELP lists them.", said,
                     near);
    } else {
        control_fail(c, "unknown command 'LAB %s'. LAB HELP lists them.", said);
    }
}

void serve_lab(node_call *c) {
    const node_peers *peers = &c->node->config.peers;
    peers->control(peers->arg, c);
}

void fleet_control(node_fleet *f, node_call *call) {
    control_call c = {
        .fleet = f,
        .lab = fleet_lab(f),
        .call = call,
        .me = call->node ? call->node->view->self : NODE_NOBODY,
        .now_us = call->now_us,
    };
    const control_row *rows[ROWS_MAX];
    size_t count = list_rows(rows);
    const control_row *meant = NULL;
    size_t words = 0;
    if (call->argc < 2) {
        control_fail(&c, "LAB what? LAB HELP lists what there is.");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        size_t taken = words_of(rows[i], call);
        if (taken > words) {
            words = taken;
            meant = rows[i];
        }
    }
    if (!meant) {
        suggest_name(&c);
        return;
    }
    c.at = 1 + words;
    size_t given = call->argc - c.at;
    if (given < meant->least || given > meant->most) {
        control_fail(&c, "usage: LAB %s%s%s", meant->name, meant->arguments ? " " : "",
                     meant->arguments ? meant->arguments : "");
        return;
    }
    meant->run(&c);
}
