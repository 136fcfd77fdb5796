/* The options of a subcommand, from one table that makes both the parser (getopt_long) and the text
 * of --help. Options end at the first argument that is none, so that `exec SET k -1` needs no `--`.
 */
#ifndef TOOL_OPTIONS_H
#define TOOL_OPTIONS_H

#include "tool/tool.h"

enum { OPTION_END = -1, OPTION_WRONG = -2, OPTION_HELP = 'h' };

typedef struct option_row {
    int id;            /* the short letter, or a number above 255 */
    const char *name;  /* the long name */
    const char *value; /* what the help calls its value; NULL: it has none */
    const char *help;
} option_row;

typedef struct option_set {
    const char *command;    /* as in `keyway exec`; empty for the prompt */
    const char *usage;      /* what follows it */
    const char *about;      /* some lines */
    const option_row *rows; /* ends with id 0; --help is added to each */
    const char *after;      /* examples and the like; may be NULL */
} option_set;

/* The rows that every command with a cluster has. */
#define OPTION_ROW_URL                                                                             \
    { 'u', "url", "URL", "the cluster: redis://HOST:PORT; or else KEYWAY_URL, else embedded" }

/* The next option: its id, OPTION_END (optind = first argument), or OPTION_WRONG, having
 * complained.
 */
int option_next(const option_set *set, int argc, char **argv, const char **ret_value);

/* The text of --help, on standard output. */
void option_help(const option_set *set);

/* A number option's value; complains if it is none. */
bool option_number(const option_set *set, const char *name, const char *value, uint64_t min,
                   uint64_t max, uint64_t *ret);

/* Complains that an argument is missing or too many, and where to look. */
exit_status option_usage_error(const option_set *set, const char *what);

#endif
