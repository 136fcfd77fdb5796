/* The differences between the lab and a real server that are meant, from a file: paragraphs of
 *     command  REGEX      the command's line matches (and is a reply of it, inside EXEC too)
 *     reply    REGEX      perhaps: the server's reply as text matches
 *     then one of
 *     within   N          integers may differ by so much
 *     unordered N         the last aggregate's elements, taken N together, may come in any order
 *     masked   REGEX      what matches is taken out of both replies
 *     pieces   REGEX      the same, and the elements or lines may come in any order
 *     lab      REGEX      the lab answers what matches
 *     reason   TEXT
 *
 * Counts how often each is needed, so that none outlives its cause; one with the line `seldom` may
 * be needed in few runs only. */
#ifndef INTEGRATION_SUPPORT_DIFF_LIST_H
#define INTEGRATION_SUPPORT_DIFF_LIST_H

#include "base/slice.h"

typedef struct diff_list diff_list;

diff_list *diff_list_read(const char *path);
void diff_list_free(diff_list *list);

/* True if the two replies are the same bytes, or differ as the list says. */
bool diff_list_equal(diff_list *list, const char *command, kw_slice server, kw_slice lab);

/* Prints each entry with its uses; the number of those never used though not seldom. */
size_t diff_list_report(const diff_list *list);

#endif
