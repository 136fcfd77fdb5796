/* Compares the keys that we find in a command with those that a real redis-server finds: COMMAND
 * GETKEYS, for lines made at random (always the same) out of every command that both know. */
#include "base/buffer.h"
#include "base/prng.h"
#include "core/command.h"
#include "core/reply.h"
#include "core/resp.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define ARGUMENTS_MAX 48
#define LINE_BYTES 1024
#define LINES_PER_COMMAND 24

/* -------------------------------------------------------------------- server */

typedef struct server {
    pid_t pid;
    int fd;
    char home[64];
    buffer input;
} server;

static char *path_in(const server *s, const char *name, char *dst, size_t size) {
    (void)snprintf(dst, size, "%s/%s", s->home, name);
    return dst;
}

static void exec_server(const server *s) {
    char socket_path[96];
    char log_path[96];
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* ends with the test, however that ends */
    execlp("redis-server", "redis-server", "--port", "0", "--save", "", "--dir", s->home,
           "--unixsocket", path_in(s, "socket", socket_path, sizeof socket_path), "--logfile",
           path_in(s, "log", log_path, sizeof log_path), (char *)NULL);
    _exit(127);
}

static bool try_connect(server *s) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)path_in(s, "socket", address.sun_path, sizeof address.sun_path);
    s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(s->fd >= 0);
    if (connect(s->fd, (struct sockaddr *)&address, sizeof address) == 0) {
        return true;
    }
    (void)close(s->fd);
    s->fd = -1;
    return false;
}

static int start_server(void **state) {
    server *s = calloc(1, sizeof *s);
    assert_non_null(s);
    buffer_init(&s->input, &mem_default, 0);
    (void)snprintf(s->home, sizeof s->home, "/tmp/keyway-keys-XXXXXX");
    assert_non_null(mkdtemp(s->home));
    s->pid = fork();
    if (s->pid == 0) {
        exec_server(s);
    }
    assert_true(s->pid > 0);
    *state = s;
    for (int tries = 0; tries < 200; tries++) {
        if (try_connect(s)) {
            return 0;
        }
        (void)usleep(50000);
    }
    return -1;
}

static int stop_server(void **state) {
    server *s = *state;
    char path[96];
    (void)kill(s->pid, SIGKILL);
    (void)waitpid(s->pid, NULL, 0);
    (void)close(s->fd);
    (void)unlink(path_in(s, "socket", path, sizeof path));
    (void)unlink(path_in(s, "log", path, sizeof path));
    (void)rmdir(s->home);
    buffer_done(&s->input);
    free(s);
    return 0;
}

static kw_reply *ask(server *s, const kw_slice *argv, size_t argc) {
    size_t size = (size_t)resp_command_size(argv, argc);
    char *bytes = malloc(size);
    assert_non_null(bytes);
    (void)resp_command_encode(bytes, argv, argc);
    assert_int_equal(send(s->fd, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
    free(bytes);
    resp_scanner scanner;
    resp_scanner_init(&scanner, &resp_limits_default);
    for (;;) {
        kw_slice got = buffer_slice(&s->input);
        resp_progress progress = resp_scan(&scanner, got.data, got.len);
        assert_int_not_equal(progress, RESP_BROKEN);
        if (progress == RESP_DONE) {
            kw_reply *reply =
                reply_build(&mem_default, got.data, (size_t)scanner.offset, scanner.node_count);
            assert_non_null(reply);
            buffer_consume(&s->input, (size_t)scanner.offset);
            return reply;
        }
        char *room = buffer_reserve(&s->input, 4096);
        ssize_t count = recv(s->fd, room, 4096, 0);
        assert_true(count > 0);
        buffer_commit(&s->input, (size_t)count);
    }
}

/* --------------------------------------------------------------------- lines */

typedef struct line {
    kw_slice argv[ARGUMENTS_MAX];
    size_t argc;
    char name[64]; /* what argv's first one or two point into */
} line;

static void start_line_with(line *l, const char *name) {
    l->argc = 0;
    (void)snprintf(l->name, sizeof l->name, "%s", name);
    kw_slice rest = slice_text(l->name);
    kw_slice part;
    while (slice_split(&rest, ' ', &part)) {
        l->argv[l->argc++] = part;
    }
}

/* Numbers are frequent enough for numkeys to make sense, and so are the words that specifications
 * look for. */
static const char *random_word(prng *p) {
    static const char *const words[] = {
        "a",  "b",   "c", "d",     "e",     "f",     "",          "0",       "1",    "1",
        "2",  "2",   "3", "4",     "-1",    "STORE", "store",     "STREAMS", "KEYS", "COUNT",
        "BY", "GET", "x", "LIMIT", "BLOCK", "GROUP", "STOREDIST", "AUTH",    "AUTH2"};
    return words[prng_below(p, sizeof words / sizeof words[0])];
}

static void add_random_words(line *l, const command_info *info, prng *p) {
    size_t least = (size_t)(info->arity < 0 ? -info->arity : info->arity);
    size_t argc = least + (info->arity < 0 ? prng_below(p, 8) : 0);
    while (l->argc < argc) {
        l->argv[l->argc++] = slice_text(random_word(p));
    }
}

static void print_line(const line *l, char *dst) {
    size_t len = 0;
    dst[0] = '\0';
    for (size_t i = 0; i < l->argc && len < LINE_BYTES; i++) {
        len += (size_t)snprintf(dst + len, LINE_BYTES - len, "%s\"%.*s\"", i ? " " : "",
                                (int)l->argv[i].len, l->argv[i].data);
    }
}

/* ---------------------------------------------------------------- comparison */

typedef struct found {
    const kw_slice *argv;
    const kw_reply *wanted;
    size_t count;
    bool differs;
} found;

static bool compare_key(void *arg, size_t position) {
    found *f = arg;
    const kw_reply *key = kw_reply_at(f->wanted, f->count++);
    if (!key || !slice_equal(reply_slice(key), f->argv[position])) {
        f->differs = true;
    }
    return true;
}

typedef struct tally {
    unsigned with_keys;
    unsigned without_keys;
    unsigned different;
    unsigned refused; /* by the server, for wrong arguments: where it is sent does not matter */
} tally;

static void compare(server *s, const line *l, tally *t) {
    kw_slice argv[ARGUMENTS_MAX + 2] = {SLICE_LITERAL("COMMAND"), SLICE_LITERAL("GETKEYS")};
    memcpy(argv + 2, l->argv, l->argc * sizeof l->argv[0]);
    kw_reply *reply = ask(s, argv, l->argc + 2);
    const command_info *info = command_find(l->argv, l->argc);
    assert_non_null(info);
    found f = {.argv = l->argv, .wanted = reply};
    if (kw_reply_count(reply) > 0) {
        kw_status status = command_keys(info, l->argv, l->argc, compare_key, &f);
        if (status != KW_OK || f.differs || f.count != kw_reply_count(reply)) {
            char text[LINE_BYTES];
            print_line(l, text);
            print_error("%s: status %d, %zu keys, the server has %zu\n", text, (int)status, f.count,
                        kw_reply_count(reply));
            t->different++;
        }
        t->with_keys++;
    } else if (!kw_reply_is_error(reply) ||
               strstr(kw_reply_string(reply, NULL), "no key arguments")) {
        kw_status status = command_keys(info, l->argv, l->argc, compare_key, &f);
        if (status == KW_OK && f.count > 0) {
            char text[LINE_BYTES];
            print_line(l, text);
            print_error("%s: %zu keys, the server has none\n", text, f.count);
            t->different++;
        }
        t->without_keys++;
    } else {
        t->refused++;
    }
    kw_reply_free(reply);
}

static bool server_knows(server *s, const char *name) {
    char server_name[64];
    (void)snprintf(server_name, sizeof server_name, "%s", name);
    char *space = strchr(server_name, ' ');
    if (space) {
        *space = '|';
    }
    kw_slice argv[] = {SLICE_LITERAL("COMMAND"), SLICE_LITERAL("INFO"), slice_text(server_name)};
    kw_reply *reply = ask(s, argv, 3);
    const kw_reply *first = kw_reply_at(reply, 0);
    bool known = first && !kw_reply_is_null(first);
    kw_reply_free(reply);
    return known;
}

/* Shard channels are routed as keys, but the server does not call them so. */
static bool has_shard_channels(const command_info *info) {
    return (info->flags & COMMAND_PUBSUB) && info->spec_count > 0;
}

static void random_lines_have_the_servers_keys(void **state) {
    server *s = *state;
    prng p;
    prng_init(&p, 20240101);
    tally t = {0};
    for (size_t i = 0; i < command_count(); i++) {
        const command_info *info = command_at(i);
        if (!server_knows(s, info->name) || has_shard_channels(info) ||
            (info->flags & COMMAND_CONTAINER)) {
            continue;
        }
        for (unsigned n = 0; n < LINES_PER_COMMAND; n++) {
            line l;
            start_line_with(&l, info->name);
            add_random_words(&l, info, &p);
            if (l.argc > 1) { /* COMMAND GETKEYS wants an argument too */
                compare(s, &l, &t);
            }
        }
    }
    print_message("%u lines with keys, %u without, %u refused\n", t.with_keys, t.without_keys,
                  t.refused);
    assert_int_equal(t.different, 0);
    assert_true(t.with_keys > 2000);
    assert_true(t.without_keys > 500);
}

/* ------------------------------------------------------------------ learning */

typedef struct positions {
    size_t at[ARGUMENTS_MAX];
    size_t count;
} positions;

static bool note_key(void *arg, size_t position) {
    positions *p = arg;
    if (p->count < ARGUMENTS_MAX) {
        p->at[p->count++] = position;
    }
    return true;
}

/* Learns the command from the server under a name that no table has. */
static const command_info *learn(server *s, command_book *book, const char *name, char *alias,
                                 size_t alias_size) {
    kw_slice ask_info[] = {SLICE_LITERAL("COMMAND"), SLICE_LITERAL("INFO"), slice_text(name)};
    kw_reply *reply = ask(s, ask_info, 3);
    (void)snprintf(alias, alias_size, "LEARNED.%s", name);
    kw_slice argv[] = {slice_text(alias)};
    assert_int_equal(command_book_learn(book, argv[0], reply), KW_OK);
    kw_reply_free(reply);
    command_route route;
    assert_int_equal(command_book_route(book, argv, 1, &route), KW_OK);
    assert_non_null(route.info);
    return route.info;
}

static unsigned compare_learned(const command_info *table, const command_info *learned, prng *p) {
    unsigned with_keys = 0;
    for (unsigned n = 0; n < LINES_PER_COMMAND; n++) {
        line l;
        start_line_with(&l, table->name);
        add_random_words(&l, table, p);
        positions want = {.count = 0};
        positions got = {.count = 0};
        kw_status want_status = command_keys(table, l.argv, l.argc, note_key, &want);
        kw_status got_status = command_keys(learned, l.argv, l.argc, note_key, &got);
        assert_int_equal(got_status, want_status);
        assert_int_equal(got.count, want.count);
        assert_memory_equal(got.at, want.at, want.count * sizeof want.at[0]);
        with_keys += want.count > 0;
    }
    return with_keys;
}

static void learn_all_and_compare(server *s) {
    const uint32_t compared = COMMAND_WRITE | COMMAND_BLOCKING | COMMAND_PUBSUB | COMMAND_ADMIN;
    command_book book;
    command_book_init(&book, &mem_default, 7);
    prng p;
    prng_init(&p, 20240102);
    unsigned with_keys = 0;
    unsigned asked = 0;
    for (size_t i = 0; i < command_count(); i++) {
        const command_info *info = command_at(i);
        if (strchr(info->name, ' ') || has_shard_channels(info) || !server_knows(s, info->name)) {
            continue;
        }
        char alias[64];
        const command_info *learned = learn(s, &book, info->name, alias, sizeof alias);
        assert_int_equal(learned->arity, info->arity);
        if (learned->flags & COMMAND_KEYS_UNKNOWN) { /* SORT and its like */
            asked++;
            continue;
        }
        if (strncmp(info->name, "EVAL", 4) != 0 && strncmp(info->name, "FCALL", 5) != 0 &&
            strcmp(info->name, "WAIT") != 0) { /* what the servers' flags do not say */
            assert_int_equal(learned->flags & compared, info->flags & compared);
        }
        with_keys += compare_learned(info, learned, &p);
    }
    assert_true(with_keys > 2000);
    assert_int_equal(asked, 3); /* SORT, SORT_RO, MIGRATE */
    command_book_done(&book);
}

static void learned_commands_are_like_the_table(void **state) {
    server *s = *state;
    learn_all_and_compare(s);
    kw_slice hello[] = {SLICE_LITERAL("HELLO"), SLICE_LITERAL("3")};
    kw_reply *reply = ask(s, hello, 2);
    assert_int_equal(kw_reply_type(reply), KW_TYPE_MAP);
    kw_reply_free(reply);
    learn_all_and_compare(s);
}

static void written_lines_have_the_servers_keys(void **state) {
    static const char *const lines[] = {
        "SORT k BY w_* LIMIT 0 5 GET # STORE d",
        "SORT k BY store GET x",
        "SORT k STORE d STORE e",
        "GEORADIUS k 1 2 3 km STORE d",
        "GEORADIUS k 1 2 3 km STOREDIST d COUNT 3",
        "GEORADIUSBYMEMBER k m 3 km STORE d",
        "MIGRATE h 1 k 0 100",
        "MIGRATE h 1 '' 0 100 KEYS a b c",
        "MIGRATE h 1 '' 0 100 COPY REPLACE AUTH x KEYS a b",
        "MIGRATE h 1 '' 0 100 AUTH2 u p KEYS a b",
        "XREAD COUNT 2 BLOCK 0 STREAMS a b 0 0",
        "XREADGROUP GROUP g c COUNT 1 NOACK STREAMS a b > >",
        "EVAL x 0",
        "EVAL x 2 a b c",
        "EVALSHA_RO x 1 a",
        "FCALL f 2 a b c",
        "ZUNIONSTORE d 2 a b WEIGHTS 1 2",
        "ZINTER 3 a b c WITHSCORES",
        "ZMPOP 2 a b MIN COUNT 2",
        "BZMPOP 1 2 a b MAX",
        "BLMPOP 0 2 a b LEFT",
        "SINTERCARD 2 a b LIMIT 3",
        "MEMORY USAGE k SAMPLES 3",
        "OBJECT FREQ k",
        "XGROUP CREATE k g $ MKSTREAM",
        "XGROUP DELCONSUMER k g c",
        "XINFO CONSUMERS k g",
        "BITOP NOT d a",
        "LCS a b IDX",
        "COPY a b DB 0 REPLACE",
        "MSET a 1 b 2 c 3",
        "BLPOP a b c 0",
        "RESTORE-ASKING k 0 p",
        "SMISMEMBER k a b c",
        "PING hello",
        "INFO all",
        "CLUSTER KEYSLOT k",
        "SCRIPT EXISTS a b",
    };
    server *s = *state;
    tally t = {0};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        line l = {.argc = 0};
        kw_slice rest = slice_text(lines[i]);
        kw_slice part;
        while (slice_split(&rest, ' ', &part)) {
            l.argv[l.argc++] = slice_is(part, "''") ? slice_of("", 0) : part;
        }
        compare(s, &l, &t);
    }
    assert_int_equal(t.different, 0);
    assert_int_equal(t.refused, 0);
    assert_int_equal(t.without_keys, 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_lines_have_the_servers_keys),
        cmocka_unit_test(random_lines_have_the_servers_keys),
        cmocka_unit_test(learned_commands_are_like_the_table),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
