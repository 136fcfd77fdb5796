#include "core/command.h"

#include "node/node_call.h"
#include "node/node_glob.h"
#include "node/node_handlers.h"

#include <assert.h>

typedef struct command_text {
    const char *name;
    const char *summary;
    const char *since;
    const char *group;
    const char *info; /* the element of COMMAND INFO, in RESP3 */
} command_text;

static const command_text texts[] = {
#include "node/node_command_info.inc"
};

#define TEXT_COUNT (sizeof texts / sizeof *texts)

static const command_text *find_text(kw_slice name) {
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        if (slice_is_nocase(name, texts[i].name)) {
            return &texts[i];
        }
    }
    return NULL;
}

/* ------------------------------------------------------------------- reading what is written */

/* Behind the RESP3 value at `at`. */
static const char *skip(const char *at) {
    size_t open = 1;
    while (open > 0) {
        const char *line_end = strchr(at, '\n') + 1;
        size_t count = 0;
        for (const char *digit = at + 1; '0' <= *digit && *digit <= '9'; digit++) {
            count = count * 10 + (size_t)(*digit - '0');
        }
        open--;
        if (*at == '*' || *at == '~' || *at == '%') {
            open += *at == '%' ? 2 * count : count;
        }
        at = *at == '$' ? line_end + count + 2 : line_end;
    }
    return at;
}

/* The index-th element of the array at `at`. */
static const char *element(const char *at, size_t index) {
    at = strchr(at, '\n') + 1;
    for (size_t i = 0; i < index; i++) {
        at = skip(at);
    }
    return at;
}

static size_t element_count(const char *at) {
    uint64_t count = 0;
    (void)slice_to_u64(slice_of(at + 1, (size_t)(strchr(at, '\r') - at - 1)), &count); /* ours */
    return (size_t)count;
}

/* The text of a bulk string, or of a line. */
static kw_slice text_at(const char *at) {
    const char *line = *at == '$' ? strchr(at, '\n') + 1 : at + 1;
    return slice_of(line, (size_t)(strchr(line, '\r') - line));
}

/* A map's value of that key, which it has. */
static const char *field(const char *resp3, const char *key) {
    const char *at = element(resp3, 0);
    while (!slice_is(text_at(at), key)) {
        at = skip(skip(at));
    }
    return skip(at);
}

enum { INFO_KEY_SPECS = 8, INFO_SUBCOMMANDS = 9 }; /* places in an element of COMMAND INFO */

/* Of a subcommand, "config|get"; NULL: there is none. */
static const char *find_subcommand(kw_slice name) {
    kw_slice rest = name;
    kw_slice parent;
    (void)slice_split(&rest, '|', &parent); /* a name has one part at least */
    const command_text *text = rest.data ? find_text(parent) : NULL;
    const char *subs = text ? element(text->info, INFO_SUBCOMMANDS) : NULL;
    for (size_t i = 0; subs && i < element_count(subs); i++) {
        const char *sub = element(subs, i);
        if (slice_equal_nocase(text_at(element(sub, 0)), name)) {
            return sub;
        }
    }
    return NULL;
}

static void answer_element(node_call *c, const char *at) {
    buffer copy;
    buffer_init(&copy, c->node->mem, 0);
    if (buffer_append(&copy, at, (size_t)(skip(at) - at)) && buffer_append(&copy, "", 1)) {
        call_resp3(c, buffer_slice(&copy).data);
    } else {
        c->session->flags |= SESSION_FAILED;
    }
    buffer_done(&copy);
}

/* -------------------------------------------------------------------------------- COMMAND */

void serve_command_all(node_call *c) {
    call_array(c, TEXT_COUNT);
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        call_resp3(c, texts[i].info);
    }
}

void serve_command_info(node_call *c) {
    if (c->argc == 2) {
        serve_command_all(c);
        return;
    }
    call_array(c, c->argc - 2);
    for (size_t i = 2; i < c->argc; i++) {
        const command_text *text = find_text(c->argv[i]);
        const char *sub = text ? NULL : find_subcommand(c->argv[i]);
        if (text) {
            call_resp3(c, text->info);
        } else if (sub) {
            answer_element(c, sub);
        } else {
            call_null(c);
        }
    }
}

void serve_command_count(node_call *c) {
    call_integer(c, (int64_t)node_command_count());
}

static void answer_docs(node_call *c, const command_text *text) {
    call_text(c, text->name);
    call_map(c, 3);
    call_text(c, "summary");
    call_text(c, text->summary);
    call_text(c, "since");
    call_text(c, text->since);
    call_text(c, "group");
    call_text(c, text->group);
}

void serve_command_docs(node_call *c) {
    if (c->argc == 2) {
        call_map(c, TEXT_COUNT);
        for (size_t i = 0; i < TEXT_COUNT; i++) {
            answer_docs(c, &texts[i]);
        }
        return;
    }
    size_t known = 0;
    for (size_t i = 2; i < c->argc; i++) {
        known += find_text(c->argv[i]) != NULL;
    }
    call_map(c, known);
    for (size_t i = 2; i < c->argc; i++) {
        const command_text *text = find_text(c->argv[i]);
        if (text) {
            answer_docs(c, text);
        }
    }
}

/* True if the node has a command of that name, "get" or "config|get". */
static bool has_command(const char *name) {
    kw_slice argv[2];
    kw_slice rest = slice_text(name);
    const node_command *container;
    size_t argc = 0;
    while (argc < 2 && slice_split(&rest, '|', &argv[argc])) {
        argc++;
    }
    return node_command_find(argv, argc, &container) != NULL;
}

typedef enum list_filter { LIST_ALL, LIST_PATTERN, LIST_CATEGORY, LIST_MODULE } list_filter;

static bool is_listed(const node_call *c, list_filter filter, const char *name) {
    kw_slice text = slice_text(name);
    switch (filter) {
    case LIST_PATTERN:
        return has_command(name) && glob_match(c->argv[4], text);
    case LIST_CATEGORY:
        return has_command(name) && acl_in_category(text, acl_find_category(c->argv[4]));
    case LIST_MODULE:
        return false; /* no command comes from a module */
    default:
        return has_command(name);
    }
}

void serve_command_list(node_call *c) {
    list_filter filter = LIST_ALL;
    bool filtered = c->argc == 5 && call_argument_is(c, 2, "filterby");
    if (filtered && call_argument_is(c, 3, "pattern")) {
        filter = LIST_PATTERN;
    } else if (filtered && call_argument_is(c, 3, "aclcat")) {
        filter = LIST_CATEGORY;
    } else if (filtered && call_argument_is(c, 3, "module")) {
        filter = LIST_MODULE;
    } else if (c->argc != 2) {
        call_syntax_error(c);
        return;
    }
    size_t count = 0;
    for (size_t i = 0; i < acl_command_count(); i++) {
        count += is_listed(c, filter, acl_command(i));
    }
    call_array(c, count);
    for (size_t i = 0; i < acl_command_count(); i++) {
        if (is_listed(c, filter, acl_command(i))) {
            call_text(c, acl_command(i));
        }
    }
}

typedef struct key_list {
    const kw_slice *argv;
    size_t argc;
    size_t count;
    node_call *answer_to;   /* NULL: they are only counted */
    const char *with_flags; /* the key specifications of COMMAND INFO; NULL: keys alone */
} key_list;

static bool has_word(const key_list *keys, size_t from, const char *word) {
    for (size_t i = from; i < keys->argc; i++) {
        if (slice_is_nocase(keys->argv[i], word)) {
            return true;
        }
    }
    return false;
}

/* Some commands do less to their key without certain options; NULL: as its specification says. */
static const char *lesser_flags(const key_list *keys) {
    if (slice_is_nocase(keys->argv[0], "set") && !has_word(keys, 3, "get")) {
        return "~2\r\n+OW\r\n+update\r\n";
    }
    if (slice_is_nocase(keys->argv[0], "bitfield") && !has_word(keys, 2, "set") &&
        !has_word(keys, 2, "incrby")) {
        return "~2\r\n+RO\r\n+access\r\n";
    }
    return NULL;
}

/* What the specification that begins at a position says of its keys, or else the one after it. */
static const char *flags_of(const key_list *keys, size_t position) {
    const char *specs = keys->with_flags;
    const char *first = element(specs, 0);
    const char *begin = field(first, "begin_search");
    uint64_t index = 0;
    if (element_count(specs) > 1 && slice_is(text_at(field(begin, "type")), "index") &&
        slice_to_u64(text_at(field(field(begin, "spec"), "index")), &index) && index != position) {
        first = element(specs, 1);
    }
    return field(first, "flags");
}

static bool take_key(void *arg, size_t position) {
    key_list *keys = arg;
    keys->count++;
    node_call *c = keys->answer_to;
    if (c && keys->with_flags) {
        call_array(c, 2);
    }
    if (c) {
        call_bulk(c, keys->argv[position]);
    }
    const char *lesser = lesser_flags(keys);
    if (c && keys->with_flags && lesser) {
        call_resp3(c, lesser);
    } else if (c && keys->with_flags) {
        const char *flags = flags_of(keys, position);
        size_t count = element_count(flags);
        bool varies = slice_is(text_at(element(flags, count - 1)), "variable_flags");
        call_set(c, count - varies);
        for (size_t i = 0; i < count - varies; i++) {
            answer_element(c, element(flags, i));
        }
    }
    return true;
}

/* The key specifications of a command or subcommand; NULL: it is not in the table. */
static const char *specs_of(const kw_slice *argv, size_t argc) {
    char name[64];
    const command_text *text = find_text(argv[0]);
    if (!text) {
        return NULL;
    }
    const char *info = text->info;
    if (argc > 1 && element_count(element(info, INFO_SUBCOMMANDS)) > 0) {
        size_t len = slice_copy(name, sizeof name - 1, argv[0]);
        name[len++] = '|';
        len += slice_copy(name + len, sizeof name - len, argv[1]);
        info = find_subcommand(slice_of(name, len));
    }
    return info ? element(info, INFO_KEY_SPECS) : NULL;
}

/* Also of commands that the node does not have: their table is the client's. */
static void answer_keys(node_call *c, bool with_flags) {
    const kw_slice *argv = c->argv + 2;
    size_t argc = c->argc - 2;
    const command_info *info = command_find(argv, argc);
    if (!info) {
        call_error(c, "ERR Invalid command specified");
        return;
    }
    if (info->arity < 0 ? argc < (size_t)-info->arity : argc != (size_t)info->arity) {
        call_error(c, "ERR Invalid number of arguments specified for command");
        return;
    }
    if (info->spec_count == 0) {
        call_error(c, "ERR The command has no key arguments");
        return;
    }
    key_list keys = {argv, argc, 0, NULL, NULL};
    if (command_keys(info, argv, argc, take_key, &keys) != KW_OK || keys.count == 0) {
        kw_slice name = slice_text(info->name);
        if (slice_starts_with(name, "EVAL") || slice_starts_with(name, "FCALL")) {
            call_array(c, 0); /* scripts may do without keys */
        } else {
            call_error(c, "ERR Invalid arguments specified for command");
        }
        return;
    }
    call_array(c, keys.count);
    keys.answer_to = c;
    keys.with_flags = with_flags ? specs_of(argv, argc) : NULL;
    kw_status again = command_keys(info, argv, argc, take_key, &keys);
    assert(again == KW_OK);
    (void)again; /* without assert */
}

void serve_command_getkeys(node_call *c) {
    answer_keys(c, false);
}

void serve_command_getkeysandflags(node_call *c) {
    answer_keys(c, true);
}
