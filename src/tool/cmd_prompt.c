#include "tool/editor.h"
#include "tool/emit.h"
#include "tool/explain.h"
#include "tool/interrupt.h"
#include "tool/mapview.h"
#include "tool/options.h"
#include "tool/pipe.h"
#include "tool/quote.h"
#include "tool/target.h"

#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

enum { OPTION_TIMEOUT = 256 };

static const option_row rows[] = {
    OPTION_ROW_URL,
    {OPTION_TIMEOUT, "timeout", "MS", "deadline of each command, in milliseconds"},
    {'2', "resp2", NULL, "speak RESP2, whose maps and sets are arrays"},
    {'3', "resp3", NULL, "speak RESP3: the default"},
    {0, NULL, NULL, NULL},
};

static const option_set options = {
    .command = "", .usage = "[OPTION...]", .about = "A prompt for commands.", .rows = rows};

typedef struct prompt {
    target *target;
    kw_client *client;
    uint32_t timeout_ms;
    editor *edit;
    out to;
    out notes;
    emitter emit;
    words words;
    bool explain;
    bool has_map; /* the first map has come: changes are news from now on */
    bool leave;
} prompt;

/* ------------------------------------------------------------------ events */

static bool is_news(const prompt *p, kw_event_type type) {
    switch (type) {
    case KW_EVENT_SLOT_HEALED:
    case KW_EVENT_NODE_DOWN:
    case KW_EVENT_REFRESH_REFUSED:
    case KW_EVENT_REFRESH_FAILED:
    case KW_EVENT_PUSH:
        return true;
    case KW_EVENT_MAP_CHANGED:
    case KW_EVENT_NODE_ADDED:
    case KW_EVENT_NODE_REMOVED:
        return p->has_map;
    default:
        return false; /* redirects are part of each command's own line */
    }
}

static void on_event(kw_client *client, const kw_event *event, void *arg) {
    (void)client;
    prompt *p = arg;
    kw_event_type type = kw_event_get_type(event);
    if (is_news(p, type)) {
        const term *t = &p->emit.look;
        bool bad = type == KW_EVENT_NODE_DOWN || type == KW_EVENT_REFRESH_FAILED;
        char line[320];
        snprintf(line, sizeof line, "%s%s %s%s", term_style(t, bad ? STYLE_BAD : STYLE_DIM),
                 term_glyph(t, "●", "*"), kw_event_text(event), term_style(t, STYLE_RESET));
        editor_tell(p->edit, line);
    }
    p->has_map = p->has_map || type == KW_EVENT_MAP_CHANGED;
}

/* ---------------------------------------------------------------- commands */

/* A command under way. */
typedef struct call {
    kw_reply *reply;
    kw_error err;
    kw_trace *trace;
    bool done;
} call;

static void call_free(call *c) {
    kw_reply_free(c->reply);
    kw_trace_free(c->trace);
    mem_free(&mem_default, c);
}

static void on_reply(kw_client *client, kw_reply *reply, const kw_error *err, void *arg) {
    (void)client;
    call *c = arg;
    c->done = true;
    if (err) {
        c->err = *err;
    }
    c->reply = reply ? kw_reply_keep(reply) : NULL;
}

static void show_call(prompt *p, call *c, bool as_text) {
    if (!p->explain && kw_trace_hop_count(c->trace) > 0) {
        explain_line(&p->to, &p->emit.look, c->trace);
    }
    if (c->reply) {
        (void)emit_reply(&p->emit, c->reply, as_text, c->trace);
    } else {
        (void)emit_failure(&p->emit, &c->err, NULL, c->trace);
    }
    out_flush(&p->to);
}

/* What a command has under way ends only with its connections: a BLPOP would else take the next
 * element for nobody. */
static void interrupt_call(prompt *p, call *c) {
    (void)interrupt_take();
    editor_tell(p->edit, ""); /* below the ^C */
    kw_on_event(p->client, NULL, NULL);
    p->leave = target_reopen(p->target) != STATUS_OK; /* completes the command */
    p->client = p->target->client;
    if (!p->leave) {
        editor_set_client(p->edit, p->client);
        kw_on_event(p->client, on_event, p);
        p->has_map = false;
    }
    if (c->err.outcome == KW_MAYBE_EXECUTED) {
        complain("interrupted: the command may have been executed");
    } else {
        complain("interrupted: the command has changed nothing");
    }
}

/* False: it was interrupted, and whoever repeats commands should stop. */
static bool run_once(prompt *p) {
    call *c = mem_calloc(&mem_default, 1, sizeof *c);
    kw_call_options *call_options = NULL;
    if (!c || kw_trace_new(&c->trace) != KW_OK || kw_call_options_new(&call_options) != KW_OK) {
        give_up("out of memory");
    }
    c->err.slot = -1;
    kw_call_options_set_trace(call_options, c->trace);
    kw_call_options_set_timeout_ms(call_options, p->timeout_ms);
    kw_status status =
        kw_submit(p->client, p->words.items, p->words.count, call_options, on_reply, c, &c->err);
    kw_call_options_free(call_options);
    c->done = status != KW_OK;
    while (!c->done && interrupt_seen() == 0) {
        if (kw_wait(p->client, -1) == KW_ERR_NOMEM) {
            give_up("out of memory");
        }
    }
    if (!c->done) {
        interrupt_call(p, c);
        call_free(c);
        return false;
    }
    show_call(p, c, print_is_text(p->words.items, p->words.count));
    call_free(c);
    return true;
}

/* --------------------------------------------------------- the prompt's own */

static void own_help(prompt *p) {
    out_text(&p->to,
             "Any other line is a command for the cluster, as in redis-cli: SET user:1 \"Ada\"\n"
             "  help             this text\n"
             "  map              the slot map\n"
             "  slot KEY...      the slot of each key\n"
             "  explain on|off   the whole way of each command\n"
             "  3 INCR n         runs it three times\n"
             "  clear            clears the screen\n"
             "  quit             leaves; so does Ctrl-D. Ctrl-C drops the line\n"
             "Tab completes the names of commands, Ctrl-R searches the history.\n");
}

static void own_quit(prompt *p) {
    p->leave = true;
}

static void own_clear(prompt *p) {
    out_text(&p->to, "\033[H\033[2J");
}

static void own_map(prompt *p) {
    kw_error err = {.slot = -1};
    kw_map *map = NULL;
    if (kw_refresh(p->client, 0, &err) != KW_OK) {
        complain_error(NULL, &err);
        return;
    }
    if (kw_map_new(p->client, &map) != KW_OK) {
        give_up("out of memory");
    }
    term_resize(&p->emit.look, STDOUT_FILENO);
    mapview_picture(&p->to, &p->emit.look, map);
    kw_map_free(map);
}

static void own_slot(prompt *p) {
    for (size_t i = 1; i < p->words.count; i++) {
        kw_slice key = p->words.items[i];
        out_printf(&p->to, "%5d  ", kw_key_slot(key.data, key.len));
        quote_write(&p->to, key);
        out_char(&p->to, '\n');
    }
}

static void own_explain(prompt *p) {
    p->explain = p->words.count < 2 || !slice_is_nocase(p->words.items[1], "off");
    p->emit.explain = p->explain;
    out_printf(&p->to, "explain is %s\n", p->explain ? "on" : "off");
}

static const struct {
    const char *name;
    void (*run)(prompt *p);
} own_commands[] = {{"help", own_help}, {"?", own_help},         {"quit", own_quit},
                    {"exit", own_quit}, {"clear", own_clear},    {"map", own_map},
                    {"slot", own_slot}, {"explain", own_explain}};

static bool run_own(prompt *p) {
    for (size_t i = 0; i < sizeof own_commands / sizeof own_commands[0]; i++) {
        if (slice_is_nocase(p->words.items[0], own_commands[i].name)) {
            own_commands[i].run(p);
            out_flush(&p->to);
            return true;
        }
    }
    return false;
}

static void run_line(prompt *p, const char *line, size_t len) {
    const char *why = NULL;
    uint64_t times = 1;
    if (!words_split(&p->words, line, len, &why)) {
        editor_remember(p->edit, line, len);
        complain("%s", why);
        return;
    }
    if (p->words.count == 0) {
        return;
    }
    if (!words_are_secret(&p->words)) {
        editor_remember(p->edit, line, len);
    }
    if (run_own(p)) {
        return;
    }
    if (!words_take_repeat(&p->words, &times)) {
        complain("the number before a command says how often it runs; it must be 1 or more");
        return;
    }
    while (times-- > 0 && run_once(p)) {
    }
}

/* -------------------------------------------------------------------- runs */

static void greet(prompt *p, const target *t) {
    const term *look = &p->emit.look;
    out_printf(&p->to, "%skeyway %s%s", term_style(look, STYLE_BOLD), kw_version(),
               term_style(look, STYLE_RESET));
    if (t->lab) {
        out_printf(&p->to, "  %s%d nodes in this process; others reach them at %s%s",
                   term_style(look, STYLE_DIM), kw_lab_node_count(t->lab), kw_lab_url(t->lab),
                   term_style(look, STYLE_RESET));
    }
    out_printf(&p->to, "\n%s`help` says what there is, Tab completes, Ctrl-D leaves%s\n",
               term_style(look, STYLE_DIM), term_style(look, STYLE_RESET));
    out_flush(&p->to);
}

static exit_status run_interactive(prompt *p, const target *t) {
    interrupt_catch(false);
    p->edit = editor_new(p->client, &p->emit.look);
    if (!p->edit) {
        complain("this terminal cannot be edited on; `keyway exec -` reads commands from a pipe");
        return STATUS_USAGE;
    }
    greet(p, t);
    words_init(&p->words);
    kw_on_event(p->client, on_event, p);
    editor_result result = EDITOR_LINE;
    while (!p->leave && result != EDITOR_END) {
        const char *line = NULL;
        size_t len = 0;
        result = editor_read(p->edit, &line, &len);
        if (result == EDITOR_LINE) {
            run_line(p, line, len);
        }
    }
    if (result == EDITOR_END) {
        out_char(&p->to, '\n');
    }
    if (p->client) {
        kw_on_event(p->client, NULL, NULL);
    }
    words_done(&p->words);
    editor_free(p->edit);
    return STATUS_OK;
}

static exit_status run(target *t, uint32_t timeout_ms) {
    prompt p = {.target = t, .client = t->client, .timeout_ms = timeout_ms};
    out_init(&p.to, STDOUT_FILENO);
    out_init(&p.notes, STDERR_FILENO);
    p.emit.to = &p.to;
    p.emit.notes = &p.notes;
    term_probe(&p.emit.look, STDOUT_FILENO);
    p.emit.mode = p.emit.look.is_tty ? PRINT_TYPED : PRINT_RAW;
    exit_status status = isatty(STDIN_FILENO) == 1 && p.emit.look.is_tty
                             ? run_interactive(&p, t)
                             : pipe_run(t->client, STDIN_FILENO, &p.emit, timeout_ms);
    out_done(&p.to);
    out_done(&p.notes);
    return status;
}

static exit_status misplaced(const char *word) {
    for (const tool_command *command = tool_commands; command->name; command++) {
        if (slice_is(slice_text(word), command->name)) {
            complain("the command comes first: `keyway %s [OPTION...]`", word);
            return STATUS_USAGE;
        }
    }
    complain("a server's command runs as `keyway exec [OPTION...] %s ...`", word);
    return STATUS_USAGE;
}

exit_status cmd_prompt(int argc, char **argv) {
    const char *value = NULL;
    const char *url = NULL;
    uint64_t timeout_ms = 0;
    int resp = 0;
    int id;
    while ((id = option_next(&options, argc, argv, &value)) != OPTION_END) {
        if (id == OPTION_WRONG ||
            (id == OPTION_TIMEOUT &&
             !option_number(&options, "timeout", value, 1, UINT32_MAX, &timeout_ms))) {
            return STATUS_USAGE;
        }
        if (id == 'u') {
            url = value;
        } else if (id == '2' || id == '3') {
            resp = id - '0';
        } else if (id == OPTION_HELP) {
            option_help(&options);
            return STATUS_OK;
        }
    }
    if (optind < argc) {
        return misplaced(argv[optind]);
    }
    target t;
    exit_status status = target_open(&t, url, resp);
    if (status == STATUS_OK) {
        status = run(&t, (uint32_t)timeout_ms);
        target_close(&t);
    }
    return status;
}
