/* The shortest useful program: writes a key to a cluster and reads it back.
 *
 *     cc sync.c $(pkg-config --cflags --libs keyway) -o sync
 *     ./sync redis://127.0.0.1:7000 */
#include <keyway/keyway.h>

#include <stdio.h>

int main(int argc, char **argv) {
    kw_client *client = NULL;
    kw_reply *reply = NULL;
    kw_error err;
    const char *url = argc > 1 ? argv[1] : "redis://127.0.0.1:7000";
    int exit_status = 1;

    if (kw_open(url, NULL, &client, &err) != KW_OK ||
        kw_call(client, &reply, &err, "SET %s %s", "greeting", "hello, cluster") != KW_OK) {
        /* No reply came. The outcome says whether the command can have been executed. */
        fprintf(stderr, "sync: %s (%s)\n", err.message, kw_outcome_name(err.outcome));
        goto done;
    }
    if (kw_reply_is_error(reply)) { /* what a server answers is a reply, also its errors */
        fprintf(stderr, "sync: the server says %s\n", kw_reply_string(reply, NULL));
        goto done;
    }
    kw_reply_free(reply);
    reply = NULL;

    if (kw_call(client, &reply, &err, "GET %s", "greeting") != KW_OK) {
        fprintf(stderr, "sync: %s (%s)\n", err.message, kw_outcome_name(err.outcome));
        goto done;
    }
    if (kw_reply_type(reply) == KW_TYPE_STRING) {
        printf("slot %d holds: %s\n", kw_key_slot("greeting", 8), kw_reply_string(reply, NULL));
        exit_status = 0;
    } else {
        fprintf(stderr, "sync: no string, but %s\n", kw_type_name(kw_reply_type(reply)));
    }
done:
    kw_reply_free(reply);
    kw_close(client);
    return exit_status;
}
