/* Large values, and a reply of a million elements. */
#include "core/link.h"
#include "core/reply.h"
#include "speed.h"

#include <hiredis/hiredis.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { VALUE_BYTES = 1024 * 1024, ELEMENTS = 1000000, FEED_BYTES = 16384 };

static char body[VALUE_BYTES];
static char key[32];

/* --------------------------------------------------------------- one value */

static size_t live_bytes;
static size_t peak_bytes;

static void *count_alloc(void *arg, size_t size) {
    (void)arg;
    void *ptr = malloc(size);
    live_bytes += ptr ? malloc_usable_size(ptr) : 0;
    peak_bytes = live_bytes > peak_bytes ? live_bytes : peak_bytes;
    return ptr;
}

static void count_free(void *arg, void *ptr) {
    (void)arg;
    live_bytes -= ptr ? malloc_usable_size(ptr) : 0;
    free(ptr);
}

static void *count_resize(void *arg, void *ptr, size_t size) {
    (void)arg;
    size_t before = ptr ? malloc_usable_size(ptr) : 0;
    void *moved = realloc(ptr, size);
    live_bytes += moved ? malloc_usable_size(moved) - before : 0;
    peak_bytes = live_bytes > peak_bytes ? live_bytes : peak_bytes;
    return moved;
}

static kw_client *counted_client(char **ports) {
    kw_client *c = NULL;
    kw_options *o = NULL;
    kw_error err;
    char url[64];
    (void)snprintf(url, sizeof url, "redis://127.0.0.1:%s", ports[0]);
    if (kw_options_new(&o) != KW_OK ||
        kw_options_set_allocator(o, count_alloc, count_resize, count_free, NULL) != KW_OK) {
        speed_die("out of memory");
    }
    speed_check(kw_open(url, o, &c, &err), &err);
    kw_options_free(o);
    kw_reply *r = NULL;
    speed_check(kw_call(c, &r, &err, "GET %s-", key), &err);
    kw_reply_free(r);
    return c;
}

static void call_value(kw_client *c, int set) {
    kw_error err;
    kw_reply *r = NULL;
    kw_slice argv[] = {{set ? "SET" : "GET", 3}, {key, strlen(key)}, {body, sizeof body}};
    speed_check(kw_call_argv(c, argv, set ? 3 : 2, NULL, &r, &err), &err);
    if (!set) {
        size_t len = 0;
        (void)kw_reply_string(r, &len);
        if (len != sizeof body) {
            speed_die("that is not the value");
        }
    }
    kw_reply_free(r);
}

static void send_all(int fd, const char *data, size_t len) {
    while (len > 0) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        if (sent <= 0) {
            speed_die("send");
        }
        data += sent;
        len -= (size_t)sent;
    }
}

/* As a program would that knows what comes: the bytes where they are wanted, nothing else. */
static void bare_value(int fd, int set) {
    char head[128];
    static char in[VALUE_BYTES + 64];
    int len =
        set ? snprintf(head, sizeof head, "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%d\r\n", strlen(key),
                       key, VALUE_BYTES)
            : snprintf(head, sizeof head, "*2\r\n$3\r\nGET\r\n$%zu\r\n%s\r\n", strlen(key), key);
    send_all(fd, head, (size_t)len);
    if (set) {
        send_all(fd, body, sizeof body);
        send_all(fd, "\r\n", 2);
    }
    size_t due = set ? 5 : sizeof "$1048576\r\n\r\n" - 1 + VALUE_BYTES;
    for (size_t got = 0; got < due;) {
        ssize_t n = recv(fd, in + got, due - got, 0);
        if (n <= 0) {
            speed_die("recv");
        }
        got += (size_t)n;
    }
}

void speed_value(int argc, char **argv) {
    if (argc < 3 + SPEED_NODES) {
        speed_die("value PEER get|set COUNT PORT PORT PORT");
    }
    int set = strcmp(argv[1], "set") == 0;
    unsigned long count = strtoul(argv[2], NULL, 10);
    bool bare = strcmp(argv[0], "bare") == 0;
    memset(body, 'v', sizeof body);
    (void)snprintf(key, sizeof key, "{%s}big", speed_keys[0]);
    for (unsigned i = 0; speed_key_node[i] != 0;) { /* the first node's */
        i++;
        (void)snprintf(key, sizeof key, "{%s}big", speed_keys[i]);
    }
    int fd = bare ? speed_connect((unsigned)strtoul(argv[3], NULL, 10)) : -1;
    kw_client *c = bare ? NULL : counted_client(argv + 3);
    uint64_t begin = 0;
    size_t base = live_bytes;
    peak_bytes = live_bytes;
    for (unsigned long i = 0; i < count + 10; i++) {
        begin = i == 10 ? speed_cpu_ns() : begin;
        if (bare) {
            bare_value(fd, set);
        } else {
            call_value(c, set);
        }
    }
    printf("cpu_us %.1f\n", (double)(speed_cpu_ns() - begin) / 1000 / (double)count);
    /* the reply to GET holds the value; SET's is the caller's own */
    printf("beside_bytes %zd\n", (ssize_t)(peak_bytes - base) - (set ? 0 : VALUE_BYTES));
    kw_close(c);
}

/* ----------------------------------------------------- a million elements */

static size_t make_array(char **ret) {
    char *data = malloc(32 + (size_t)ELEMENTS * 16);
    size_t len = 0;
    if (!data) {
        speed_die("out of memory");
    }
    len += (size_t)sprintf(data, "*%d\r\n", ELEMENTS);
    for (unsigned i = 0; i < ELEMENTS; i++) {
        memcpy(data + len, "$8\r\n", 4);
        (void)snprintf(data + len + 4, 16, "%08u\r\n", i);
        len += 14;
    }
    *ret = data;
    return len;
}

static double by_hiredis(const char *data, size_t len) {
    uint64_t begin = speed_cpu_ns();
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    for (size_t at = 0; at < len; at += FEED_BYTES) {
        size_t piece = len - at < FEED_BYTES ? len - at : FEED_BYTES;
        if (redisReaderFeed(reader, data + at, piece) != REDIS_OK ||
            redisReaderGetReply(reader, &reply) != REDIS_OK) {
            speed_die("hiredis cannot read it");
        }
    }
    if (!reply || ((redisReply *)reply)->elements != ELEMENTS) {
        speed_die("hiredis read something else");
    }
    freeReplyObject(reply);
    redisReaderFree(reader);
    return (double)(speed_cpu_ns() - begin) / 1e6;
}

/* As a connection does: the bytes go straight where it wants them. */
static double by_keyway(const char *data, size_t len) {
    uint64_t begin = speed_cpu_ns();
    static link l;
    link_frame frame;
    resp_progress progress = RESP_MORE;
    link_init(&l, &mem_default, 0, LIMIT_REPLY_BYTES);
    for (size_t at = 0; at < len;) {
        size_t room = 0;
        char *to = link_input(&l, &room);
        size_t piece = len - at < FEED_BYTES ? len - at : FEED_BYTES;
        if (!to) {
            speed_die("out of memory");
        }
        memcpy(to, data + at, piece);
        link_received(&l, piece);
        at += piece;
        progress = link_next_frame(&l, &frame);
    }
    kw_reply *reply =
        progress == RESP_DONE && frame.input
            ? reply_take(&mem_default, frame.input, frame.len, frame.node_count, LINK_INPUT_BYTES)
            : NULL;
    if (kw_reply_count(reply) != ELEMENTS) {
        speed_die("that is not the reply");
    }
    link_consume(&l, &frame);
    kw_reply_free(reply);
    link_done(&l);
    return (double)(speed_cpu_ns() - begin) / 1e6;
}

void speed_reply(int argc, char **argv) {
    char *data = NULL;
    size_t len = make_array(&data);
    (void)argc;
    (void)argv;
    printf("hiredis_ms %.1f\n", by_hiredis(data, len));
    printf("keyway_ms %.1f\n", by_keyway(data, len));
    free(data);
}
