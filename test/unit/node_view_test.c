#include "node/node_gossip.h"

#include "unit/support/unit.h"

/* Peers 0, 1, 2 are primaries with epochs 1, 2, 3; 3 is a replica of 0. */
enum { PEERS = 4 };

static node_view *make_view(uint16_t self) {
    node_peer peers[PEERS] = {0};
    for (uint16_t i = 0; i < PEERS; i++) {
        memset(peers[i].id, 'a' + i, NODE_ID_SIZE - 1);
        peers[i].port = (uint16_t)(7000 + i);
        peers[i].known = true;
        peers[i].primary = i < 3;
        peers[i].primary_of = i < 3 ? i : 0;
        peers[i].config_epoch = i + 1u;
    }
    node_view *v = node_view_new(&mem_default, self, peers, PEERS);
    assert_non_null(v);
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        node_view_give(v, slot, (uint16_t)(slot * 3 / SLOT_COUNT));
    }
    v->full_coverage_required = true;
    v->changed = false;
    node_view_judge(v);
    return v;
}

static void hear(node_view *v, const node_view *from) {
    node_news news;
    node_view_tell(from, &news);
    node_view_hear(v, &news);
}

static void giving_keeps_count(void **state) {
    (void)state;
    node_view *v = make_view(0);
    assert_int_equal(v->peers[0].slot_count, 5462);
    node_view_give(v, 0, 1);
    node_view_give(v, 0, 1);
    node_view_give(v, 1, NODE_NOBODY);
    assert_int_equal(v->peers[0].slot_count, 5460);
    assert_int_equal(v->peers[1].slot_count, 5462);
    assert_true(v->changed);
    v->changed = false;
    node_view_give(v, 16383, 1); /* not mine */
    assert_false(v->changed);
    node_view_free(v);
}

static void peers_are_found_by_id(void **state) {
    (void)state;
    node_view *v = make_view(0);
    assert_int_equal(node_view_find(v, slice_text(v->peers[2].id)), 2);
    assert_int_equal(node_view_find(v, slice_of(v->peers[2].id, 39)), NODE_NOBODY);
    assert_int_equal(node_view_find(v, SLICE_LITERAL("")), NODE_NOBODY);
    node_view_free(v);
}

static void a_claim_wins_by_its_epoch_only(void **state) {
    (void)state;
    node_view *mine = make_view(0);
    node_view *low = make_view(1);
    node_view_give(low, 16000, 1); /* node 2's; node 1's epoch is lower */
    hear(mine, low);
    assert_int_equal(mine->owner[16000], 2);
    assert_true(node_view_bump_epoch(low));
    assert_int_equal(node_view_self(low)->config_epoch, 5);
    hear(mine, low);
    assert_int_equal(mine->owner[16000], 1);
    assert_int_equal(mine->peers[1].config_epoch, 5);
    assert_int_equal(mine->current_epoch, 5);
    node_view_free(mine);
    node_view_free(low);
}

static void a_slot_of_nobody_goes_to_the_first_that_claims_it(void **state) {
    (void)state;
    node_view *mine = make_view(2);
    node_view *first = make_view(0);
    node_view_give(mine, 0, NODE_NOBODY);
    hear(mine, first);
    assert_int_equal(mine->owner[0], 0);
    node_view_free(mine);
    node_view_free(first);
}

static void a_slot_that_i_import_is_not_taken_by_gossip(void **state) {
    (void)state;
    node_view *mine = make_view(0);
    node_view *other = make_view(1);
    node_view_set_importing(mine, 16000, 2);
    node_view_give(other, 16000, 1);
    assert_true(node_view_bump_epoch(other));
    hear(mine, other);
    assert_int_equal(mine->owner[16000], 2);
    node_view_free(mine);
    node_view_free(other);
}

static void a_node_does_not_listen_to_itself(void **state) {
    (void)state;
    node_view *mine = make_view(0);
    node_view *mirror = make_view(0);
    node_view_give(mirror, 16000, 0);
    hear(mine, mirror);
    assert_int_equal(mine->owner[16000], 2);
    node_view_free(mine);
    node_view_free(mirror);
}

static void settling_at_the_importer_raises_its_epoch(void **state) {
    (void)state;
    node_view *v = make_view(0);
    node_view_set_importing(v, 16000, 2);
    node_view_settle(v, 16000, 0, true);
    assert_int_equal(v->owner[16000], 0);
    assert_int_equal(v->importing_from[16000], NODE_NOBODY);
    assert_int_equal(node_view_self(v)->config_epoch, 5);
    node_view_free(v);
}

static void settling_at_the_source_closes_the_slot_when_no_key_is_left(void **state) {
    (void)state;
    node_view *v = make_view(0);
    node_view_set_migrating(v, 0, 1);
    node_view_set_migrating(v, 1, 1);
    node_view_settle(v, 0, 1, false);
    node_view_settle(v, 1, 1, true);
    assert_int_equal(v->migrating_to[0], NODE_NOBODY);
    assert_int_equal(v->migrating_to[1], 1);
    assert_int_equal(node_view_self(v)->config_epoch, 1);
    node_view_free(v);
}

static void taking_over_claims_the_whole_shard(void **state) {
    (void)state;
    node_view *v = make_view(3);
    node_view_take_over(v);
    assert_true(node_view_self(v)->primary);
    assert_int_equal(v->owner[0], 3);
    assert_int_equal(v->peers[0].slot_count, 0);
    assert_int_equal(node_view_self(v)->config_epoch, 5);

    node_view *old = make_view(0);
    hear(old, v);
    assert_false(node_view_self(old)->primary);
    assert_int_equal(node_view_self(old)->primary_of, 3);
    assert_true(old->changed);
    node_view_free(v);
    node_view_free(old);
}

static void adopting_hears_of_everything_at_once(void **state) {
    (void)state;
    node_view *stale = make_view(0);
    node_view *fresh = make_view(NODE_NOBODY);
    node_view *heir = make_view(3);
    node_view_set_migrating(stale, 5, 1);
    node_view_take_over(heir);
    hear(fresh, heir);
    fresh->peers[2].failed = true;
    node_view_adopt(stale, fresh);
    assert_int_equal(stale->owner[5], 3);
    assert_int_equal(stale->migrating_to[5], NODE_NOBODY);
    assert_true(stale->peers[2].failed);
    assert_false(node_view_self(stale)->primary);
    assert_int_equal(node_view_self(stale)->primary_of, 3);
    node_view_free(stale);
    node_view_free(fresh);
    node_view_free(heir);
}

static void the_state_is_judged_by_coverage_and_majority(void **state) {
    (void)state;
    node_view *v = make_view(0);
    assert_true(v->up);
    node_view_give(v, 9, NODE_NOBODY);
    node_view_judge(v);
    assert_false(v->up);
    v->full_coverage_required = false;
    node_view_judge(v);
    assert_true(v->up);
    v->peers[1].failed = true;
    node_view_judge(v);
    assert_true(v->up);
    v->peers[2].failed = true;
    node_view_judge(v);
    assert_false(v->up);
    node_view_free(v);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(giving_keeps_count),
        cmocka_unit_test(peers_are_found_by_id),
        cmocka_unit_test(a_claim_wins_by_its_epoch_only),
        cmocka_unit_test(a_slot_of_nobody_goes_to_the_first_that_claims_it),
        cmocka_unit_test(a_slot_that_i_import_is_not_taken_by_gossip),
        cmocka_unit_test(a_node_does_not_listen_to_itself),
        cmocka_unit_test(settling_at_the_importer_raises_its_epoch),
        cmocka_unit_test(settling_at_the_source_closes_the_slot_when_no_key_is_left),
        cmocka_unit_test(taking_over_claims_the_whole_shard),
        cmocka_unit_test(adopting_hears_of_everything_at_once),
        cmocka_unit_test(the_state_is_judged_by_coverage_and_majority),
    };
    return cmocka_run_group_tests_name("node_view", tests, NULL, NULL);
}
