#include "tool/target.h"

#include <stdlib.h>

static exit_status open_failed(const kw_error *err) {
    if (err->status == KW_ERR_INVALID) {
        complain("%s; a URL looks like redis://[user:password@]127.0.0.1:7000", err->message);
        return STATUS_USAGE;
    }
    complain_error(NULL, err);
    return STATUS_NO_REPLY;
}

static exit_status start_lab(target *t, const char **ret_url) {
    kw_error err = {0};
    if (kw_lab_start(NULL, &t->lab, &err) != KW_OK) {
        complain("cannot start an embedded cluster: %s; -u URL names a real one", err.message);
        return STATUS_NO_REPLY;
    }
    *ret_url = kw_lab_url(t->lab);
    complain("no -u and no KEYWAY_URL: using an embedded cluster, empty and gone at the end");
    return STATUS_OK;
}

static exit_status open_handle(target *t) {
    kw_options *options = NULL;
    kw_error err = {0};
    if (kw_options_new(&options) != KW_OK) {
        give_up("out of memory");
    }
    exit_status status = STATUS_OK;
    if (t->resp != 0 && kw_options_set(options, "resp", t->resp == 2 ? "2" : "3", &err) != KW_OK) {
        status = open_failed(&err);
    }
    if (status == STATUS_OK && kw_open(t->url, options, &t->client, &err) != KW_OK) {
        status = open_failed(&err);
    }
    kw_options_free(options);
    return status;
}

exit_status target_open(target *t, const char *url, int resp) {
    *t = (target){.url = url, .resp = resp};
    if (!url || !*url) {
        t->url = getenv("KEYWAY_URL");
    }
    exit_status status = STATUS_OK;
    if (!t->url || !*t->url) {
        status = start_lab(t, &t->url);
    }
    if (status == STATUS_OK) {
        status = open_handle(t);
    }
    if (status != STATUS_OK) {
        target_close(t);
    }
    return status;
}

exit_status target_reopen(target *t) {
    kw_close(t->client);
    t->client = NULL;
    return open_handle(t);
}

void target_close(target *t) {
    kw_close(t->client);
    kw_lab_stop(t->lab);
    *t = (target){0};
}
