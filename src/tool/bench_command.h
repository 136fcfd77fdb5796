/* The commands of a load: templates such as `SET {key} {value} EX {number}`, quoted as in
 * redis-cli, and how often each is drawn. A template is split once; to make a command of it is to
 * put its parts together. */
#ifndef TOOL_BENCH_COMMAND_H
#define TOOL_BENCH_COMMAND_H

#include "base/prng.h"
#include "base/slice.h"
#include "tool/bench_keys.h"

enum {
    BENCH_COMMANDS_MAX = 8,
    BENCH_ARGUMENTS_MAX = 32,
    BENCH_PARTS_MAX = 64,
    BENCH_TEMPLATE_BYTES = 1024,
    BENCH_NAME_BYTES = 24
};

typedef enum bench_part_kind { PART_TEXT, PART_KEY, PART_VALUE, PART_NUMBER } bench_part_kind;

typedef struct bench_part {
    bench_part_kind kind;
    uint16_t start; /* of PART_TEXT: in the template's text */
    uint16_t len;
} bench_part;

typedef struct bench_template {
    char name[BENCH_NAME_BYTES]; /* the command's name, in capitals */
    uint32_t weight;
    char text[BENCH_TEMPLATE_BYTES];
    bench_part parts[BENCH_PARTS_MAX];
    uint8_t argument_end[BENCH_ARGUMENTS_MAX]; /* one past its last part */
    uint8_t argument_count;
    uint8_t joined_count;  /* parts of arguments that are put together */
    int8_t key_argument;   /* the first that holds a key; -1: none */
    bool key_is_whole;     /* that argument is the key and nothing else */
    bool reads_only_a_key; /* GET {key}: a null reply is a miss */
    bool blocks_for_ever;  /* BLPOP {key} 0: at the servers it has no deadline of its own */
} bench_template;

/* False: *ret_why says what is wrong with it. */
bool bench_template_parse(bench_template *t, const char *line, const char **ret_why);

/* What goes into the places of a template. */
typedef struct bench_values {
    kw_slice key;
    kw_slice value;
    uint64_t number;
} bench_values;

/* Makes the arguments; scratch keeps those put together from parts until the next call. Returns
 * their number. */
typedef struct bench_scratch {
    kw_slice argv[BENCH_ARGUMENTS_MAX];
    char *bytes;
    size_t capacity;
} bench_scratch;
size_t bench_template_fill(const bench_template *t, const bench_values *v, bench_scratch *s);
void bench_scratch_done(bench_scratch *s);

#endif
