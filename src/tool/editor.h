/* The line editor of the prompt (libedit): history in a file of the user's, completion of command
 * names, Ctrl-C that drops the line. Drives the handle while it waits for keys, so that what
 * happens in the cluster is told at once. */
#ifndef TOOL_EDITOR_H
#define TOOL_EDITOR_H

#include "tool/term.h"

typedef struct editor editor;

/* NULL if the terminal cannot be edited on. */
editor *editor_new(kw_client *client, const term *t);
void editor_free(editor *e);
/* The handle to drive from now on while a line is read. */
void editor_set_client(editor *e, kw_client *client);

typedef enum editor_result { EDITOR_LINE, EDITOR_DROPPED, EDITOR_END } editor_result;

/* The next line, without its end; lives until the next call. */
editor_result editor_read(editor *e, const char **ret_line, size_t *ret_len);

/* Keeps a line in the history and its file. */
void editor_remember(editor *e, const char *line, size_t len);

/* Prints a line; one that is being edited is drawn again below it. */
void editor_tell(editor *e, const char *text);

#endif
