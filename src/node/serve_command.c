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

/* The table has all commands of the imitated server; not all of them are here. */
static bool is_here(const command_text *text) {
    const kw_slice name = slice_text(text->name);
    const node_command *container;
    return node_command_find(&name, 1, &container) != NULL;
}

static const command_text *find_text(kw_slice name) {
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        if (slice_is_nocase(name, texts[i].name)) {
            return is_here(&texts[i]) ? &texts[i] : NULL;
        }
    }
    return NULL;
}

static size_t count_texts(void) {
    size_t count = 0;
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        count += is_here(&texts[i]);
    }
    return count;
}

void serve_command_all(node_call *c) {
    call_array(c, count_texts());
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        if (is_here(&texts[i])) {
            call_resp3(c, texts[i].info);
        }
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
        if (text) {
            call_resp3(c, text->info);
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
        call_map(c, count_texts());
        for (size_t i = 0; i < TEXT_COUNT; i++) {
            if (is_here(&texts[i])) {
                answer_docs(c, &texts[i]);
            }
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

void serve_command_list(node_call *c) {
    bool filtered =
        c->argc == 5 && call_argument_is(c, 2, "filterby") && call_argument_is(c, 3, "pattern");
    if (c->argc != 2 && !filtered) {
        call_syntax_error(c);
        return;
    }
    kw_slice pattern = filtered ? c->argv[4] : SLICE_LITERAL("*");
    size_t count = 0;
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        count += is_here(&texts[i]) && glob_match(pattern, slice_text(texts[i].name));
    }
    call_array(c, count);
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        if (is_here(&texts[i]) && glob_match(pattern, slice_text(texts[i].name))) {
            call_text(c, texts[i].name);
        }
    }
}

typedef struct key_list {
    const kw_slice *argv;
    size_t count;
    node_call *answer_to; /* NULL: they are only counted */
} key_list;

static bool take_key(void *arg, size_t position) {
    key_list *keys = arg;
    keys->count++;
    if (keys->answer_to) {
        call_bulk(keys->answer_to, keys->argv[position]);
    }
    return true;
}

/* Also of commands that the node does not have: their table is the client's. */
void serve_command_getkeys(node_call *c) {
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
    key_list keys = {argv, 0, NULL};
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
    kw_status again = command_keys(info, argv, argc, take_key, &keys);
    assert(again == KW_OK);
    (void)again; /* without assert */
}
