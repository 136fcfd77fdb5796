/* SET of a 16-byte value to 16-byte keys, so many at a time: a bare socket without any routing,
 * hiredis with its keys sorted to three connections beforehand, and Keyway in three ways. */
#include "speed.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct path {
    unsigned depth;
    char **ports;
    kw_client *client;
    kw_batch *batch;
    redisContext *contexts[SPEED_NODES];
    int fd;
    unsigned next; /* key */
    size_t answered;
} path;

static const char value[] = "0123456789abcdef";

static void slices_of(unsigned key, kw_slice argv[3]) {
    argv[0] = (kw_slice){"SET", 3};
    argv[1] = (kw_slice){speed_keys[key % SPEED_KEYS], SPEED_KEY_BYTES};
    argv[2] = (kw_slice){value, sizeof value - 1};
}

/* -------------------------------------------------------------------- bare */

static void bare_open(path *p) {
    p->fd = speed_connect((unsigned)strtoul(p->ports[0], NULL, 10));
}

static void read_all(int fd, size_t due) {
    static char in[65536];
    while (due > 0) {
        ssize_t got = recv(fd, in, sizeof in, 0);
        if (got <= 0 || (size_t)got > due) {
            speed_die("the server's answer is none");
        }
        due -= (size_t)got;
    }
}

static void bare_round(path *p) {
    static char out[65536];
    size_t len = 0;
    for (unsigned i = 0; i < p->depth; i++) {
        while (speed_key_node[p->next % SPEED_KEYS] != 0) {
            p->next++;
        }
        static const char head[] = "*3\r\n$3\r\nSET\r\n$16\r\n";
        static const char tail[] = "\r\n$16\r\n0123456789abcdef\r\n";
        memcpy(out + len, head, sizeof head - 1);
        len += sizeof head - 1;
        memcpy(out + len, speed_keys[p->next++ % SPEED_KEYS], SPEED_KEY_BYTES);
        len += SPEED_KEY_BYTES;
        memcpy(out + len, tail, sizeof tail - 1);
        len += sizeof tail - 1;
    }
    if (send(p->fd, out, len, MSG_NOSIGNAL) != (ssize_t)len) {
        speed_die("send");
    }
    read_all(p->fd, p->depth * (sizeof "+OK\r\n" - 1));
}

/* ----------------------------------------------------------------- hiredis */

static void hiredis_open(path *p) {
    for (int i = 0; i < SPEED_NODES; i++) {
        p->contexts[i] = redisConnect("127.0.0.1", (int)strtol(p->ports[i], NULL, 10));
        if (!p->contexts[i] || p->contexts[i]->err) {
            speed_die("hiredis cannot connect");
        }
    }
}

static void hiredis_round(path *p) {
    unsigned due[SPEED_NODES] = {0};
    for (unsigned i = 0; i < p->depth; i++) {
        unsigned key = p->next++ % SPEED_KEYS;
        const char *argv[] = {"SET", speed_keys[key], value};
        static const size_t lens[] = {3, SPEED_KEY_BYTES, sizeof value - 1};
        (void)redisAppendCommandArgv(p->contexts[speed_key_node[key]], 3, argv, lens);
        due[speed_key_node[key]]++;
    }
    for (int i = 0; i < SPEED_NODES; i++) { /* all is written before anything is waited for */
        for (int done = due[i] == 0; !done;) {
            (void)redisBufferWrite(p->contexts[i], &done);
        }
    }
    for (int i = 0; i < SPEED_NODES; i++) {
        for (; due[i] > 0; due[i]--) {
            void *reply = NULL;
            if (redisGetReply(p->contexts[i], &reply) != REDIS_OK ||
                ((redisReply *)reply)->type != REDIS_REPLY_STATUS) {
                speed_die("hiredis got no reply");
            }
            freeReplyObject(reply);
        }
    }
}

/* ------------------------------------------------------------------ Keyway */

static void client_open(path *p) {
    p->client = speed_open(p->ports, "");
    if (kw_batch_new(p->client, &p->batch) != KW_OK) {
        speed_die("out of memory");
    }
}

static void batch_round(path *p) {
    kw_error err;
    kw_slice argv[3];
    for (unsigned i = 0; i < p->depth; i++) {
        slices_of(p->next++, argv);
        speed_check(kw_batch_add(p->batch, argv, 3, NULL, &err), &err);
    }
    speed_check(kw_batch_run(p->batch, &err), &err);
    kw_batch_clear(p->batch);
}

static void on_reply(kw_client *client, kw_reply *r, const kw_error *err, void *arg) {
    (void)client;
    path *p = arg;
    if (!r) {
        speed_die(err->message);
    }
    p->answered++;
}

static void async_round(path *p) {
    kw_error err;
    kw_slice argv[3];
    for (unsigned i = 0; i < p->depth; i++) {
        slices_of(p->next++, argv);
        speed_check(kw_submit(p->client, argv, 3, NULL, on_reply, p, &err), &err);
    }
    while (kw_pending(p->client) > 0) {
        if (kw_wait(p->client, -1) != KW_OK) {
            speed_die("kw_wait");
        }
    }
}

static void call_round(path *p) {
    kw_error err;
    kw_slice argv[3];
    for (unsigned i = 0; i < p->depth; i++) {
        kw_reply *r = NULL;
        slices_of(p->next++, argv);
        speed_check(kw_call_argv(p->client, argv, 3, NULL, &r, &err), &err);
        kw_reply_free(r);
    }
}

void speed_path(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*open)(path *p);
        void (*round)(path *p);
    } peers[] = {{"bare", bare_open, bare_round},
                 {"hiredis", hiredis_open, hiredis_round},
                 {"batch", client_open, batch_round},
                 {"async", client_open, async_round},
                 {"call", client_open, call_round}};
    if (argc < 3 + SPEED_NODES) {
        speed_die("path PEER DEPTH COMMANDS PORT PORT PORT");
    }
    path p = {.depth = (unsigned)strtoul(argv[1], NULL, 10), .ports = argv + 3};
    unsigned long rounds = strtoul(argv[2], NULL, 10) / p.depth;
    for (size_t i = 0; i < sizeof peers / sizeof *peers; i++) {
        if (strcmp(peers[i].name, argv[0]) == 0) {
            peers[i].open(&p);
            for (unsigned long n = 0; n < rounds / 10 + 8; n++) {
                peers[i].round(&p);
            }
            uint64_t before = speed_cpu_ns();
            for (unsigned long n = 0; n < rounds; n++) {
                peers[i].round(&p);
            }
            double us = (double)(speed_cpu_ns() - before) / 1000;
            printf("cpu_us %.4f\n", us / (double)(rounds * p.depth));
        }
    }
}
