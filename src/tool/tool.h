/* The `keyway` command: what its parts share. Exit statuses, the table of subcommands, and the one
 * way to say on standard error what went wrong. */
#ifndef TOOL_TOOL_H
#define TOOL_TOOL_H

#include <keyway/keyway.h>

typedef enum exit_status {
    STATUS_OK = 0,
    STATUS_SERVER_ERROR = 1, /* a server's error reply; of `demo`: a command failed or was lost */
    STATUS_USAGE = 2,
    STATUS_NO_REPLY = 3,
    STATUS_LOST_BY_FAILOVER = 4 /* of `bench --verify`: and nothing worse */
} exit_status;

typedef struct tool_command {
    const char *name;
    const char *summary;                       /* one line of `keyway --help` */
    exit_status (*run)(int argc, char **argv); /* argv[0] is the subcommand's name */
} tool_command;

/* In the order of the help; ends with a NULL name. */
extern const tool_command tool_commands[];

exit_status cmd_exec(int argc, char **argv);
exit_status cmd_prompt(int argc, char **argv);
exit_status cmd_slot(int argc, char **argv);
exit_status cmd_map(int argc, char **argv);
exit_status cmd_bench(int argc, char **argv);
exit_status cmd_demo(int argc, char **argv);
exit_status cmd_lab(int argc, char **argv);

/* `keyway: ` and one line on standard error. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* One line for a call that got no reply: where (may be NULL), status, outcome, message, and what to
 * do about it. */
void complain_error(const char *where, const kw_error *err);

/* For what nobody can go on after: memory is short. */
_Noreturn void give_up(const char *why);

#endif
