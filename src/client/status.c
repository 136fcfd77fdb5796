#include "core/slot.h"

#include <keyway/keyway.h>

#define ENTRIES(table) (sizeof(table) / sizeof((table)[0]))

/* What an answer to "may I simply repeat it?" depends on, beside the outcome. */
static const struct status_entry {
    const char *name;
    bool may_pass; /* the same call may succeed later */
} STATUSES[] = {
    [KW_OK] = {"OK", false},
    [KW_ERR_NOMEM] = {"NOMEM", true},
    [KW_ERR_INVALID] = {"INVALID", false},
    [KW_ERR_UNSUPPORTED] = {"UNSUPPORTED", false},
    [KW_ERR_CROSSSLOT] = {"CROSSSLOT", false},
    [KW_ERR_LIMIT] = {"LIMIT", true},
    [KW_ERR_TIMEOUT] = {"TIMEOUT", true},
    [KW_ERR_CONNECTION] = {"CONNECTION", true},
    [KW_ERR_RESOLVE] = {"RESOLVE", true},
    [KW_ERR_TLS] = {"TLS", false},
    [KW_ERR_AUTH] = {"AUTH", false},
    [KW_ERR_PROTOCOL] = {"PROTOCOL", true},
    [KW_ERR_REDIRECTS] = {"REDIRECTS", true},
    [KW_ERR_UNCOVERED] = {"UNCOVERED", true},
    [KW_ERR_CLOSED] = {"CLOSED", false},
    [KW_ERR_FORKED] = {"FORKED", false},
    [KW_ERR_NOT_CLUSTER] = {"NOT_CLUSTER", false},
    [KW_ERR_BUSY] = {"BUSY", true},
};

static const char *const OUTCOMES[] = {
    [KW_NOT_SENT] = "NOT_SENT",
    [KW_REJECTED] = "REJECTED",
    [KW_NO_EFFECT] = "NO_EFFECT",
    [KW_MAYBE_EXECUTED] = "MAYBE_EXECUTED",
};

const char *kw_status_name(kw_status status) {
    return (size_t)status < ENTRIES(STATUSES) ? STATUSES[status].name : "UNKNOWN";
}

const char *kw_outcome_name(kw_outcome outcome) {
    return (size_t)outcome < ENTRIES(OUTCOMES) ? OUTCOMES[outcome] : "UNKNOWN";
}

bool kw_error_is_retriable(const kw_error *err) {
    return err && (size_t)err->status < ENTRIES(STATUSES) && STATUSES[err->status].may_pass &&
           err->outcome != KW_MAYBE_EXECUTED;
}

const char *kw_version(void) {
    return KW_VERSION_STRING;
}

int kw_key_slot(const char *key, size_t len) {
    return slot_of_key(slice_of(key, len));
}
