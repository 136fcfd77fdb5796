/* Reads the URL of kw_open: the seeds, and what it sets in the options. Owns nothing. A password
 * never gets into a message: where one may be cut by a character that had to be percent-encoded,
 * the message shows nothing of the URL at all. */
#ifndef CLIENT_URL_H
#define CLIENT_URL_H

#include "client/options.h"

#define URL_BYTES_MAX 65536
#define URL_DEFAULT_PORT 6379

typedef struct url_seeds {
    endpoint seeds[LIMIT_SEEDS];
    size_t count;
} url_seeds;

/* scheme://[[user]:password@ | password@]host[:port][,host[:port]...][/0][?option=value[&...]]
 *
 * Schemes: redis, valkey; rediss, valkeys (TLS); unix (one absolute path instead of the hosts).
 * Without a colon what stands before the @ is the password, as for redis-cli. The options in the
 * URL win over those in `options`, which are changed in place, also by an URL that is refused:
 * give a copy. KW_ERR_INVALID, KW_ERR_NOMEM. */
KW_CHECKED kw_status url_parse(const char *text, kw_options *options, url_seeds *ret,
                               kw_error *err);

#endif
