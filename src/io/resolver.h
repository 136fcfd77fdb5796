/* Host names to addresses, asynchronously (c-ares, hosts file included). Owns the c-ares channel;
 * its descriptors are watched in the loop. Never calls back: results are fetched. */
#ifndef IO_RESOLVER_H
#define IO_RESOLVER_H

#include "core/endpoint.h"
#include "io/loop.h"

typedef struct resolver resolver;

typedef struct resolver_result {
    uint64_t id;      /* as given to resolver_start */
    kw_status status; /* KW_OK, KW_ERR_RESOLVE, KW_ERR_NOMEM */
    size_t count;
    net_address addresses[LIMIT_ADDRESSES]; /* ports are 0; IPv6 and IPv4 in the system's order */
    char message[128];                      /* why not, for a person */
} resolver_result;

/* `owner` is the loop owner of the resolver's descriptors: the caller hands such events to
 * resolver_handle. */
KW_CHECKED kw_status resolver_new(loop *l, const mem *m, void *owner, resolver **ret);
void resolver_free(resolver *r);

/* For tests: asks these servers ("127.0.0.1:5353,..."; borrowed) instead of the system's. */
void resolver_use_servers(resolver *r, const char *servers);

/* Asks for a name's addresses; the result comes by resolver_next. */
KW_CHECKED kw_status resolver_start(resolver *r, const char *host, uint64_t id);
/* Forgets a query: no result will come. */
void resolver_cancel(resolver *r, uint64_t id);
void resolver_handle(resolver *r, loop_token token, unsigned ready);
/* When resolver_timeout must be called; UINT64_MAX: never. */
uint64_t resolver_deadline_us(const resolver *r, uint64_t now_us);
void resolver_timeout(resolver *r);
bool resolver_next(resolver *r, resolver_result *ret);

#endif
