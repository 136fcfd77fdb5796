#include "tool/slotgrid.h"

#include "unit/support/unit.h"

static slotgrid grid;

static void even_halves(void) {
    memset(&grid, 0, sizeof grid);
    for (int slot = KW_SLOT_COUNT / 2; slot < KW_SLOT_COUNT; slot++) {
        grid.owner[slot] = 1;
    }
}

static void assert_drawn(const term *t, const char *expected) {
    out o;
    out_init(&o, -1);
    slotgrid_draw(&o, t, &grid, 16, 2, "\n");
    assert_slice_is(out_slice(&o), expected);
    out_done(&o);
}

static void without_colours_a_cell_is_its_nodes_letter(void **state) {
    (void)state;
    const term plain = {.utf8 = true, .width = 80};
    even_halves();
    assert_drawn(&plain, "     0  AAAAAAAAAAAAAAAA\n  8192  BBBBBBBBBBBBBBBB\n");
}

static void one_slot_in_trouble_shows_in_its_cell(void **state) {
    (void)state;
    const term plain = {.width = 80};
    even_halves();
    grid.owner[0] = -1;
    grid.flags[1023] = SLOT_MARKED;
    grid.flags[16383] = SLOT_IN_DOUBT;
    assert_drawn(&plain, "     0  .*AAAAAAAAAAAAAA\n  8192  BBBBBBBBBBBBBBB?\n");
}

static void most_slots_of_a_cell_decide_its_owner(void **state) {
    (void)state;
    const term plain = {.width = 80};
    even_halves();
    for (int slot = 0; slot < 257; slot++) {
        grid.owner[slot] = 2; /* 257 of the first cell's 512 */
    }
    for (int slot = 512; slot < 767; slot++) {
        grid.owner[slot] = 2; /* 255 of the second's */
    }
    assert_drawn(&plain, "     0  CAAAAAAAAAAAAAAA\n  8192  BBBBBBBBBBBBBBBB\n");
}

static void two_cells_share_a_character_on_a_colour_terminal(void **state) {
    (void)state;
    const term colour_term = {.utf8 = true, .colours = 8, .width = 80};
    even_halves();
    out o;
    out_init(&o, -1);
    slotgrid_draw(&o, &colour_term, &grid, 16, 1, "\n");
    assert_slice_is(out_slice(&o),
                    " \033[2m    0\033[0m  \033[34m\033[47m▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀\033[0m\n");
    out_done(&o);
}

static void columns_fit_the_width(void **state) {
    (void)state;
    static const struct {
        int width;
        int columns;
    } cases[] = {{200, 128}, {137, 128}, {136, 64}, {80, 64}, {72, 32}, {30, 16}, {10, 16}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const term t = {.width = cases[i].width};
        assert_int_equal(slotgrid_columns(&t), cases[i].columns);
    }
}

static void append_run(void *arg, int first, int last, int owner, unsigned flags) {
    out_printf(arg, "%d-%d:%d/%u ", first, last, owner, flags);
}

static void runs_end_where_owner_or_flags_change(void **state) {
    (void)state;
    even_halves();
    grid.owner[5] = -1;
    grid.flags[16383] = SLOT_IN_DOUBT;
    out o;
    out_init(&o, -1);
    slotgrid_runs(&grid, append_run, &o);
    assert_slice_is(out_slice(&o), "0-4:0/0 5-5:-1/0 6-8191:0/0 8192-16382:1/0 16383-16383:1/1 ");
    out_done(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_colours_a_cell_is_its_nodes_letter),
        cmocka_unit_test(one_slot_in_trouble_shows_in_its_cell),
        cmocka_unit_test(most_slots_of_a_cell_decide_its_owner),
        cmocka_unit_test(two_cells_share_a_character_on_a_colour_terminal),
        cmocka_unit_test(columns_fit_the_width),
        cmocka_unit_test(runs_end_where_owner_or_flags_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
