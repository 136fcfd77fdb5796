#include "tool/pipe.h"

#include "tool/quote.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

enum {
    WINDOW = 1024,   /* commands under way at most */
    WINDOW_MIN = 16, /* ... when their replies are large */
    READ_BYTES = 64 * 1024,
    OPEN_BYTES_MAX = 16 * 1024 * 1024, /* of commands, or of replies, under way */
    LINE_BYTES_MAX = 1024 * 1024 * 1024
};

/* A line that is under way, or done and waits for those before it. */
typedef struct entry {
    kw_reply *reply; /* kept; NULL until done, and if none came */
    kw_trace *trace;
    const char *complaint; /* the line was no command */
    kw_error err;
    uint64_t line;
    size_t bytes;
    bool done;
    bool as_text;
} entry;

typedef struct pipeline {
    kw_client *client;
    emitter *emit;
    kw_call_options *options;
    buffer input;
    size_t scanned; /* bytes of input known to hold no line end */
    words words;    /* the line being submitted, `repeat` times more */
    uint64_t repeat;
    uint64_t line; /* its number */
    uint64_t head; /* entries[head % WINDOW] is the oldest not printed */
    uint64_t tail;
    size_t open_bytes;  /* of the commands under way */
    size_t reply_bytes; /* of a reply, lately */
    exit_status worst;
    bool ended; /* no more input */
    entry entries[WINDOW];
} pipeline;

static void note(pipeline *p, exit_status status) {
    if (status > p->worst) {
        p->worst = status;
    }
}

static void on_reply(kw_client *client, kw_reply *reply, const kw_error *err, void *arg) {
    (void)client;
    entry *e = arg;
    e->done = true;
    e->reply = reply ? kw_reply_keep(reply) : NULL;
    if (err) {
        e->err = *err;
    }
}

static void print_entry(pipeline *p, entry *e) {
    char where[32];
    snprintf(where, sizeof where, "line %llu", (unsigned long long)e->line);
    size_t before = buffer_len(&p->emit->to->bytes);
    if (e->complaint) {
        out_text(p->emit->to, p->emit->mode == PRINT_JSON ? "{\"error\":\"Invalid argument(s)\"}\n"
                                                          : "Invalid argument(s)\n");
        out_flush(p->emit->to);
        complain("%s: %s", where, e->complaint);
        note(p, STATUS_USAGE);
    } else if (e->reply) {
        note(p, emit_reply(p->emit, e->reply, e->as_text, e->trace));
    } else {
        note(p, emit_failure(p->emit, &e->err, where, e->trace));
    }
    size_t after = buffer_len(&p->emit->to->bytes);
    size_t printed = after > before ? after - before : READ_BYTES; /* it was flushed: large */
    p->reply_bytes = (p->reply_bytes * 7 + printed) / 8;
    p->open_bytes -= e->bytes;
    kw_reply_free(e->reply);
    kw_trace_free(e->trace);
}

static void print_done(pipeline *p) {
    while (p->head < p->tail && p->entries[p->head % WINDOW].done) {
        print_entry(p, &p->entries[p->head % WINDOW]);
        p->head++;
    }
}

static bool has_room(const pipeline *p) {
    uint64_t window = p->reply_bytes > 0 ? OPEN_BYTES_MAX / p->reply_bytes : WINDOW;
    window = window > WINDOW ? WINDOW : window < WINDOW_MIN ? WINDOW_MIN : window;
    return p->tail - p->head < window && p->open_bytes < OPEN_BYTES_MAX;
}

static entry *push_entry(pipeline *p) {
    entry *e = &p->entries[p->tail++ % WINDOW];
    *e = (entry){.line = p->line, .err.slot = -1};
    return e;
}

/* Submits the current line once. False: the client is full, try again later. */
static bool submit_one(pipeline *p) {
    entry *e = push_entry(p);
    for (size_t i = 0; i < p->words.count; i++) {
        e->bytes += p->words.items[i].len + 16;
    }
    p->open_bytes += e->bytes;
    e->as_text = print_is_text(p->words.items, p->words.count);
    if (p->emit->explain && kw_trace_new(&e->trace) != KW_OK) {
        give_up("out of memory");
    }
    kw_call_options_set_trace(p->options, e->trace);
    kw_error err = {0};
    kw_status status =
        kw_submit(p->client, p->words.items, p->words.count, p->options, on_reply, e, &err);
    if (status == KW_ERR_LIMIT && kw_pending(p->client) > 0) {
        p->open_bytes -= e->bytes;
        kw_trace_free(e->trace);
        p->tail--;
        return false;
    }
    if (status != KW_OK) {
        e->err = err;
        e->done = true;
    }
    return true;
}

static void take_line(pipeline *p, const char *line, size_t len) {
    const char *why = NULL;
    p->line++;
    p->repeat = 0;
    if (!words_split(&p->words, line, len, &why)) {
        entry *e = push_entry(p);
        e->complaint = why;
        e->done = true;
        return;
    }
    if (p->words.count == 0 || (p->words.items[0].len > 0 && p->words.items[0].data[0] == '#')) {
        return;
    }
    if (slice_is_nocase(p->words.items[0], "quit") || slice_is_nocase(p->words.items[0], "exit")) {
        p->ended = true;
        buffer_clear(&p->input, 0);
        return;
    }
    if (!words_take_repeat(&p->words, &p->repeat)) {
        entry *e = push_entry(p);
        e->complaint = "the number before a command says how often it runs; it must be 1 or more";
        e->done = true;
        p->repeat = 0;
    }
}

/* The next line that is whole, or at the end of the input what is left. */
static bool next_line(pipeline *p) {
    kw_slice input = buffer_slice(&p->input);
    const char *end = input.len > p->scanned
                          ? memchr(input.data + p->scanned, '\n', input.len - p->scanned)
                          : NULL;
    p->scanned = 0;
    if (end) {
        size_t len = (size_t)(end - input.data);
        take_line(p, input.data, len);
        if (buffer_len(&p->input) > 0) {
            buffer_consume(&p->input, len + 1);
        }
        return true;
    }
    if (p->ended && input.len > 0) {
        take_line(p, input.data, input.len);
        buffer_clear(&p->input, 0);
        return true;
    }
    p->scanned = input.len;
    return false;
}

/* Submits as much of the input as there is room for. */
static void feed(pipeline *p) {
    while (has_room(p)) {
        if (p->repeat > 0) {
            if (!submit_one(p)) {
                return;
            }
            p->repeat--;
        } else if (!next_line(p)) {
            return;
        }
    }
}

static void read_input(pipeline *p, int fd) {
    char *room = buffer_reserve(&p->input, READ_BYTES);
    if (!room) {
        complain("line %llu is too long", (unsigned long long)p->line + 1);
        note(p, STATUS_USAGE);
        buffer_clear(&p->input, 0);
        p->ended = true;
        return;
    }
    ssize_t got = read(fd, room, READ_BYTES);
    int error = errno;
    if (got > 0) {
        buffer_commit(&p->input, (size_t)got);
    } else if (got == 0) {
        p->ended = true;
    } else if (error != EINTR && error != EAGAIN) {
        complain("cannot read standard input: %s", strerror(error));
        note(p, STATUS_USAGE);
        p->ended = true;
    }
}

/* Waits for input (if there is room for it), or for the cluster. */
static void wait_and_work(pipeline *p, int fd) {
    bool reading = !p->ended && p->repeat == 0 && has_room(p);
    struct pollfd fds[2] = {{.fd = kw_fd(p->client), .events = POLLIN},
                            {.fd = reading ? fd : -1, .events = POLLIN}};
    bool idle = kw_pending(p->client) == 0 && !reading;
    out_flush(p->emit->to);
    int ready = poll(fds, 2, idle ? 0 : kw_timeout_ms(p->client));
    if (ready > 0 && fds[1].revents != 0) {
        read_input(p, fd);
    }
    kw_status status = kw_process(p->client);
    if (status == KW_ERR_NOMEM) {
        give_up("out of memory");
    }
}

exit_status pipe_run(kw_client *client, int fd, emitter *e, uint32_t timeout_ms) {
    pipeline *p = mem_calloc(&mem_default, 1, sizeof *p);
    if (!p || kw_call_options_new(&p->options) != KW_OK) {
        give_up("out of memory");
    }
    p->client = client;
    p->emit = e;
    kw_call_options_set_timeout_ms(p->options, timeout_ms);
    buffer_init(&p->input, &mem_default, LINE_BYTES_MAX);
    words_init(&p->words);
    for (;;) {
        feed(p);
        print_done(p);
        if (p->ended && p->repeat == 0 && p->head == p->tail && buffer_len(&p->input) == 0) {
            break;
        }
        wait_and_work(p, fd);
    }
    out_flush(e->to);
    exit_status worst = p->worst;
    kw_call_options_free(p->options);
    words_done(&p->words);
    buffer_done(&p->input);
    mem_free(&mem_default, p);
    return worst;
}
