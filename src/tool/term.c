#include "tool/term.h"

#include "base/slice.h"

#include <langinfo.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { WIDTH_MIN = 20, WIDTH_DEFAULT = 80, WIDTH_MAX = 10000, HEIGHT_DEFAULT = 24, HUES = 12 };

/* Hues that differ from their neighbours, also for most colour-blind eyes; red and yellow are left
 * to warnings. Each bright and faded, in the 256 colours; and the nearest of the 8. */
static const struct {
    int bright;
    int faded;
    int basic;
} hues[HUES] = {
    {33, 24, 4},  {214, 130, 7}, {42, 29, 2}, {170, 96, 5},  {45, 31, 6},  {99, 61, 4},
    {148, 64, 2}, {211, 132, 5}, {79, 36, 6}, {180, 137, 7}, {111, 67, 4}, {119, 71, 2},
};

static int count_colours(bool is_tty) {
    const char *off = getenv("NO_COLOR");
    const char *name = getenv("TERM");
    if (!is_tty || (off && *off) || !name || !*name || strcmp(name, "dumb") == 0) {
        return 0;
    }
    const char *basic[] = {"linux", "vt100", "vt220", "ansi", "cons25"};
    for (size_t i = 0; i < sizeof basic / sizeof basic[0]; i++) {
        if (strcmp(name, basic[i]) == 0) {
            return 8;
        }
    }
    return 256;
}

void term_resize(term *t, int fd) {
    struct winsize size = {0};
    const char *columns = getenv("COLUMNS");
    uint64_t width = 0;
    t->width = WIDTH_DEFAULT;
    t->height = HEIGHT_DEFAULT;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        t->width = size.ws_col;
        t->height = size.ws_row > 0 ? size.ws_row : HEIGHT_DEFAULT;
    } else if (columns && slice_to_u64(slice_text(columns), &width) && width >= WIDTH_MIN &&
               width <= WIDTH_MAX) {
        t->width = (int)width;
    }
}

void term_probe(term *t, int fd) {
    t->is_tty = isatty(fd) == 1;
    t->colours = count_colours(t->is_tty);
    t->utf8 = strcasecmp(nl_langinfo(CODESET), "UTF-8") == 0;
    term_resize(t, fd);
}

const char *term_style(const term *t, style s) {
    static const char *const few[] = {"\033[0m",  "\033[1m",  "\033[2m",   "\033[32m",
                                      "\033[33m", "\033[31m", "\033[1;36m"};
    static const char *const many[] = {"\033[0m",        "\033[1m",        "\033[38;5;245m",
                                       "\033[38;5;71m",  "\033[38;5;221m", "\033[38;5;203m",
                                       "\033[1;38;5;75m"};
    if (t->colours == 0) {
        return "";
    }
    return t->colours == 8 ? few[s] : many[s];
}

static void sequence(out *o, const term *t, colour c, int layer) {
    if (t->colours == 0) {
        return;
    }
    if (c.node == COLOUR_NONE) {
        out_printf(o, "\033[%dm", layer + 9); /* the terminal's own */
        return;
    }
    int hue = c.node >= 0 ? c.node % HUES : 0;
    if (t->colours == 8) {
        int basic = c.node == COLOUR_HOLE ? 1 : c.node == COLOUR_MARK ? 3 : hues[hue].basic;
        out_printf(o, "\033[%dm", layer + basic);
        return;
    }
    int index = c.faded ? hues[hue].faded : hues[hue].bright;
    if (c.node < 0) {
        index = c.node == COLOUR_HOLE ? 196 : 231;
    }
    out_printf(o, "\033[%d;5;%dm", layer + 8, index);
}

void term_ink(out *o, const term *t, colour c) {
    sequence(o, t, c, 30);
}

void term_paper(out *o, const term *t, colour c) {
    sequence(o, t, c, 40);
}

char term_letter(int node) {
    int index = node % 52;
    return (char)(index < 26 ? 'A' + index : 'a' + index - 26);
}
