/* Large arguments are not copied: of a command whose caller waits for it, the longest one is
 * written from where the caller has it, and only what is around it is encoded.
 *
 * The lent bytes are the caller's, and are read until the command is completed. By then nearly
 * always all of them are written, or none will be. Only a command whose time is up while its bytes
 * go out must go on without its caller: what its connection has begun to say it must end. */
#include "core/cluster_state.h"

#include <assert.h>

bool lend_pays(const kw_slice *argv, size_t argc, size_t *ret_apart) {
    size_t longest = 0;
    for (size_t i = 1; i < argc; i++) {
        longest = argv[i].len > argv[longest].len ? i : longest;
    }
    *ret_apart = longest;
    return argv[longest].len >= LEND_BYTES_MIN;
}

request *lend_encode(cluster *c, const kw_slice *argv, size_t argc, size_t size, size_t apart) {
    request *r = request_blank(c, size);
    chunk *home = r ? chunk_alone(&c->chunks, REQUEST_ASKING_LEN + size - argv[apart].len) : NULL;
    if (!home) {
        if (r) {
            request_free(c, r);
        }
        return NULL;
    }
    char *gap = NULL;
    memcpy(home->data, REQUEST_ASKING, REQUEST_ASKING_LEN); /* in case it is needed */
    resp_command_encode_around(home->data + REQUEST_ASKING_LEN, argv, argc, apart, &gap);
    home->lent = argv[apart];
    home->lent_at = (uint32_t)(gap - home->data);
    r->at.chunk = home;
    r->offset = REQUEST_ASKING_LEN;
    return r;
}

/* One piece, of our own. */
static bool copy(cluster *c, request *r, const chunk *home) {
    chunk *whole = chunk_alone(&c->chunks, r->len);
    if (!whole) {
        return false;
    }
    size_t before = home->lent_at - r->offset;
    char *at = whole->data;
    memcpy(at, home->data + r->offset, before);
    memcpy(at + before, home->lent.data, home->lent.len);
    memcpy(at + before + home->lent.len, home->data + home->lent_at, home->used - home->lent_at);
    r->at.more->chunk = whole;
    r->offset = 0;
    return true;
}

bool lend_end(cluster *c, const link *l, request *r) {
    chunk *home = request_chunk(r);
    assert(r->place == PLACE_PIPELINE && r->on_wire);
    if (!home->lent.data || MUTANT(LOAN_KEPT)) {
        return true;
    }
    bool is_written = l->unsent != &r->node;
    bool is_copied = !is_written && copy(c, r, home);
    home->lent = slice_of(NULL, 0);
    if (is_copied) {
        chunk_unref(&c->chunks, home);
    }
    return is_written || is_copied;
}
