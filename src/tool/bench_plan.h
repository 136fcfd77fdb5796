/* What a benchmark shall do: the options of `keyway bench`, checked. */
#ifndef TOOL_BENCH_PLAN_H
#define TOOL_BENCH_PLAN_H

#include "tool/bench_command.h"
#include "tool/tool.h"

enum {
    BENCH_CLIENTS_MAX = 10000,
    BENCH_THREADS_MAX = 256,
    BENCH_PIPELINE_MAX = 10000,
    BENCH_VERIFY_KEYS_MAX = 100000
};

typedef struct bench_plan {
    const char *url;      /* NULL: of KEYWAY_URL, or an embedded cluster */
    uint64_t ops;         /* 0: until the time is over */
    uint64_t duration_us; /* 0: until the commands are done */
    uint64_t warmup_us;
    uint64_t clients;
    uint64_t handles; /* that the clients share */
    uint64_t threads;
    uint64_t pipeline; /* commands of one client in flight */
    uint64_t keys;
    double zipf;       /* the exponent; 0: uniform */
    uint64_t size_low; /* of a value, in bytes */
    uint64_t size_high;
    bool has_size;
    uint64_t rate; /* commands a second, all clients together; 0: as fast as it goes */
    uint64_t seed;
    uint64_t timeout_ms;   /* 0: the handle's own */
    const char *prefix;    /* of keys' names */
    const char *json_file; /* "-": standard output; NULL: none */
    const char *hdr_file;
    bool spread; /* the commands of a pipeline go to any node, not to one */
    bool fill;
    bool verify;
    bool quiet;
    bool plain;
    bool no_colour;
    int template_count;
    bench_template templates[BENCH_COMMANDS_MAX];
} bench_plan;

/* Reads the arguments. *ret_done: --help was asked for, and given. Anything but STATUS_OK: it has
 * complained. */
exit_status bench_plan_parse(bench_plan *p, int argc, char **argv, bool *ret_done);

/* Of a file's name: is it `-`? NULL: no. */
bool bench_plan_is_stdout(const char *file);

/* What one client has in flight goes to one node at a time; only with a handle for each client. */
bool bench_plan_has_flights(const bench_plan *p);

/* Two lines on what is done: "50 clients on 1 handle in 1 thread, 16 in flight of each", and
 * "GET:SET 1:1, 100000 keys, values of 32 bytes". */
void bench_plan_describe(const bench_plan *p, char *who, size_t who_size, char *what,
                         size_t what_size);

#endif
