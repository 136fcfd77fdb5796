#include "node/value_list.h"

#include "base/prng.h"
#include "unit/support/failing_mem.h"
#include "unit/support/unit.h"

#include <stdlib.h>

static char long_word[] = "a word too long to lie in the ring itself";

/* The elements, a comma between two. */
static const char *content(const value_list *l, char dst[1024]) {
    size_t at = 0;
    dst[0] = '\0';
    for (size_t i = 0; i < value_list_count(l); i++) {
        kw_slice element = value_list_at(l, i);
        at += (size_t)snprintf(dst + at, 1024 - at, "%s%.*s", i ? "," : "", (int)element.len,
                               element.data);
        assert_true(at < 1024);
    }
    return dst;
}

static value_list *list_of(const mem *m, const char *words) {
    value_list *l = value_list_new(m);
    assert_non_null(l);
    kw_slice rest = slice_text(words);
    kw_slice word;
    while (slice_split(&rest, ',', &word)) {
        assert_true(value_list_push(l, LIST_TAIL, word));
    }
    return l;
}

#define assert_content(list, text)                                                                 \
    do {                                                                                           \
        char buffer_[1024];                                                                        \
        assert_string_equal(content(list, buffer_), text);                                         \
    } while (0)

static void both_ends_push_and_drop(void **state) {
    (void)state;
    value_list *l = value_list_new(&mem_default);
    assert_non_null(l);
    assert_int_equal(value_list_count(l), 0);
    assert_true(value_list_push(l, LIST_HEAD, SLICE_LITERAL("b")));
    assert_true(value_list_push(l, LIST_HEAD, SLICE_LITERAL("a")));
    assert_true(value_list_push(l, LIST_TAIL, SLICE_LITERAL("c")));
    assert_true(value_list_push(l, LIST_TAIL, slice_text(long_word)));
    assert_slice_is(value_list_end(l, LIST_HEAD), "a");
    assert_slice_is(value_list_end(l, LIST_TAIL), long_word);
    value_list_drop(l, LIST_TAIL, 1);
    assert_content(l, "a,b,c");
    value_list_drop(l, LIST_HEAD, 2);
    assert_content(l, "c");
    value_list_drop(l, LIST_HEAD, 5);
    assert_int_equal(value_list_count(l), 0);
    value_list_free(l);
    value_list_free(NULL);
}

static void elements_of_any_length_and_bytes_come_back(void **state) {
    (void)state;
    static const size_t lengths[] = {0, 1, 14, 15, 16, 17, 255, 256, 70000};
    static char bytes[70000];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (char)(i * 7);
    }
    value_list *l = value_list_new(&mem_default);
    assert_non_null(l);
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        assert_true(value_list_push(l, LIST_TAIL, slice_of(bytes, lengths[i])));
    }
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        assert_true(slice_equal(value_list_at(l, i), slice_of(bytes, lengths[i])));
    }
    value_list_free(l);
}

static void an_element_moves_between_ends_and_lists(void **state) {
    (void)state;
    value_list *a = list_of(&mem_default, "1,2,3");
    value_list *b = value_list_new(&mem_default);
    assert_non_null(b);
    assert_true(value_list_move(a, LIST_HEAD, b, LIST_TAIL));
    assert_true(value_list_move(a, LIST_TAIL, b, LIST_HEAD));
    assert_content(a, "2");
    assert_content(b, "3,1");
    assert_true(value_list_push(b, LIST_TAIL, slice_text(long_word)));
    assert_true(value_list_move(b, LIST_TAIL, b, LIST_HEAD));
    assert_slice_is(value_list_at(b, 0), long_word);
    assert_true(value_list_move(b, LIST_HEAD, b, LIST_HEAD));
    assert_slice_is(value_list_at(b, 0), long_word);
    assert_int_equal(value_list_count(b), 3);
    value_list_free(a);
    value_list_free(b);
}

typedef struct remove_row {
    const char *before;
    list_end from;
    size_t count;
    const char *word;
    size_t removed;
    const char *after;
} remove_row;

static void equal_elements_are_removed_from_either_end(void **state) {
    (void)state;
    static const remove_row rows[] = {
        {"a,x,b,x,c,x", LIST_HEAD, 2, "x", 2, "a,b,c,x"},
        {"a,x,b,x,c,x", LIST_TAIL, 2, "x", 2, "a,x,b,c"},
        {"a,x,b,x,c,x", LIST_TAIL, SIZE_MAX, "x", 3, "a,b,c"},
        {"a,x,b,x,c,x", LIST_HEAD, SIZE_MAX, "x", 3, "a,b,c"},
        {"a,b", LIST_HEAD, 1, "x", 0, "a,b"},
        {"a,b", LIST_TAIL, 1, "x", 0, "a,b"},
        {"x,x", LIST_TAIL, 9, "x", 2, ""},
        {"x,a", LIST_TAIL, 1, "x", 1, "a"},
        {"a,x", LIST_HEAD, 1, "x", 1, "a"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        value_list *l = list_of(&mem_default, rows[i].before);
        assert_int_equal(
            value_list_remove(l, rows[i].from, rows[i].count, slice_text(rows[i].word)),
            rows[i].removed);
        assert_content(l, rows[i].after);
        value_list_free(l);
    }
}

static void a_clone_has_a_life_of_its_own(void **state) {
    (void)state;
    value_list *l = list_of(&mem_default, "a,b");
    assert_true(value_list_push(l, LIST_HEAD, slice_text(long_word)));
    value_list *copy = value_list_kind.clone(&mem_default, l);
    assert_non_null(copy);
    assert_string_equal(value_list_kind.name, "list");
    assert_string_equal(value_list_kind.encoding(copy), "quicklist");
    value_list_drop(l, LIST_HEAD, 3);
    assert_int_equal(value_list_count(copy), 3);
    assert_slice_is(value_list_at(copy, 0), long_word);
    value_list_kind.free(&mem_default, l);
    value_list_kind.free(&mem_default, copy);
}

#define MODEL_MAX 400

typedef struct model {
    uint32_t words[MODEL_MAX + 1];
    size_t count;
} model;

static kw_slice word_text(uint32_t word, char dst[40]) {
    /* one in four is too long for the ring */
    int len = snprintf(dst, 40, word % 4 == 0 ? "a rather long element %u" : "%u", word);
    return slice_of(dst, (size_t)len);
}

static void model_insert(model *m, size_t index, uint32_t word) {
    memmove(m->words + index + 1, m->words + index, (m->count - index) * sizeof *m->words);
    m->words[index] = word;
    m->count++;
}

static void model_delete(model *m, size_t index) {
    m->count--;
    memmove(m->words + index, m->words + index + 1, (m->count - index) * sizeof *m->words);
}

static size_t model_remove(model *m, list_end from, size_t count, uint32_t word) {
    size_t removed = 0;
    for (size_t i = 0, before = m->count; i < before && removed < count; i++) {
        size_t index = from == LIST_HEAD ? i - removed : before - 1 - i;
        if (m->words[index] == word) {
            model_delete(m, index);
            removed++;
        }
    }
    return removed;
}

static void model_step(model *m, value_list *l, prng *random) {
    char text[40];
    uint32_t word = (uint32_t)prng_below(random, 16);
    kw_slice element = word_text(word, text);
    size_t index = (size_t)prng_below(random, m->count + 1);
    list_end end = prng_below(random, 2) ? LIST_HEAD : LIST_TAIL;
    switch (prng_below(random, 8)) {
    case 0:
        if (index < m->count) {
            m->words[index] = word;
            assert_true(value_list_set(l, index, element));
        }
        break;
    case 1:
        assert_int_equal(value_list_remove(l, end, index % 3, element),
                         model_remove(m, end, index % 3, word));
        break;
    case 2:
        for (size_t i = 0; i < index % 8 && m->count > 0; i++) {
            model_delete(m, end == LIST_HEAD ? 0 : m->count - 1);
            value_list_drop(l, end, 1);
        }
        break;
    case 3:
    case 4:
        model_insert(m, end == LIST_HEAD ? 0 : m->count, word);
        assert_true(value_list_push(l, end, element));
        break;
    default:
        model_insert(m, index, word);
        assert_true(value_list_insert(l, index, element));
        break;
    }
}

static void many_changes_agree_with_a_plain_array(void **state) {
    (void)state;
    prng random;
    prng_init(&random, 7);
    model m = {.count = 0};
    failing_mem f;
    failing_mem_init(&f);
    value_list *l = value_list_new(&f.mem);
    assert_non_null(l);
    for (int step = 0; step < 20000; step++) {
        if (m.count == MODEL_MAX) {
            value_list_drop(l, LIST_TAIL, MODEL_MAX - 3);
            m.count = 3;
        }
        model_step(&m, l, &random);
        assert_int_equal(value_list_count(l), m.count);
        for (size_t i = 0; i < m.count; i += step % 16 == 0 ? 1 : 37) {
            char text[40];
            assert_true(slice_equal(value_list_at(l, i), word_text(m.words[i], text)));
        }
    }
    value_list_free(l);
    assert_int_equal(f.live_count, 0);
}

static void short_memory_leaves_the_list_as_it_was(void **state) {
    (void)state;
    failing_mem f;
    failing_mem_init(&f);
    failing_mem_fail_at(&f, 1);
    assert_null(value_list_new(&f.mem));
    failing_mem_fail_at(&f, 0);
    value_list *l = list_of(&f.mem, "1,2,3,4,5,6,7,8");
    value_list *full = list_of(&f.mem, "1,2,3,4,5,6,7,8");
    failing_mem_fail_after(&f, 0);
    assert_false(value_list_push(l, LIST_HEAD, SLICE_LITERAL("x")));
    assert_false(value_list_insert(l, 4, SLICE_LITERAL("x")));
    assert_false(value_list_set(l, 4, slice_text(long_word)));
    assert_false(value_list_move(l, LIST_HEAD, full, LIST_TAIL));
    assert_null(value_list_kind.clone(&f.mem, l));
    assert_content(l, "1,2,3,4,5,6,7,8");
    assert_true(value_list_move(l, LIST_HEAD, l, LIST_TAIL));
    value_list_drop(l, LIST_HEAD, 7);
    assert_content(l, "1");
    value_list_free(l);
    value_list_free(full);
    assert_int_equal(f.live_count, 0);
}

static void a_clone_that_fails_half_way_leaks_nothing(void **state) {
    (void)state;
    failing_mem f;
    failing_mem_init(&f);
    value_list *l = list_of(&f.mem, "1,a word too long to lie in it,3,4,5,6,7,8,9,0");
    size_t held = f.live_count;
    for (size_t call = 1;; call++) {
        failing_mem_fail_at(&f, call);
        value_list *copy = value_list_kind.clone(&f.mem, l);
        if (copy) {
            assert_true(call > 3);
            value_list_free(copy);
            break;
        }
        assert_int_equal(f.live_count, held);
    }
    value_list_free(l);
    assert_int_equal(f.live_count, 0);
}

static void an_emptied_list_gives_its_memory_back(void **state) {
    (void)state;
    failing_mem f;
    failing_mem_init(&f);
    value_list *l = value_list_new(&f.mem);
    assert_non_null(l);
    for (int i = 0; i < 10000; i++) {
        assert_true(value_list_push(l, LIST_TAIL, SLICE_LITERAL("x")));
    }
    value_list_drop(l, LIST_HEAD, 9999);
    assert_true(f.live_bytes < 1024);
    value_list_free(l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ends_push_and_drop),
        cmocka_unit_test(elements_of_any_length_and_bytes_come_back),
        cmocka_unit_test(an_element_moves_between_ends_and_lists),
        cmocka_unit_test(equal_elements_are_removed_from_either_end),
        cmocka_unit_test(a_clone_has_a_life_of_its_own),
        cmocka_unit_test(many_changes_agree_with_a_plain_array),
        cmocka_unit_test(short_memory_leaves_the_list_as_it_was),
        cmocka_unit_test(a_clone_that_fails_half_way_leaks_nothing),
        cmocka_unit_test(an_emptied_list_gives_its_memory_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
