/* Commands with the replies that a redis-server gave to them (files in test/unit/recorded, written
 * by scripts/record-replies), to be run on a node of our own.
 *
 * A file: `# comment`, and commands as redis-cli takes them ("..." may hold \xNN, \r, \n, \", \\),
 * each followed by its reply, indented by four spaces, with \xNN, \r, \n and \\ for the bytes that
 * cannot be seen; a reply of several lines is one. `@name command` is sent over a connection of
 * that name; all others over one. */
#ifndef UNIT_SUPPORT_RECORDED_H
#define UNIT_SUPPORT_RECORDED_H

#include "base/mem.h"
#include "base/slice.h"

typedef struct recorded_row {
    unsigned number; /* of the line in the file */
    char session[16];
    kw_slice argv[64];
    size_t argc;
    kw_slice reply;
    char *bytes; /* of the arguments and the reply */
} recorded_row;

typedef struct recorded_file {
    char name[32];
    recorded_row *rows;
    size_t count;
} recorded_file;

/* All of them, in the order of their names; what cannot be read fails the test. */
size_t recorded_read(recorded_file **ret_files);
void recorded_free(recorded_file *files, size_t count);

/* Runs the rows on a node that is a cluster of its own. `saw` gets each row with the bytes that
 * came, or with the session lost (no bytes: its memory ran out). A lost session's other rows are
 * left out. */
typedef void recorded_saw(void *arg, const recorded_row *row, kw_slice reply, bool lost);
/* `ready` is called (NULL: nothing) when node and sessions are there, before the first row. */
void recorded_run(const recorded_file *file, const mem *m, void (*ready)(void *arg),
                  recorded_saw *saw, void *arg);

#endif
