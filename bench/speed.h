/* What the parts of bench-speed share: time of this process, sockets, keys by node. Each part
 * measures once and prints lines of "name figure"; scripts/bench repeats, and judges. */
#ifndef BENCH_SPEED_H
#define BENCH_SPEED_H

#include <keyway/keyway.h>

#include <stddef.h>
#include <stdint.h>

enum { SPEED_NODES = 3, SPEED_KEYS = 4096, SPEED_KEY_BYTES = 16 };

/* A part: its arguments, after its name. */
typedef void speed_part(int argc, char **argv);

speed_part speed_path; /* PEER DEPTH COMMANDS PORT PORT PORT: CPU us a command */
speed_part
    speed_value; /* PEER get|set COUNT PORT...: CPU us a value of 1 MiB, and bytes of memory */
speed_part speed_reply; /* a million elements: ms */
speed_part speed_slot;  /* ns a byte */
speed_part speed_map;   /* CLUSTER SLOTS of 1000 nodes, of 16384 rows: ms */
speed_part speed_load;  /* PEER SECONDS PORT...: commands in each tenth of a second, MOVED in all */
speed_part speed_refresh; /* 16384 rows, by a handle that is used: its longest turn in ms */

uint64_t speed_cpu_ns(void); /* of this process, in user space and in the kernel */
uint64_t speed_wall_ns(void);
_Noreturn void speed_die(const char *what);
void speed_check(kw_status status, const kw_error *err);
int speed_connect(unsigned port);
/* Any of the ports, with these options in the URL. */
kw_client *speed_open(char **ports, const char *query);

/* "key:" and a number, and the node whose third of the slots it is in. */
extern char speed_keys[SPEED_KEYS][SPEED_KEY_BYTES + 1];
extern unsigned char speed_key_node[SPEED_KEYS];
void speed_make_keys(void);

#endif
