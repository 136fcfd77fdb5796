/* A cluster with nothing installed: starts one in this process, prints its URL, and ends it when
 * standard input ends. Any client in any language can talk to it meanwhile.
 *
 *     cc lab.c $(pkg-config --cflags --libs keyway-lab) -o lab
 *     ./lab                                   (Ctrl-D ends it)
 *     ./sync "$URL"                           (in another terminal, with the URL printed) */
#include <keyway/lab.h>

#include <stdio.h>

int main(void) {
    kw_lab_options *options = NULL;
    kw_lab *lab = NULL;
    kw_error err;
    int exit_status = 1;

    if (kw_lab_options_new(&options) != KW_OK ||
        kw_lab_options_set_size(options, 3, 1) != KW_OK) { /* primaries, replicas of each */
        fprintf(stderr, "lab: out of memory\n");
        goto done;
    }
    if (kw_lab_start(options, &lab, &err) != KW_OK) {
        fprintf(stderr, "lab: %s\n", err.message);
        goto done;
    }
    printf("%s\n", kw_lab_url(lab));
    fflush(stdout);

    while (getchar() != EOF) {
    }
    exit_status = 0;
done:
    kw_lab_stop(lab);
    kw_lab_options_free(options);
    return exit_status;
}
