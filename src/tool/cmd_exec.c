#include "tool/emit.h"
#include "tool/options.h"
#include "tool/pipe.h"
#include "tool/target.h"

#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

enum { OPTION_JSON = 256, OPTION_EXPLAIN, OPTION_TIMEOUT, OPTION_TYPED, OPTION_RAW };

static const option_row rows[] = {
    OPTION_ROW_URL,
    {OPTION_JSON, "json", NULL, "each reply as one line of JSON"},
    {OPTION_TYPED, "typed", NULL, "replies with their types: the default on a terminal"},
    {OPTION_RAW, "raw", NULL, "bare replies: the default in a pipe"},
    {OPTION_EXPLAIN, "explain", NULL, "also slot, map generation, and each hop with its time"},
    {OPTION_TIMEOUT, "timeout", "MS", "deadline of each command, in milliseconds"},
    {'2', "resp2", NULL, "speak RESP2, whose maps and sets are arrays"},
    {'3', "resp3", NULL, "speak RESP3: the default"},
    {0, NULL, NULL, NULL},
};

static const option_set options = {
    .command = "exec",
    .usage = "[OPTION...] COMMAND [ARGUMENT...]\n       keyway exec [OPTION...] -",
    .about =
        "Runs one command and prints its reply as redis-cli does. With - it reads commands from\n"
        "standard input, one a line, with redis-cli's quoting, and pipelines them: replies come "
        "in\n"
        "the order of the lines. Blank lines and lines that begin with # are skipped.",
    .rows = rows,
    .after = "exit status: 0; 1 a server's error reply; 2 usage; 3 no reply (standard error says\n"
             "whether the command may have been executed); with -, the highest of all lines.\n\n"
             "examples:\n"
             "  keyway exec SET user:1 Ada\n"
             "  keyway exec -u redis://127.0.0.1:7000 --explain GET user:1\n"
             "  keyway exec --json HGETALL user:1 | jq .\n"
             "  seq 100000 | sed 's/.*/SET key:& &/' | keyway exec -",
};

typedef struct request {
    const char *url;
    uint64_t timeout_ms;
    int resp;
    bool explain;
    bool has_mode;
    print_mode mode;
} request;

static void set_mode(request *r, print_mode mode) {
    r->mode = mode;
    r->has_mode = true;
}

/* STATUS_OK and *ret_done false: go on with argv[optind]. */
static exit_status parse(int argc, char **argv, request *r, bool *ret_done) {
    const char *value = NULL;
    for (;;) {
        int id = option_next(&options, argc, argv, &value);
        switch (id) {
        case 'u':
            r->url = value;
            break;
        case OPTION_JSON:
            set_mode(r, PRINT_JSON);
            break;
        case OPTION_TYPED:
            set_mode(r, PRINT_TYPED);
            break;
        case OPTION_RAW:
            set_mode(r, PRINT_RAW);
            break;
        case OPTION_EXPLAIN:
            r->explain = true;
            break;
        case OPTION_TIMEOUT:
            if (!option_number(&options, "timeout", value, 1, UINT32_MAX, &r->timeout_ms)) {
                return STATUS_USAGE;
            }
            break;
        case '2':
        case '3':
            r->resp = id - '0';
            break;
        case OPTION_HELP:
            option_help(&options);
            *ret_done = true;
            return STATUS_OK;
        case OPTION_WRONG:
            return STATUS_USAGE;
        default:
            return optind < argc ? STATUS_OK
                                 : option_usage_error(&options, "which command shall run?");
        }
    }
}

static exit_status run_one(kw_client *client, emitter *e, const request *r, int argc, char **argv) {
    kw_slice *words = mem_calloc(&mem_default, (size_t)argc, sizeof *words);
    kw_call_options *call = NULL;
    kw_trace *trace = NULL;
    if (!words || kw_call_options_new(&call) != KW_OK ||
        (r->explain && kw_trace_new(&trace) != KW_OK)) {
        give_up("out of memory");
    }
    for (int i = 0; i < argc; i++) {
        words[i] = slice_text(argv[i]);
    }
    kw_call_options_set_timeout_ms(call, (uint32_t)r->timeout_ms);
    kw_call_options_set_trace(call, trace);
    kw_reply *reply = NULL;
    kw_error err = {.slot = -1};
    exit_status status;
    if (kw_call_argv(client, words, (size_t)argc, call, &reply, &err) == KW_OK) {
        status = emit_reply(e, reply, print_is_text(words, (size_t)argc), trace);
    } else {
        status = emit_failure(e, &err, NULL, trace);
    }
    kw_reply_free(reply);
    kw_trace_free(trace);
    kw_call_options_free(call);
    mem_free(&mem_default, words);
    return status;
}

exit_status cmd_exec(int argc, char **argv) {
    request r = {0};
    bool done = false;
    exit_status status = parse(argc, argv, &r, &done);
    if (status != STATUS_OK || done) {
        return status;
    }
    target t;
    status = target_open(&t, r.url, r.resp);
    if (status != STATUS_OK) {
        return status;
    }
    out to;
    out notes;
    out_init(&to, STDOUT_FILENO);
    out_init(&notes, STDERR_FILENO);
    emitter e = {.to = &to, .notes = &notes, .explain = r.explain};
    e.mode = r.has_mode ? r.mode : isatty(STDOUT_FILENO) == 1 ? PRINT_TYPED : PRINT_RAW;
    term_probe(&e.look, STDERR_FILENO);
    kw_error err = {.slot = -1};
    if (kw_refresh(t.client, (uint32_t)r.timeout_ms, &err) != KW_OK) {
        status = emit_failure(&e, &err, NULL, NULL); /* nobody is there: no use in waiting */
    } else if (argc - optind == 1 && slice_is(slice_text(argv[optind]), "-")) {
        status = pipe_run(t.client, STDIN_FILENO, &e, (uint32_t)r.timeout_ms);
    } else {
        status = run_one(t.client, &e, &r, argc - optind, argv + optind);
    }
    out_done(&to);
    out_done(&notes);
    target_close(&t);
    return status;
}
