/* What a command costs the client, in figures that do not depend on time: run under callgrind it
 * is the instructions of `measured`, by itself it counts allocations and bytes. scripts/bench-count
 * runs it and judges.
 *
 * usage: bench-count PEER batch|async|call SET|GET ROUNDS    after a warm-up; prints commands,
 *                                                           allocations, system calls
 *        bench-count PEER memory    prints bytes: idle, a connection, in flight
 * A look into the loop without waiting is not counted as a system call: there is one in a
 * millisecond, however long a command takes. */
#include <keyway/keyway.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DEPTH = 64, KEYS = 1024, WARM_UP = 40, IN_FLIGHT = 100000, ARGUMENT_BYTES = 16 };

/* ------------------------------------------------------------------ memory */

static size_t live_bytes;
static size_t allocation_count;

static void *count_alloc(void *arg, size_t size) {
    (void)arg;
    size_t *block = malloc(sizeof(max_align_t) + size);
    if (!block) {
        return NULL;
    }
    *block = size;
    live_bytes += size;
    allocation_count++;
    return (char *)block + sizeof(max_align_t);
}

static void count_free(void *arg, void *ptr) {
    (void)arg;
    if (ptr) {
        size_t *block = (size_t *)(void *)((char *)ptr - sizeof(max_align_t));
        live_bytes -= *block;
        free(block);
    }
}

static void *count_resize(void *arg, void *ptr, size_t size) {
    void *copy = count_alloc(arg, size);
    if (copy && ptr) {
        size_t before = *(size_t *)(void *)((char *)ptr - sizeof(max_align_t));
        memcpy(copy, ptr, before < size ? before : size);
        count_free(arg, ptr);
    }
    return copy;
}

/* -------------------------------------------------------------------- peer */

static int peer_in;  /* closed: it ends */
static int peer_out; /* its ports, then a byte for each round */
static int rounds_due;
static size_t system_calls;

static _Noreturn void die(const char *what) {
    (void)fprintf(stderr, "bench-count: %s\n", what);
    exit(1);
}

static pid_t start_peer(const char *path, const char *round, unsigned ports[3]) {
    int to[2];
    int from[2];
    if (pipe(to) != 0 || pipe(from) != 0) {
        die("pipe");
    }
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(to[0], STDIN_FILENO);
        (void)dup2(from[1], STDOUT_FILENO);
        for (int i = 0; i < 2; i++) {
            close(to[i]);
            close(from[i]);
        }
        (void)execl(path, path, round, (char *)NULL);
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    peer_in = to[1];
    peer_out = from[0];
    char line[64] = "";
    char *at = line;
    if (pid < 0 || read(peer_out, line, sizeof line - 1) <= 0) {
        die("the peer does not start");
    }
    for (int i = 0; i < 3; i++) {
        ports[i] = (unsigned)strtoul(at, &at, 10);
        if (ports[i] == 0) {
            die("the peer does not start");
        }
    }
    return pid;
}

static void await_round(void) {
    char byte;
    while (rounds_due > 0 && read(peer_out, &byte, 1) == 1) {
        rounds_due--;
    }
}

/* In place of the C library's: whoever waits for a round's replies waits for all of them, so that
 * each round is the same turns. */
int epoll_wait(int fd, struct epoll_event *events, int maxevents, int timeout) {
    if (timeout != 0) {
        await_round();
        system_calls++;
    }
    return (int)syscall(SYS_epoll_wait, fd, events, maxevents, timeout);
}

ssize_t recv(int fd, void *buf, size_t n, int flags) {
    if (!(flags & MSG_DONTWAIT)) {
        await_round();
    }
    system_calls++;
    return syscall(SYS_recvfrom, fd, buf, n, flags, NULL, NULL);
}

ssize_t send(int fd, const void *buf, size_t n, int flags) {
    system_calls++;
    return syscall(SYS_sendto, fd, buf, n, flags, NULL, 0);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    system_calls++;
    return syscall(SYS_sendmsg, fd, message, flags);
}

/* ---------------------------------------------------------------- commands */

static char keys[KEYS][ARGUMENT_BYTES + 1];
static const char value[] = "0123456789abcdef";
static unsigned long answered;

static void make_keys(void) {
    for (unsigned i = 0; i < KEYS; i++) {
        (void)snprintf(keys[i], sizeof keys[i], "key:%012u", i * 2654435761u);
    }
}

static size_t command(const char *name, unsigned i, kw_slice argv[3]) {
    argv[0] = (kw_slice){name, 3};
    argv[1] = (kw_slice){keys[i % KEYS], ARGUMENT_BYTES};
    argv[2] = (kw_slice){value, ARGUMENT_BYTES};
    return name[0] == 'S' ? 3 : 2;
}

static void check(kw_status status, const kw_error *err) {
    if (status != KW_OK) {
        die(err->message);
    }
}

static void on_reply(kw_client *client, kw_reply *r, const kw_error *err, void *arg) {
    (void)client;
    (void)arg;
    if (!r || kw_reply_is_error(r)) {
        die(err ? err->message : "an error came");
    }
    answered++;
}

static void finish_round(kw_client *c) {
    rounds_due = 1;
    while (kw_pending(c) > 0) {
        if (kw_wait(c, -1) != KW_OK) {
            die("kw_wait");
        }
    }
}

static void async_round(kw_client *c, unsigned depth, const char *name, unsigned first) {
    kw_slice argv[3];
    kw_error err;
    for (unsigned i = 0; i < depth; i++) {
        size_t argc = command(name, first + i, argv);
        check(kw_submit(c, argv, argc, NULL, on_reply, NULL, &err), &err);
    }
    finish_round(c);
}

static void batch_round(kw_batch *b, const char *name, unsigned first) {
    kw_slice argv[3];
    kw_error err;
    for (unsigned i = 0; i < DEPTH; i++) {
        size_t argc = command(name, first + i, argv);
        check(kw_batch_add(b, argv, argc, NULL, &err), &err);
    }
    rounds_due = 1;
    check(kw_batch_run(b, &err), &err);
    for (unsigned i = 0; i < DEPTH; i++) {
        answered += !kw_reply_is_error(kw_batch_reply(b, i));
    }
    kw_batch_clear(b);
}

static void call_round(kw_client *c, const char *name, unsigned first) {
    kw_slice argv[3];
    kw_error err;
    kw_reply *r = NULL;
    size_t argc = command(name, first, argv);
    rounds_due = 1;
    check(kw_call_argv(c, argv, argc, NULL, &r, &err), &err);
    answered += !kw_reply_is_error(r);
    kw_reply_free(r);
}

/* callgrind counts from here (--toggle-collect). */
__attribute__((noinline)) void measured(kw_client *c, kw_batch *b, const char *name,
                                        unsigned rounds);
__attribute__((noinline)) void measured(kw_client *c, kw_batch *b, const char *name,
                                        unsigned rounds) {
    for (unsigned i = 0; i < rounds; i++) {
        if (b) {
            batch_round(b, name, i * DEPTH);
        } else {
            async_round(c, DEPTH, name, i * DEPTH);
        }
    }
}

static void run_calls(kw_client *c, const char *name, unsigned rounds) {
    for (unsigned i = 0; i < WARM_UP; i++) {
        call_round(c, name, i);
    }
    answered = 0;
    size_t allocations = allocation_count;
    size_t calls = system_calls;
    for (unsigned i = 0; i < rounds; i++) {
        call_round(c, name, i);
    }
    printf("%lu %zu %zu\n", answered, allocation_count - allocations, system_calls - calls);
}

static void run_rounds(kw_client *c, bool batched, const char *name, unsigned rounds) {
    kw_batch *b = NULL;
    if (batched && kw_batch_new(c, &b) != KW_OK) {
        die("out of memory");
    }
    for (unsigned i = 0; i < WARM_UP; i++) {
        if (batched) {
            batch_round(b, name, i * DEPTH);
        } else {
            async_round(c, DEPTH, name, i * DEPTH);
        }
    }
    answered = 0;
    size_t allocations = allocation_count;
    size_t calls = system_calls;
    measured(c, b, name, rounds);
    printf("%lu %zu %zu\n", answered, allocation_count - allocations, system_calls - calls);
    kw_batch_free(b);
}

static void submit_in_flight(kw_client *c) {
    size_t idle = live_bytes;
    size_t wire = 0;
    kw_slice argv[3];
    kw_error err;
    for (unsigned i = 0; i < IN_FLIGHT; i++) { /* one short of the peer's round */
        size_t argc = command("SET", i, argv);
        check(kw_submit(c, argv, argc, NULL, on_reply, NULL, &err), &err);
        wire += sizeof "*3\r\n$3\r\nSET\r\n$16\r\n\r\n$16\r\n\r\n" - 1 + 2 * ARGUMENT_BYTES;
        if ((i % 1024 == 0 || i + 1 == IN_FLIGHT) && kw_process(c) != KW_OK) {
            die("kw_process");
        }
    }
    printf("in_flight %.1f\n", (double)(live_bytes - idle - wire) / IN_FLIGHT);
    async_round(c, 1, "SET", 0);
}

static void touch_all_nodes(kw_client *c) {
    for (unsigned i = 0; i < 16; i++) {
        kw_reply *r = NULL;
        kw_error err;
        check(kw_call(c, &r, &err, "TYPE %s", keys[i]), &err);
        kw_reply_free(r);
    }
}

static void measure_memory(const char *url, kw_options *o) {
    kw_client *c = NULL;
    kw_error err;
    size_t before = live_bytes;
    check(kw_open(url, o, &c, &err), &err);
    check(kw_refresh(c, 0, &err), &err);
    size_t opened = live_bytes - before; /* one connection by now */
    touch_all_nodes(c);
    size_t connected = live_bytes - before;
    size_t connection = (connected - opened) / 2;
    printf("idle %zu\nconnection %zu\n", opened - connection, connection);
    submit_in_flight(c);
    kw_close(c);
}

int main(int argc, char **argv) {
    char url[128];
    unsigned ports[3];
    kw_options *o = NULL;
    kw_client *c = NULL;
    kw_error err;
    if (argc < 3) {
        die("usage: bench-count PEER batch|async|call|memory [SET|GET ROUNDS]");
    }
    bool memory = strcmp(argv[2], "memory") == 0;
    bool calls = strcmp(argv[2], "call") == 0;
    char round[16];
    (void)snprintf(round, sizeof round, "%d", memory ? IN_FLIGHT + 1 : calls ? 1 : DEPTH);
    pid_t peer = start_peer(argv[1], round, ports);
    make_keys();
    (void)snprintf(url, sizeof url, "redis://127.0.0.1:%u", ports[0]);
    if (kw_options_new(&o) != KW_OK ||
        kw_options_set_allocator(o, count_alloc, count_resize, count_free, NULL) != KW_OK ||
        kw_options_set(o, "seed", "1", &err) != KW_OK ||
        kw_options_set(o, "in_flight_max", "1000000", &err) != KW_OK) {
        die("options");
    }
    if (memory) {
        measure_memory(url, o);
    } else {
        check(kw_open(url, o, &c, &err), &err);
        touch_all_nodes(c);
        const char *name = argc > 3 ? argv[3] : "SET";
        unsigned rounds = argc > 4 ? (unsigned)strtoul(argv[4], NULL, 10) : 100;
        if (calls) {
            run_calls(c, name, rounds);
        } else {
            run_rounds(c, strcmp(argv[2], "batch") == 0, name, rounds);
        }
        kw_close(c);
    }
    kw_options_free(o);
    close(peer_in);
    (void)waitpid(peer, NULL, 0);
    return 0;
}
