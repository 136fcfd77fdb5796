#include "client/url.h"

#include "io/io_error.h"

#include <stdio.h>

/* The parts of a URL, still encoded. */
typedef struct url_parts {
    kw_slice user_info; /* data NULL: there is none */
    kw_slice hosts;
    kw_slice path;
    kw_slice query; /* data NULL: there is none */
} url_parts;

typedef struct scheme {
    const char *prefix;
    bool tls;
    bool socket;
} scheme;

static kw_status refuse(kw_error *err, const char *why) {
    return io_fail(err, KW_ERR_INVALID, "URL: %s", why);
}

/* ------------------------------------------------------------------- decoding */

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

typedef enum decoded { DECODED, DECODE_BROKEN, DECODE_TOO_LONG } decoded;

/* Percent-decodes into dst, terminated. A zero byte is broken too: no part may hold one. */
static decoded decode(kw_slice part, char *dst, size_t size, kw_slice *ret) {
    size_t len = 0;
    for (size_t i = 0; i < part.len; i++) {
        char c = part.data[i];
        if (c == '%') {
            int high = i + 2 < part.len ? hex_digit(part.data[i + 1]) : -1;
            int low = i + 2 < part.len ? hex_digit(part.data[i + 2]) : -1;
            if (high < 0 || low < 0 || (high == 0 && low == 0)) {
                return DECODE_BROKEN;
            }
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (len + 1 >= size) {
            return DECODE_TOO_LONG;
        }
        dst[len++] = c;
    }
    dst[len] = '\0';
    *ret = slice_of(dst, len);
    return DECODED;
}

/* Decodes what is called `what` in messages. */
static kw_status decode_part(kw_slice part, const char *what, char *dst, size_t size, kw_slice *ret,
                             kw_error *err) {
    switch (decode(part, dst, size, ret)) {
    case DECODED:
        return KW_OK;
    case DECODE_TOO_LONG:
        return io_fail(err, KW_ERR_INVALID, "URL: %s is too long", what);
    default:
        return io_fail(err, KW_ERR_INVALID,
                       "URL: in %s a %% is not followed by the two hexadecimal digits of a byte",
                       what);
    }
}

/* -------------------------------------------------------------------- cutting */

static const scheme *find_scheme(kw_slice *rest) {
    static const scheme schemes[] = {{"redis://", false, false},
                                     {"rediss://", true, false},
                                     {"valkey://", false, false},
                                     {"valkeys://", true, false},
                                     {"unix://", false, true}};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t len = strlen(schemes[i].prefix);
        if (rest->len >= len && slice_is_nocase(slice_of(rest->data, len), schemes[i].prefix)) {
            *rest = slice_of(rest->data + len, rest->len - len);
            return &schemes[i];
        }
    }
    return NULL;
}

/* The length of the text up to the first of these bytes. */
static size_t length_until(kw_slice text, const char *stops) {
    size_t len = 0;
    while (len < text.len && !strchr(stops, text.data[len])) {
        len++;
    }
    return len;
}

static kw_slice slice_from(kw_slice s, size_t start) {
    return slice_of(s.data + start, s.len - start);
}

/* An @ belongs behind user and password only. One that comes later, or twice, is the sign of a
 * password that was not encoded: nothing of it may be taken for a host and shown. */
static kw_status cut(kw_slice rest, url_parts *ret, kw_error *err) {
    kw_slice authority = slice_of(rest.data, length_until(rest, "/?#"));
    size_t at = length_until(authority, "@");
    size_t later = at < authority.len ? at + 1 : authority.len;
    if (memchr(rest.data + later, '@', rest.len - later)) {
        return refuse(err, "an @ is out of place: in user, password and options write %40, and "
                           "likewise %2F for /, %3F for ?, %23 for #");
    }
    if (memchr(rest.data, '#', rest.len)) {
        return refuse(err, "a # has no meaning here: write %23 if it belongs to a value");
    }
    *ret = (url_parts){.hosts = authority};
    if (at < authority.len) {
        ret->user_info = slice_of(authority.data, at);
        ret->hosts = slice_from(authority, at + 1);
    }
    kw_slice tail = slice_from(rest, authority.len);
    ret->path = slice_of(tail.data, length_until(tail, "?"));
    if (ret->path.len < tail.len) {
        ret->query = slice_from(tail, ret->path.len + 1);
    }
    return KW_OK;
}

/* -------------------------------------------------------------- user, password */

static kw_status set_credential(kw_options *options, const char *name, kw_slice encoded,
                                kw_error *err) {
    char text[OPTION_TEXT_BYTES_MAX + 1];
    char what[16];
    kw_slice value = {NULL, 0};
    (void)snprintf(what, sizeof what, "the %s", name);
    kw_status status = decode_part(encoded, what, text, sizeof text, &value, err);
    if (status == KW_OK) {
        status = options_set(options, slice_text(name), value, err);
    }
    explicit_bzero(text, sizeof text);
    return status;
}

static kw_status read_user_info(kw_slice info, kw_options *options, kw_error *err) {
    if (!info.data) {
        return KW_OK;
    }
    size_t colon = length_until(info, ":");
    kw_slice user = slice_of(info.data, colon < info.len ? colon : 0);
    kw_slice password = colon < info.len ? slice_from(info, colon + 1) : info;
    if (password.len == 0) {
        return refuse(err, "there is no password before the @");
    }
    kw_status status = set_credential(options, "user", user, err);
    return status == KW_OK ? set_credential(options, "password", password, err) : status;
}

/* ---------------------------------------------------------------------- seeds */

/* Cuts "host", "host:port", "[v6]" or "[v6]:port"; *ret_port.data is NULL if there is none. */
static kw_status cut_seed(kw_slice seed, kw_slice *ret_host, kw_slice *ret_port, kw_error *err) {
    kw_slice tail;
    if (seed.len > 0 && seed.data[0] == '[') {
        size_t close = length_until(seed, "]");
        if (close == seed.len) {
            return refuse(err, "a [ has no ]");
        }
        *ret_host = slice_of(seed.data + 1, close - 1);
        tail = slice_from(seed, close + 1);
        if (tail.len > 0 && tail.data[0] != ':') {
            return refuse(err, "after an address in brackets only :port may stand");
        }
        net_address address;
        endpoint literal;
        if (!memchr(ret_host->data, ':', ret_host->len) ||
            !endpoint_make(*ret_host, URL_DEFAULT_PORT, &literal) ||
            !endpoint_to_address(&literal, &address)) {
            return refuse(err, "in the brackets is no IPv6 address");
        }
    } else {
        size_t colon = length_until(seed, ":");
        *ret_host = slice_of(seed.data, colon);
        tail = slice_from(seed, colon);
        if (tail.len > 0 && memchr(tail.data + 1, ':', tail.len - 1)) {
            return refuse(err, "a host has more than one colon: an IPv6 address stands in "
                               "brackets, as in [::1]:6379");
        }
    }
    *ret_port = tail.len > 0 ? slice_from(tail, 1) : slice_of(NULL, 0);
    return KW_OK;
}

static kw_status read_seed(kw_slice seed, endpoint *ret, kw_error *err) {
    kw_slice host = {NULL, 0};
    kw_slice port_text = {NULL, 0};
    kw_status status = cut_seed(seed, &host, &port_text, err);
    char text[LIMIT_HOST_BYTES + 1];
    if (status == KW_OK) {
        status = decode_part(host, "a host", text, sizeof text, &host, err);
    }
    if (status != KW_OK) {
        return status;
    }
    if (host.len == 0) {
        return refuse(err, "a host is empty");
    }
    uint64_t port = URL_DEFAULT_PORT;
    if (port_text.data && (!slice_to_u64(port_text, &port) || port == 0 || port > UINT16_MAX)) {
        return io_fail(err, KW_ERR_INVALID, "URL: the port of host \"%.64s\" is not 1..65535",
                       text);
    }
    if (!endpoint_make(host, port, ret) || strchr(text, '/')) {
        return refuse(err, "a host holds a character that no host name has");
    }
    return KW_OK;
}

static kw_status read_hosts(kw_slice hosts, url_seeds *ret, kw_error *err) {
    if (hosts.len == 0) {
        return refuse(err, "there is no host, as in redis://127.0.0.1:7000");
    }
    kw_slice rest = hosts;
    kw_slice seed;
    ret->count = 0;
    while (slice_split(&rest, ',', &seed)) {
        if (ret->count == LIMIT_SEEDS) {
            return io_fail(err, KW_ERR_INVALID, "URL: more than %d seeds", LIMIT_SEEDS);
        }
        kw_status status = read_seed(seed, &ret->seeds[ret->count], err);
        if (status != KW_OK) {
            return status;
        }
        ret->count++;
    }
    return KW_OK;
}

static kw_status check_database(kw_slice path, kw_error *err) {
    if (path.len == 0 || slice_is(path, "/") || slice_is(path, "/0")) {
        return KW_OK;
    }
    return refuse(err,
                  "after the hosts only /0 may stand: Keyway uses database 0, a cluster's own");
}

static kw_status read_socket(kw_slice path, url_seeds *ret, kw_error *err) {
    char text[LIMIT_HOST_BYTES + 1];
    net_address address;
    kw_status status = decode_part(path, "the path", text, sizeof text, &path, err);
    if (status != KW_OK) {
        return status;
    }
    if (path.len < 2 || text[0] != '/') {
        return refuse(err, "unix:// wants an absolute path, as in unix:///run/redis.sock");
    }
    endpoint *seed = &ret->seeds[0];
    seed->port = 0;
    (void)slice_copy(seed->host, sizeof seed->host, path); /* it fits */
    if (!endpoint_to_address(seed, &address)) {
        return refuse(err, "the socket's path is too long");
    }
    ret->count = 1;
    return KW_OK;
}

/* -------------------------------------------------------------------- options */

/* Reads the number-th option. What looks like an option's name may be a piece of a password with
 * an & in it: then the message gives the number only. */
static kw_status read_option(kw_slice pair, size_t number, bool secret, kw_options *options,
                             kw_error *err) {
    char name_text[64];
    char value_text[OPTION_TEXT_BYTES_MAX + 1];
    char what[32];
    kw_slice name = {NULL, 0};
    kw_slice value = {NULL, 0};
    (void)snprintf(what, sizeof what, "option %zu", number);
    size_t equals = length_until(pair, "=");
    if (equals == pair.len) {
        return io_fail(err, KW_ERR_INVALID, "URL: %s is not of the form name=value", what);
    }
    kw_status status =
        decode_part(slice_of(pair.data, equals), what, name_text, sizeof name_text, &name, err);
    if (status == KW_OK && secret && !options_has(name)) {
        return io_fail(err, KW_ERR_INVALID, "URL: there is no option as %s", what);
    }
    if (status == KW_OK) {
        status = decode_part(slice_from(pair, equals + 1), what, value_text, sizeof value_text,
                             &value, err);
    }
    if (status == KW_OK) {
        status = options_set(options, name, value, err);
        explicit_bzero(value_text, sizeof value_text);
    }
    return status;
}

static bool names_password(kw_slice query) {
    kw_slice pair;
    while (slice_split(&query, '&', &pair)) {
        if (slice_starts_with(pair, "password=")) {
            return true;
        }
    }
    return false;
}

static kw_status read_query(kw_slice query, kw_options *options, kw_error *err) {
    if (!query.data || query.len == 0) {
        return KW_OK;
    }
    bool secret = names_password(query);
    size_t number = 0;
    kw_slice pair;
    while (slice_split(&query, '&', &pair)) {
        kw_status status = read_option(pair, ++number, secret, options, err);
        if (status != KW_OK) {
            return status;
        }
    }
    return KW_OK;
}

kw_status url_parse(const char *text, kw_options *options, url_seeds *ret, kw_error *err) {
    if (!text) {
        return refuse(err, "there is none");
    }
    kw_slice rest = slice_text(text);
    if (rest.len > URL_BYTES_MAX) {
        return io_fail(err, KW_ERR_INVALID, "URL: longer than %d bytes", URL_BYTES_MAX);
    }
    const scheme *how = find_scheme(&rest);
    if (!how) {
        return refuse(err, "it must begin with redis://, rediss://, valkey://, valkeys:// or "
                           "unix://");
    }
    url_parts parts = {.path = {NULL, 0}};
    url_seeds seeds = {.count = 0};
    kw_status status = cut(rest, &parts, err);
    if (status == KW_OK) {
        status = read_user_info(parts.user_info, options, err);
    }
    if (status == KW_OK && how->socket) {
        status = parts.hosts.len > 0 ? refuse(err, "unix:// takes a path and no host")
                                     : read_socket(parts.path, &seeds, err);
    } else if (status == KW_OK) {
        status = read_hosts(parts.hosts, &seeds, err);
        status = status == KW_OK ? check_database(parts.path, err) : status;
    }
    if (status == KW_OK) {
        options->tls = options->tls || how->tls;
        status = read_query(parts.query, options, err);
    }
    if (status == KW_OK && how->tls && !options->tls) {
        status = refuse(err, "the scheme asks for TLS and tls=no for none");
    }
    if (status == KW_OK) {
        *ret = seeds;
    }
    return status;
}
