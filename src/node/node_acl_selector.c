#include "node/node_acl_selector.h"

#include "node/node_command.h"
#include "node/node_glob.h"

#include <assert.h>

/* ------------------------------------------------------------------------------- the table */

#define CATEGORIES(X)                                                                              \
    X(KEYSPACE, "keyspace")                                                                        \
    X(READ, "read")                                                                                \
    X(WRITE, "write")                                                                              \
    X(SET, "set")                                                                                  \
    X(SORTEDSET, "sortedset")                                                                      \
    X(LIST, "list")                                                                                \
    X(HASH, "hash")                                                                                \
    X(STRING, "string")                                                                            \
    X(BITMAP, "bitmap")                                                                            \
    X(HYPERLOGLOG, "hyperloglog")                                                                  \
    X(GEO, "geo")                                                                                  \
    X(STREAM, "stream")                                                                            \
    X(PUBSUB, "pubsub")                                                                            \
    X(ADMIN, "admin")                                                                              \
    X(FAST, "fast")                                                                                \
    X(SLOW, "slow")                                                                                \
    X(BLOCKING, "blocking")                                                                        \
    X(DANGEROUS, "dangerous")                                                                      \
    X(CONNECTION, "connection")                                                                    \
    X(TRANSACTION, "transaction")                                                                  \
    X(SCRIPTING, "scripting")

enum {
#define X(id, name) CATEGORY_##id,
    CATEGORIES(X)
#undef X
        CATEGORY_COUNT
};

enum {
#define X(id, name) ACL_##id = 1u << CATEGORY_##id,
    CATEGORIES(X)
#undef X
};

static const char *const category_names[] = {
#define X(id, name) name,
    CATEGORIES(X)
#undef X
};

typedef struct acl_row {
    const char *name;
    unsigned categories;
    int first_index;        /* where its first key specification begins */
    unsigned first_access;  /* to keys of that */
    unsigned others_access; /* to keys of the next */
} acl_row;

/* In strcmp's order, but each container is followed by its subcommands. */
static const acl_row rows[] = {
#include "node/node_acl_table.inc"
};

#define ROW_COUNT (sizeof rows / sizeof *rows)
#define NO_ROW ROW_COUNT
_Static_assert(ROW_COUNT <= ACL_COMMANDS_MAX, "each command has a bit");

static size_t find_row(kw_slice name) {
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (slice_is_nocase(name, rows[i].name)) {
            return i;
        }
    }
    return NO_ROW;
}

/* The number of rows that a command has with its subcommands. */
static size_t family(size_t row) {
    size_t len = strlen(rows[row].name);
    size_t count = 1;
    while (row + count < ROW_COUNT && strncmp(rows[row + count].name, rows[row].name, len) == 0 &&
           rows[row + count].name[len] == '|') {
        count++;
    }
    return count;
}

size_t acl_category_count(void) {
    return CATEGORY_COUNT;
}

const char *acl_category(size_t index) {
    return category_names[index];
}

size_t acl_find_category(kw_slice name) {
    size_t index = 0;
    while (index < CATEGORY_COUNT && !slice_is_nocase(name, category_names[index])) {
        index++;
    }
    return index;
}

bool acl_in_category(kw_slice command, size_t category) {
    size_t row = find_row(command);
    return row != NO_ROW && (rows[row].categories >> category & 1);
}

size_t acl_command_count(void) {
    return ROW_COUNT;
}

const char *acl_command(size_t index) {
    return rows[index].name;
}

/* -------------------------------------------------------------------------------- patterns */

static void clear_patterns(const mem *m, acl_patterns *p) {
    for (size_t i = 0; i < p->count; i++) {
        mem_free(m, p->list[i].text);
    }
    mem_free(m, p->list);
    p->list = NULL;
    p->count = 0;
    p->all = false;
}

static kw_status add_pattern(const mem *m, acl_patterns *p, kw_slice text, unsigned access) {
    for (size_t i = 0; i < p->count; i++) {
        if (slice_equal(text, slice_of(p->list[i].text, p->list[i].len))) {
            p->list[i].access |= access;
            return KW_OK;
        }
    }
    if (p->count == ACL_RULES_MAX) {
        return KW_ERR_LIMIT;
    }
    acl_pattern *list = mem_resize(m, p->list, p->count + 1, sizeof *list);
    if (!list) {
        return KW_ERR_NOMEM;
    }
    p->list = list;
    char *copy = mem_strndup(m, text.data, text.len);
    if (!copy) {
        return KW_ERR_NOMEM;
    }
    p->list[p->count++] = (acl_pattern){access, text.len, copy};
    return KW_OK;
}

static kw_status copy_patterns(const mem *m, acl_patterns *to, const acl_patterns *from) {
    to->all = from->all;
    for (size_t i = 0; i < from->count; i++) {
        const acl_pattern *p = &from->list[i];
        kw_status status = add_pattern(m, to, slice_of(p->text, p->len), p->access);
        if (status != KW_OK) {
            return status;
        }
    }
    return KW_OK;
}

/* -------------------------------------------------------------------------------- commands */

static bool is_allowed(const acl_selector *s, size_t row) {
    return s->allowed[row / 64] >> (row % 64) & 1;
}

static void forget_first(acl_selector *s, size_t row) {
    size_t kept = 0;
    for (size_t i = 0; i < s->first_count; i++) {
        if (s->first[i].command == row) {
            mem_free(s->mem, s->first[i].text);
        } else {
            s->first[kept++] = s->first[i];
        }
    }
    s->first_count = kept;
}

/* A container's word goes for its subcommands. */
static void allow(acl_selector *s, size_t row, bool allowed) {
    size_t end = row + family(row);
    for (size_t i = row; i < end; i++) {
        uint64_t bit = (uint64_t)1 << (i % 64);
        s->allowed[i / 64] = allowed ? s->allowed[i / 64] | bit : s->allowed[i / 64] & ~bit;
        forget_first(s, i);
    }
    s->unlimited = s->unlimited && allowed;
}

static void allow_all(acl_selector *s, bool allowed) {
    memset(s->allowed, allowed ? 0xff : 0, sizeof s->allowed);
    for (size_t row = 0; row < ROW_COUNT && s->first_count > 0; row++) {
        forget_first(s, row);
    }
    s->all_commands = allowed;
    s->unlimited = allowed;
}

static void allow_category(acl_selector *s, size_t category, bool allowed) {
    for (size_t row = 0; row < ROW_COUNT; row++) {
        if (rows[row].categories >> category & 1) {
            allow(s, row, allowed);
        }
    }
}

static kw_status add_first(acl_selector *s, size_t row, kw_slice text) {
    if (s->first_count == ACL_RULES_MAX) {
        return KW_ERR_LIMIT;
    }
    acl_first_argument *first = mem_resize(s->mem, s->first, s->first_count + 1, sizeof *first);
    if (!first) {
        return KW_ERR_NOMEM;
    }
    s->first = first;
    char *copy = mem_strndup(s->mem, text.data, text.len);
    if (!copy) {
        return KW_ERR_NOMEM;
    }
    s->first[s->first_count++] = (acl_first_argument){row, copy};
    return KW_OK;
}

/* ------------------------------------------------------------------------------------ life */

acl_selector *acl_selector_new(const mem *m) {
    acl_selector *s = mem_calloc(m, 1, sizeof *s);
    if (s) {
        s->mem = m;
    }
    return s;
}

acl_selector *acl_selector_copy(const acl_selector *from) {
    acl_selector *s = acl_selector_new(from->mem);
    if (!s) {
        return NULL;
    }
    s->all_commands = from->all_commands;
    s->unlimited = from->unlimited;
    memcpy(s->allowed, from->allowed, sizeof s->allowed);
    kw_status status = copy_patterns(s->mem, &s->keys, &from->keys);
    status = status == KW_OK ? copy_patterns(s->mem, &s->channels, &from->channels) : status;
    for (size_t i = 0; status == KW_OK && i < from->first_count; i++) {
        status = add_first(s, from->first[i].command, slice_text(from->first[i].text));
    }
    if (status != KW_OK) {
        acl_selector_free(s);
        return NULL;
    }
    return s;
}

void acl_selector_free(acl_selector *s) {
    if (s) {
        clear_patterns(s->mem, &s->keys);
        clear_patterns(s->mem, &s->channels);
        for (size_t i = 0; i < s->first_count; i++) {
            mem_free(s->mem, s->first[i].text);
        }
        mem_free(s->mem, s->first);
        mem_free(s->mem, s);
    }
}

/* ----------------------------------------------------------------------------------- rules */

static const char *const syntax_error = "Syntax error";
static const char *const unknown_name = "Unknown command or category name in ACL";

static bool has_spaces(kw_slice s) {
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] == '\0' || s.data[i] == ' ' || (s.data[i] >= '\t' && s.data[i] <= '\r')) {
            return true;
        }
    }
    return false;
}

static const char *refuse(kw_status *ret_status, kw_status status, const char *reason) {
    *ret_status = status;
    return status == KW_OK ? NULL : reason;
}

/* "~pattern", "%R~pattern" ... */
static const char *apply_key(acl_selector *s, kw_slice rule, kw_status *ret) {
    unsigned access = rule.data[0] == '~' ? KEY_READS | KEY_WRITES : 0;
    size_t at = 1;
    if (s->keys.all) {
        return refuse(ret, KW_ERR_INVALID,
                      "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid "
                      "and does not have any effect. Try 'resetkeys' to start with an empty list "
                      "of patterns");
    }
    bool named = rule.data[0] == '%';
    while (named && at < rule.len) {
        char letter = rule.data[at++];
        unsigned flag = letter == 'R' || letter == 'r'   ? KEY_READS
                        : letter == 'W' || letter == 'w' ? KEY_WRITES
                                                         : 0;
        if (letter == '~') {
            named = false;
        } else if (flag == 0 || (access & flag)) {
            return refuse(ret, KW_ERR_INVALID, syntax_error);
        }
        access |= flag;
    }
    kw_slice pattern = slice_of(rule.data + at, rule.len - at);
    if (access == 0 || has_spaces(pattern)) {
        return refuse(ret, KW_ERR_INVALID, syntax_error);
    }
    return refuse(ret, add_pattern(s->mem, &s->keys, pattern, access), "");
}

static const char *apply_channel(acl_selector *s, kw_slice rule, kw_status *ret) {
    kw_slice pattern = slice_of(rule.data + 1, rule.len - 1);
    if (s->channels.all) {
        return refuse(ret, KW_ERR_INVALID,
                      "Adding a pattern after the * pattern (or the 'allchannels' flag) is not "
                      "valid and does not have any effect. Try 'resetchannels' to start with an "
                      "empty list of channels");
    }
    if (has_spaces(pattern)) {
        return refuse(ret, KW_ERR_INVALID, syntax_error);
    }
    return refuse(ret, add_pattern(s->mem, &s->channels, pattern, 0), "");
}

/* "get", "config|get", "select|0" behind + or -. */
static const char *apply_command(acl_selector *s, kw_slice name, bool allowed, kw_status *ret) {
    size_t row = find_row(name);
    if (row != NO_ROW) {
        allow(s, row, allowed);
        return refuse(ret, KW_OK, NULL);
    }
    kw_slice rest = name;
    kw_slice parent;
    (void)slice_split(&rest, '|', &parent); /* a name has one part at least */
    size_t owner = find_row(parent);
    if (!allowed || !rest.data || owner == NO_ROW) {
        return refuse(ret, KW_ERR_INVALID, unknown_name);
    }
    if (rest.len == 0) {
        return refuse(ret, KW_ERR_INVALID, syntax_error);
    }
    if (family(owner) > 1) {
        return refuse(ret, KW_ERR_INVALID, unknown_name);
    }
    return refuse(ret, add_first(s, owner, rest), "");
}

static const char *apply_plus_or_minus(acl_selector *s, kw_slice rule, kw_status *ret) {
    bool allowed = rule.data[0] == '+';
    kw_slice name = slice_of(rule.data + 1, rule.len - 1);
    if (name.len == 0 || name.data[0] != '@') {
        return apply_command(s, name, allowed, ret);
    }
    size_t category = acl_find_category(slice_of(name.data + 1, name.len - 1));
    if (category == CATEGORY_COUNT) {
        return refuse(ret, KW_ERR_INVALID, unknown_name);
    }
    allow_category(s, category, allowed);
    return refuse(ret, KW_OK, NULL);
}

const char *acl_selector_apply(acl_selector *s, kw_slice rule, kw_status *ret) {
    *ret = KW_OK;
    if (slice_is_nocase(rule, "allkeys") || slice_is(rule, "~*")) {
        clear_patterns(s->mem, &s->keys);
        s->keys.all = true;
    } else if (slice_is_nocase(rule, "resetkeys")) {
        clear_patterns(s->mem, &s->keys);
    } else if (slice_is_nocase(rule, "allchannels") || slice_is(rule, "&*")) {
        clear_patterns(s->mem, &s->channels);
        s->channels.all = true;
    } else if (slice_is_nocase(rule, "resetchannels")) {
        clear_patterns(s->mem, &s->channels);
    } else if (slice_is_nocase(rule, "allcommands") || slice_is_nocase(rule, "+@all")) {
        allow_all(s, true);
    } else if (slice_is_nocase(rule, "nocommands") || slice_is_nocase(rule, "-@all")) {
        allow_all(s, false);
    } else if (rule.len > 0 && (rule.data[0] == '~' || rule.data[0] == '%')) {
        return apply_key(s, rule, ret);
    } else if (rule.len > 0 && rule.data[0] == '&') {
        return apply_channel(s, rule, ret);
    } else if (rule.len > 0 && (rule.data[0] == '+' || rule.data[0] == '-')) {
        return apply_plus_or_minus(s, rule, ret);
    } else {
        return refuse(ret, KW_ERR_INVALID, syntax_error);
    }
    return NULL;
}

/* -------------------------------------------------------------------------------- checking */

static bool may_run(const acl_selector *s, const node_command *command, size_t row,
                    const kw_slice *argv, size_t argc) {
    if (s->unlimited || (command->flags & NODE_NO_AUTH)) {
        return true;
    }
    if (row == NO_ROW) {
        return s->all_commands;
    }
    if (is_allowed(s, row)) {
        return true;
    }
    for (size_t i = 0; i < s->first_count; i++) {
        if (s->first[i].command == row && argc > 1 && slice_is_nocase(argv[1], s->first[i].text)) {
            return true;
        }
    }
    return false;
}

static bool may_access(const acl_selector *s, kw_slice key, unsigned access) {
    for (size_t i = 0; i < s->keys.count; i++) {
        const acl_pattern *p = &s->keys.list[i];
        if ((p->access & access) == access && glob_match(slice_of(p->text, p->len), key)) {
            return true;
        }
    }
    return s->keys.all;
}

static bool has_word(const kw_slice *argv, size_t argc, size_t from, const char *word) {
    for (size_t i = from; i < argc; i++) {
        if (slice_is_nocase(argv[i], word)) {
            return true;
        }
    }
    return false;
}

/* What a command does to the key at a position; of some it depends on their options. */
static unsigned access_to(const acl_row *row, size_t position, const kw_slice *argv, size_t argc) {
    if (strcmp(row->name, "set") == 0) {
        return has_word(argv, argc, 3, "get") ? KEY_READS | KEY_WRITES : KEY_WRITES;
    }
    if (strcmp(row->name, "bitfield") == 0 && !has_word(argv, argc, 2, "set") &&
        !has_word(argv, argc, 2, "incrby")) {
        return KEY_READS;
    }
    return position == (size_t)row->first_index ? row->first_access : row->others_access;
}

static acl_verdict check_keys(const acl_selector *s, const node_command *command, size_t row,
                              const kw_slice *argv, size_t argc, size_t *ret_index) {
    node_key_range range;
    if (s->keys.all || (command->flags & NODE_PUBSUB) ||
        !node_command_keys(command, argv, argc, &range)) {
        return ACL_ALLOWED;
    }
    for (size_t i = 0; i < node_key_count(&range); i++) {
        size_t at = node_key_at(&range, i);
        unsigned access =
            row == NO_ROW ? KEY_READS | KEY_WRITES : access_to(&rows[row], at, argv, argc);
        if (!may_access(s, argv[at], access)) {
            *ret_index = at;
            return ACL_DENIED_KEY;
        }
    }
    return ACL_ALLOWED;
}

static bool may_use_channel(const acl_selector *s, kw_slice channel, bool is_pattern) {
    for (size_t i = 0; i < s->channels.count; i++) {
        kw_slice allowed = slice_of(s->channels.list[i].text, s->channels.list[i].len);
        if (is_pattern ? slice_equal(allowed, channel) : glob_match(allowed, channel)) {
            return true;
        }
    }
    return s->channels.all;
}

static acl_verdict check_channels(const acl_selector *s, const node_command *command,
                                  const kw_slice *argv, size_t argc, size_t *ret_index) {
    static const struct {
        const char *name;
        bool all;
        bool patterns;
    } users[] = {{"publish", false, false},
                 {"spublish", false, false},
                 {"subscribe", true, false},
                 {"ssubscribe", true, false},
                 {"psubscribe", true, true}};
    if (s->channels.all) {
        return ACL_ALLOWED;
    }
    for (size_t u = 0; u < sizeof users / sizeof *users; u++) {
        if (strcmp(command->name, users[u].name) != 0) {
            continue;
        }
        size_t end = users[u].all ? argc : 2;
        for (size_t i = 1; i < end; i++) {
            if (!may_use_channel(s, argv[i], users[u].patterns)) {
                *ret_index = i;
                return ACL_DENIED_CHANNEL;
            }
        }
    }
    return ACL_ALLOWED;
}

acl_verdict acl_selector_check(const acl_selector *s, const node_command *command,
                               const kw_slice *argv, size_t argc, size_t *ret_index) {
    if (s->unlimited && s->keys.all && s->channels.all) {
        return ACL_ALLOWED;
    }
    size_t row = find_row(slice_text(command->name));
    *ret_index = 0;
    if (!may_run(s, command, row, argv, argc)) {
        return ACL_DENIED_COMMAND;
    }
    acl_verdict verdict = check_keys(s, command, row, argv, argc, ret_index);
    return verdict == ACL_ALLOWED ? check_channels(s, command, argv, argc, ret_index) : verdict;
}

/* --------------------------------------------------------------------------------- showing */

/* How many commands of a category are allowed, and how many are not. */
static void count_category(const acl_selector *s, size_t category, size_t *on, size_t *off) {
    *on = 0;
    *off = 0;
    for (size_t row = 0; row < ROW_COUNT; row++) {
        if (rows[row].categories >> category & 1) {
            *(is_allowed(s, row) ? on : off) += 1;
        }
    }
}

/* The category that says most of what is left to say; CATEGORY_COUNT: none does. */
static size_t best_category(const acl_selector *left, bool additive, const bool *applied) {
    size_t best = CATEGORY_COUNT;
    size_t least_wrong = SIZE_MAX;
    size_t most_right = 0;
    for (size_t i = 0; i < CATEGORY_COUNT; i++) {
        size_t on;
        size_t off;
        count_category(left, i, &on, &off);
        size_t wrong = additive ? off : on;
        size_t right = additive ? on : off;
        if (!applied[i] && right > wrong &&
            (wrong < least_wrong || (wrong == least_wrong && right > most_right))) {
            best = i;
            least_wrong = wrong;
            most_right = right;
        }
    }
    return best;
}

static bool show_single_commands(const acl_selector *s, acl_selector *said, buffer *out) {
    bool ok = true;
    for (size_t row = 0; ok && row < ROW_COUNT; row++) {
        bool wanted = is_allowed(s, row);
        if (wanted != is_allowed(said, row)) {
            ok = buffer_printf(out, " %c%s", wanted ? '+' : '-', rows[row].name);
            allow(said, row, wanted);
        }
        for (size_t i = 0; ok && !wanted && i < s->first_count; i++) {
            if (s->first[i].command == row) {
                ok = buffer_printf(out, " +%s|%s", rows[row].name, s->first[i].text);
            }
        }
    }
    return ok;
}

/* The rules as a server words them: first the categories that fit best, then what is different. */
bool acl_selector_show_commands(const acl_selector *s, buffer *out) {
    bool additive = !s->all_commands;
    bool applied[CATEGORY_COUNT] = {false};
    acl_selector said = {.mem = s->mem};
    acl_selector left = {.mem = s->mem};
    size_t best;
    memcpy(left.allowed, s->allowed, sizeof left.allowed);
    allow_all(&said, !additive);
    bool ok = buffer_append_text(out, additive ? "-@all" : "+@all");
    while (ok && (best = best_category(&left, additive, applied)) != CATEGORY_COUNT) {
        applied[best] = true;
        allow_category(&said, best, additive);
        allow_category(&left, best, !additive);
        ok = buffer_printf(out, " %c@%s", additive ? '+' : '-', category_names[best]);
    }
    return ok && show_single_commands(s, &said, out);
}

bool acl_selector_show_keys(const acl_selector *s, buffer *out) {
    static const char *const marks[] = {"%", "%R", "%W", ""};
    bool ok = !s->keys.all || buffer_append_text(out, "~*");
    for (size_t i = 0; ok && i < s->keys.count; i++) {
        const acl_pattern *p = &s->keys.list[i];
        ok = buffer_printf(out, "%s%s~", i ? " " : "", marks[p->access]) &&
             buffer_append(out, p->text, p->len);
    }
    return ok;
}

bool acl_selector_show_channels(const acl_selector *s, buffer *out) {
    bool ok = !s->channels.all || buffer_append_text(out, "&*");
    for (size_t i = 0; ok && i < s->channels.count; i++) {
        ok = buffer_append_text(out, i ? " &" : "&") &&
             buffer_append(out, s->channels.list[i].text, s->channels.list[i].len);
    }
    return ok;
}
