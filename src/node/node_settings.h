/* What CONFIG GET and CONFIG SET know: every setting of the imitated server with its type, bounds
 * and default (node_settings_table.inc, asked of that server), and the values of one node. Some
 * have an effect, which is with whoever reads them. Owns its texts. Pure. */
#ifndef NODE_NODE_SETTINGS_H
#define NODE_NODE_SETTINGS_H

#include "base/buffer.h"

typedef enum node_setting_id {
#define SETTING(id, of, name, kind, change, least, most, value, words) SETTING_##id,
#include "node/node_settings_table.inc"
#undef SETTING
    SETTING_COUNT
} node_setting_id;

enum { ENDPOINT_IP, ENDPOINT_HOSTNAME, ENDPOINT_UNKNOWN }; /* cluster-preferred-endpoint-type */

typedef struct node_setting_value {
    uint64_t number; /* a signed number as such; a word's place among the words; yes = 1 */
    char *text;      /* of settings that are text; NULL: the default's */
} node_setting_value;

typedef struct node_settings {
    const mem *mem;
    node_setting_value values[SETTING_COUNT];
} node_settings;

void node_settings_init(node_settings *s, const mem *m);
void node_settings_done(node_settings *s);

int64_t node_settings_number(const node_settings *s, node_setting_id id);
static inline bool node_settings_flag(const node_settings *s, node_setting_id id) {
    return node_settings_number(s, id) != 0;
}
const char *node_settings_text(const node_settings *s, node_setting_id id);
/* Whatever the bounds say and if it may be changed or not; false if memory is short. */
KW_CHECKED bool node_settings_put_text(node_settings *s, node_setting_id id, const char *text);
void node_settings_put_number(node_settings *s, node_setting_id id, int64_t value);

const char *node_settings_name(node_setting_id id);
/* By the name in any case; SETTING_COUNT: there is none. */
node_setting_id node_settings_find(kw_slice name);
/* Appends the value as CONFIG GET shows it; false if memory is short. */
KW_CHECKED bool node_settings_show(const node_settings *s, node_setting_id id, buffer *out);

/* Why CONFIG SET did nothing: the argument it complains of, and the text (NULL: unknown name). */
typedef struct settings_refusal {
    kw_slice argument;
    const char *text;
    char made_text[192];
} settings_refusal;

/* Name, value, name, value …: all are set, or none. Errors: KW_ERR_INVALID with *ret_refusal,
 * KW_ERR_NOMEM. */
KW_CHECKED kw_status node_settings_change(node_settings *s, const kw_slice *pairs,
                                          size_t pair_count, settings_refusal *ret_refusal);

/* client-output-buffer-limit of a class of clients: 0 is no limit. */
typedef enum output_class { OUTPUT_NORMAL, OUTPUT_REPLICA, OUTPUT_PUBSUB } output_class;
typedef struct output_limit {
    uint64_t hard_bytes;
    uint64_t soft_bytes;
    uint64_t soft_s;
} output_limit;
output_limit node_settings_output_limit(const node_settings *s, output_class of_class);

/* True if notify-keyspace-events asks for this class; 'A' in it stands for "g$lshzxetd". */
bool node_settings_notifies(const node_settings *s, char class_letter);

#endif
