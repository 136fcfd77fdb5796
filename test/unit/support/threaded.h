/* What tests of handles with an I/O thread share: one lab for a program's tests, back at its
 * beginnings after each, handles on it, and waiting that is bounded. Whatever fails, fails the
 * test. */
#ifndef TEST_UNIT_SUPPORT_THREADED_H
#define TEST_UNIT_SUPPORT_THREADED_H

#include <keyway/keyway.h>
#include <keyway/lab.h>

#include <stdatomic.h>

/* A wait is so many looks at most, with a short sleep after each. */
enum { WAIT_ROUNDS = 20000, WAIT_US = 1000 };

/* The running lab, for the tests between start_lab and stop_lab (cmocka's fixtures). */
extern kw_lab *lab;
int start_lab(void **state);
int stop_lab(void **state);
int reset_lab(void **state);

/* With an I/O thread, and with one more option if name is not NULL. */
kw_options *threaded_options(const char *name, const char *value);
kw_client *threaded_open(const char *name, const char *value);

/* Pauses the node that owns the key's slot. */
void pause_owner(const char *key, bool paused);

void wait_for(const atomic_int *count, int want);
/* Until nothing of the handle is pending. */
void wait_until_done(const kw_client *c);

#endif
