#include "core/redirect.h"

#include "core/slot.h"

static const struct code {
    const char *word;
    answer_kind kind;
} codes[] = {
    {"MOVED", ANSWER_MOVED},       {"ASK", ANSWER_ASK},
    {"TRYAGAIN", ANSWER_TRYAGAIN}, {"CLUSTERDOWN", ANSWER_CLUSTERDOWN},
    {"LOADING", ANSWER_LOADING},   {"MASTERDOWN", ANSWER_MASTERDOWN},
    {"READONLY", ANSWER_READONLY}, {"UNBLOCKED", ANSWER_UNBLOCKED},
};

static answer_kind kind_of(kw_slice word) {
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (slice_is(word, codes[i].word)) {
            return codes[i].kind;
        }
    }
    return ANSWER_ERROR;
}

/* "<slot> <host>:<port>", and nothing more. */
static void read_target(kw_slice text, answer *ret) {
    kw_slice slot_text;
    uint64_t slot;
    if (!slice_split(&text, ' ', &slot_text) || !text.data || !slice_to_u64(slot_text, &slot) ||
        slot >= SLOT_COUNT) {
        ret->kind = ANSWER_BROKEN;
        return;
    }
    if (slice_starts_with(text, "?:")) {
        /* The node knows the owner, but not how to reach it (NODE §2): no one serves it for us. */
        ret->kind = ANSWER_CLUSTERDOWN;
        ret->uncovered = true;
        slice_copy(ret->target.host, sizeof(ret->target.host), SLICE_LITERAL("?"));
    } else if (!endpoint_parse(text, &ret->target)) {
        ret->kind = ANSWER_BROKEN;
        return;
    }
    ret->slot = (int)slot;
}

void answer_read(char type, kw_slice text, answer *ret) {
    ret->kind = ANSWER_REPLY;
    ret->slot = SLOT_NONE;
    ret->target.host[0] = '\0';
    ret->target.port = 0;
    ret->uncovered = false;
    if (type != '-' && type != '!') {
        return;
    }
    kw_slice rest = text;
    kw_slice word = text;
    (void)slice_split(&rest, ' ', &word); /* false only for an empty text: no code either */
    ret->kind = kind_of(word);
    if (ret->kind == ANSWER_UNBLOCKED && !slice_starts_with(rest, "force unblock")) {
        ret->kind = ANSWER_ERROR; /* CLIENT UNBLOCK ... ERROR: somebody meant just this command */
    }
    if (ret->kind == ANSWER_MOVED || ret->kind == ANSWER_ASK) {
        if (rest.data) {
            read_target(rest, ret);
        } else {
            ret->kind = ANSWER_BROKEN;
        }
    } else if (ret->kind == ANSWER_CLUSTERDOWN) {
        ret->uncovered = slice_is(rest, "Hash slot not served");
    }
}
