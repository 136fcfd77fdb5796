/* Short ways to use a Keyway handle in a test; whatever fails, fails the test with the reason. */
#ifndef INTEGRATION_SUPPORT_CLIENT_H
#define INTEGRATION_SUPPORT_CLIENT_H

#include "integration/support/redis_cluster.h"
#include "keyway/keyway.h"

/* A handle of the cluster; query: URL options such as "timeout_ms=500", or "". */
kw_client *client_open(const redis_cluster *cluster, const char *query);
kw_client *client_open_url(const char *url);

/* kw_call that must bring a reply that is no error; the caller frees it. */
kw_reply *client_call(kw_client *client, const char *format, ...);
/* The same with a reply of the text, or of the number. */
void client_expect_text(kw_client *client, const char *want, const char *format, ...);
void client_expect_integer(kw_client *client, int64_t want, const char *format, ...);

/* kw_call that must bring no reply; *ret_err says why. */
void client_expect_failure(kw_client *client, kw_error *ret_err, const char *format, ...);

uint64_t client_counter(const kw_client *client, kw_counter counter);
/* The owner of the slot in the client's map as host:port; empty if it has none. */
const char *client_owner(const kw_client *client, int slot, char endpoint[80]);

/* A key in the slot range, different for each number: `{tag}number`. */
const char *key_between(int first_slot, int last_slot, int number, char key[32]);

#endif
