#include "node/node_settings.h"

#include "base/number.h"
#include "node/node_number.h"

#include <stdio.h>

typedef enum setting_kind {
    KIND_WORD,
    KIND_NUMBER,
    KIND_BYTES,
    KIND_BYTES_OR_PERCENT,
    KIND_TEXT,
    KIND_HOSTNAME,
    KIND_BIND,
    KIND_SAVE,
    KIND_OUTPUT_LIMITS,
    KIND_KEYSPACE_EVENTS,
    KIND_THREE_NUMBERS,
    KIND_PERCENTILES
} setting_kind;

typedef enum setting_change { CHANGE_OPEN, CHANGE_IMMUTABLE, CHANGE_PROTECTED } setting_change;

typedef struct setting_row {
    const char *name;
    node_setting_id value_of; /* of an old name: the current one, which has the value */
    setting_kind kind;
    setting_change change;
    int64_t least;
    uint64_t most;
    const char *value;
    const char *words; /* "ip, hostname, unknown-endpoint" */
} setting_row;

static const setting_row rows[SETTING_COUNT] = {
#define SETTING(id, of, name, kind, change, least, most, value, words)                             \
    {name, SETTING_##of, KIND_##kind, CHANGE_##change, least, most, value, words},
#include "node/node_settings_table.inc"
#undef SETTING
};

#define PERCENT_SIGN ((uint64_t)1 << 63) /* set in the number of a percentage */

static bool is_text(setting_kind kind) {
    return kind >= KIND_TEXT;
}

/* ------------------------------------------------------------------------------- reading */

/* The place of a word among "a, b, c", or -1. */
static int find_word(const char *words, kw_slice word) {
    kw_slice rest = slice_text(words);
    kw_slice part;
    for (int place = 0; slice_split(&rest, ',', &part); place++) {
        if (part.len > 0 && part.data[0] == ' ') {
            part = slice_of(part.data + 1, part.len - 1);
        }
        if (slice_equal_nocase(part, word)) {
            return place;
        }
    }
    return -1;
}

static kw_slice word_at(const char *words, uint64_t place) {
    kw_slice rest = slice_text(words);
    kw_slice part = SLICE_LITERAL("");
    for (uint64_t i = 0; i <= place && slice_split(&rest, ',', &part); i++) {
        if (part.len > 0 && part.data[0] == ' ') {
            part = slice_of(part.data + 1, part.len - 1);
        }
    }
    return part;
}

/* "64mb" and the like. No digits at all are taken for 0, as the servers do. */
static bool read_bytes(kw_slice text, uint64_t *ret) {
    static const struct {
        const char *unit;
        uint64_t bytes;
    } units[] = {
        {"", 1},
        {"b", 1},
        {"k", 1000},
        {"kb", 1024},
        {"m", 1000 * 1000},
        {"mb", 1024 * 1024},
        {"g", 1000u * 1000 * 1000},
        {"gb", 1024u * 1024 * 1024},
    };
    size_t digits = 0;
    while (digits < text.len && text.data[digits] >= '0' && text.data[digits] <= '9') {
        digits++;
    }
    uint64_t count = 0;
    if (digits > 0 && !slice_to_u64(slice_of(text.data, digits), &count)) {
        return false;
    }
    kw_slice unit = slice_of(text.data + digits, text.len - digits);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (slice_is_nocase(unit, units[i].unit)) {
            *ret = count * units[i].bytes;
            return true;
        }
    }
    return false;
}

static bool has_only(kw_slice text, const char *letters) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '\0' || !strchr(letters, text.data[i])) {
            return false;
        }
    }
    return true;
}

/* ------------------------------------------------------------------- texts with a grammar */

/* Each reads `text` and appends what CONFIG GET will show to `out`; NULL, or why not. */

static const char *read_save(kw_slice text, const char *before, buffer *out) {
    (void)before; /* replaced as a whole */
    static const char *const invalid = "Invalid save parameters";
    kw_slice rest = text;
    kw_slice part;
    size_t count = 0;
    while (text.len > 0 && slice_split(&rest, ' ', &part)) {
        int64_t number;
        bool seconds = count++ % 2 == 0;
        if (!number_read_integer(part, &number) || number < (seconds ? 1 : 0) ||
            number > INT32_MAX) {
            return invalid;
        }
        if (!buffer_printf(out, "%s%lld", count > 1 ? " " : "", (long long)number)) {
            return "out of memory";
        }
    }
    return count % 2 == 0 ? NULL : invalid;
}

#define LIMIT_CLASSES 3

/* The nine numbers of "normal h s t slave h s t pubsub h s t". */
static bool read_limits(kw_slice text, uint64_t limits[LIMIT_CLASSES][3]) {
    kw_slice rest = text;
    kw_slice part;
    for (size_t i = 0; slice_split(&rest, ' ', &part) && i < (size_t)LIMIT_CLASSES * 4; i++) {
        if (i % 4 != 0 && !read_bytes(part, &limits[i / 4][i % 4 - 1])) {
            return false;
        }
    }
    return true;
}

static const char *read_output_limits(kw_slice text, const char *before, buffer *out) {
    static const char *const classes = "normal, slave, pubsub";
    uint64_t limits[LIMIT_CLASSES][3] = {{0}};
    (void)read_limits(slice_text(before), limits); /* what we wrote ourselves is in order */
    kw_slice rest = text;
    kw_slice part;
    size_t count = 0;
    int of_class = 0;
    while (text.len > 0 && slice_split(&rest, ' ', &part)) {
        count++;
    }
    if (count % 4 != 0) {
        return "Wrong number of arguments in buffer limit configuration.";
    }
    rest = text;
    for (size_t i = 0; i < count && slice_split(&rest, ' ', &part); i++) {
        if (i % 4 == 0) {
            of_class = slice_is_nocase(part, "replica") ? 1 : find_word(classes, part);
            if (of_class < 0) {
                return "Invalid client class specified in buffer limit configuration.";
            }
        } else if (!read_bytes(part, &limits[of_class][i % 4 - 1])) {
            return "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
        }
    }
    for (uint64_t i = 0; i < LIMIT_CLASSES; i++) {
        kw_slice name = word_at(classes, i);
        if (!buffer_printf(out, "%s%.*s %llu %llu %llu", i ? " " : "", (int)name.len, name.data,
                           (unsigned long long)limits[i][0], (unsigned long long)limits[i][1],
                           (unsigned long long)limits[i][2])) {
            return "out of memory";
        }
    }
    return NULL;
}

static const char *read_keyspace_events(kw_slice text, const char *before, buffer *out) {
    (void)before; /* replaced as a whole */
    static const char all[] = "g$lshzxetd";
    static const char shown[] = "g$lshzxetdnKEm";
    bool wanted[sizeof shown] = {false};
    size_t all_count = 0;
    if (!has_only(text, "Ag$lshzxeKEtmdn")) {
        return "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.";
    }
    for (size_t i = 0; i < text.len; i++) {
        for (size_t at = 0; shown[at]; at++) {
            wanted[at] = wanted[at] || shown[at] == text.data[i] ||
                         (text.data[i] == 'A' && at < sizeof all - 1);
        }
    }
    for (size_t at = 0; at < sizeof all - 1; at++) {
        all_count += wanted[at];
    }
    bool ok = all_count < sizeof all - 1 || buffer_append_text(out, "A");
    for (size_t at = 0; ok && shown[at]; at++) {
        bool said = all_count == sizeof all - 1 && at < sizeof all; /* 'n' is lost beside 'A' */
        ok = !wanted[at] || said || buffer_append(out, &shown[at], 1);
    }
    return ok ? NULL : "out of memory";
}

static const char *read_three_numbers(kw_slice text, const char *before, buffer *out) {
    (void)before; /* replaced as a whole */
    kw_slice rest = text;
    kw_slice part;
    size_t count = 0;
    while (slice_split(&rest, ' ', &part)) {
        count++;
    }
    if (count != 3) {
        return "wrong number of arguments";
    }
    rest = text;
    while (slice_split(&rest, ' ', &part)) {
        int64_t number;
        if (!number_read_integer(part, &number) || number < -2000 || number > 2000) {
            return "Invalid oom-score-adj-values, elements must be between -2000 and 2000.";
        }
    }
    return buffer_append(out, text.data, text.len) ? NULL : "out of memory";
}

static const char *read_percentiles(kw_slice text, const char *before, buffer *out) {
    (void)before; /* replaced as a whole */
    kw_slice rest = text;
    kw_slice part;
    while (text.len > 0 && slice_split(&rest, ' ', &part)) {
        double value;
        if (!number_parse(part, &value)) {
            return "Invalid latency-tracking-info-percentiles parameters";
        }
        if (!(value >= 0 && value <= 100)) {
            return "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]";
        }
    }
    return buffer_append(out, text.data, text.len) ? NULL : "out of memory";
}

static const char *read_hostname(kw_slice text, const char *before, buffer *out) {
    (void)before; /* replaced as a whole */
    if (text.len >= 256) {
        return "Hostnames must be less than 256 characters";
    }
    if (!has_only(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.")) {
        return "Hostnames may only contain alphanumeric characters, hyphens or dots";
    }
    return buffer_append(out, text.data, text.len) ? NULL : "out of memory";
}

static const char *read_bind(kw_slice text, const char *before, buffer *out) {
    if (!slice_is(text, before)) {
        return "Failed to bind to specified addresses.";
    }
    return buffer_append(out, text.data, text.len) ? NULL : "out of memory";
}

static const char *read_plain(kw_slice text, const char *before, buffer *out) {
    (void)before; /* replaced as a whole */
    return buffer_append(out, text.data, text.len) ? NULL : "out of memory";
}

typedef const char *text_reader(kw_slice text, const char *before, buffer *out);

static text_reader *const readers[] = {
    [KIND_TEXT] = read_plain,
    [KIND_HOSTNAME] = read_hostname,
    [KIND_BIND] = read_bind,
    [KIND_SAVE] = read_save,
    [KIND_OUTPUT_LIMITS] = read_output_limits,
    [KIND_KEYSPACE_EVENTS] = read_keyspace_events,
    [KIND_THREE_NUMBERS] = read_three_numbers,
    [KIND_PERCENTILES] = read_percentiles,
};

/* -------------------------------------------------------------------------------- values */

static const char *read_word(const setting_row *row, kw_slice text, uint64_t *ret,
                             settings_refusal *refusal) {
    int place = find_word(row->words, text);
    if (place >= 0) {
        *ret = (uint64_t)place;
        return NULL;
    }
    if (strcmp(row->words, "no, yes") == 0) {
        return "argument must be 'yes' or 'no'";
    }
    (void)snprintf(refusal->made_text, sizeof refusal->made_text,
                   "argument(s) must be one of the following: %s", row->words); /* fits */
    return refusal->made_text;
}

static const char *check_bounds(const setting_row *row, bool inside, settings_refusal *refusal) {
    if (inside) {
        return NULL;
    }
    (void)snprintf(refusal->made_text, sizeof refusal->made_text,
                   "argument must be between %lld and %llu inclusive", (long long)row->least,
                   (unsigned long long)row->most); /* fits */
    return refusal->made_text;
}

static const char *read_number(const setting_row *row, kw_slice text, uint64_t *ret,
                               settings_refusal *refusal) {
    int64_t number;
    if (!number_read_integer(text, &number)) {
        return "argument couldn't be parsed into an integer";
    }
    *ret = (uint64_t)number;
    bool inside = number >= row->least && (number < 0 || (uint64_t)number <= row->most);
    return check_bounds(row, inside, refusal);
}

static const char *read_size(const setting_row *row, kw_slice text, uint64_t *ret,
                             settings_refusal *refusal) {
    if (!read_bytes(text, ret)) {
        return "argument must be a memory value";
    }
    bool inside = *ret <= row->most && *ret >= (uint64_t)row->least;
    return check_bounds(row, inside, refusal);
}

static const char *read_size_or_percent(const setting_row *row, kw_slice text, uint64_t *ret,
                                        settings_refusal *refusal) {
    (void)row;     /* without bounds */
    (void)refusal; /* nothing made */
    if (text.len > 1 && text.data[text.len - 1] == '%') {
        uint64_t percent;
        if (!slice_to_u64(slice_of(text.data, text.len - 1), &percent)) {
            return "argument must be a memory or percent value";
        }
        *ret = percent | PERCENT_SIGN;
        return percent > 100 ? "percentage argument must be less or equal to 100" : NULL;
    }
    return read_bytes(text, ret) ? NULL : "argument must be a memory or percent value";
}

typedef const char *number_reader(const setting_row *row, kw_slice text, uint64_t *ret,
                                  settings_refusal *refusal);

static number_reader *const number_readers[] = {
    [KIND_WORD] = read_word,
    [KIND_NUMBER] = read_number,
    [KIND_BYTES] = read_size,
    [KIND_BYTES_OR_PERCENT] = read_size_or_percent,
};

/* Port changes are refused as if the new port were taken: a lab's sockets are not the node's. */
static bool is_listening_port(node_setting_id id) {
    return id == SETTING_PORT || id == SETTING_TLS_PORT;
}

static kw_status read_value(const node_settings *s, node_setting_id id, kw_slice text,
                            node_setting_value *ret, settings_refusal *refusal) {
    const setting_row *row = &rows[id];
    const node_setting_value *now = &s->values[row->value_of];
    if (!is_text(row->kind)) {
        refusal->text = number_readers[row->kind](row, text, &ret->number, refusal);
        if (!refusal->text && is_listening_port(id) && ret->number != now->number) {
            refusal->text = "Unable to listen on this port. Check server logs.";
        }
        if (id == SETTING_HZ && ret->number > 500) {
            ret->number = 500;
        }
        return refusal->text ? KW_ERR_INVALID : KW_OK;
    }
    buffer shown;
    buffer_init(&shown, s->mem, 0);
    refusal->text = readers[row->kind](text, node_settings_text(s, id), &shown);
    kw_status status = refusal->text ? KW_ERR_INVALID : KW_OK;
    if (status == KW_OK) {
        kw_slice kept = buffer_slice(&shown);
        ret->text = mem_strndup(s->mem, kept.data, kept.len);
        status = ret->text ? KW_OK : KW_ERR_NOMEM;
    }
    buffer_done(&shown);
    return status;
}

/* ----------------------------------------------------------------------------- the module */

void node_settings_init(node_settings *s, const mem *m) {
    memset(s, 0, sizeof *s);
    s->mem = m;
    for (int i = 0; i < SETTING_COUNT; i++) {
        settings_refusal refusal;
        const setting_row *row = &rows[i];
        if (!is_text(row->kind)) {
            (void)number_readers[row->kind](row, slice_text(row->value), &s->values[i].number,
                                            &refusal); /* the server's own defaults */
        }
    }
}

void node_settings_done(node_settings *s) {
    for (int i = 0; i < SETTING_COUNT; i++) {
        mem_free(s->mem, s->values[i].text);
        s->values[i].text = NULL;
    }
}

int64_t node_settings_number(const node_settings *s, node_setting_id id) {
    return (int64_t)s->values[rows[id].value_of].number;
}

const char *node_settings_text(const node_settings *s, node_setting_id id) {
    node_setting_id of = rows[id].value_of;
    return s->values[of].text ? s->values[of].text : rows[of].value;
}

bool node_settings_put_text(node_settings *s, node_setting_id id, const char *text) {
    char *copy = mem_strndup(s->mem, text, strlen(text));
    if (!copy) {
        return false;
    }
    node_setting_value *value = &s->values[rows[id].value_of];
    mem_free(s->mem, value->text);
    value->text = copy;
    return true;
}

void node_settings_put_number(node_settings *s, node_setting_id id, int64_t value) {
    s->values[rows[id].value_of].number = (uint64_t)value;
}

const char *node_settings_name(node_setting_id id) {
    return rows[id].name;
}

node_setting_id node_settings_find(kw_slice name) {
    int id = 0;
    while (id < SETTING_COUNT && !slice_is_nocase(name, rows[id].name)) {
        id++;
    }
    return (node_setting_id)id;
}

bool node_settings_show(const node_settings *s, node_setting_id id, buffer *out) {
    const setting_row *row = &rows[id];
    uint64_t number = s->values[row->value_of].number;
    kw_slice word;
    switch (row->kind) {
    case KIND_WORD:
        word = word_at(row->words, number);
        return buffer_append(out, word.data, word.len);
    case KIND_NUMBER:
        return buffer_printf(out, "%lld", (long long)number);
    case KIND_BYTES:
        return buffer_printf(out, "%llu", (unsigned long long)number);
    case KIND_BYTES_OR_PERCENT:
        return buffer_printf(out, "%llu%s", (unsigned long long)(number & ~PERCENT_SIGN),
                             number & PERCENT_SIGN ? "%" : "");
    default:
        return buffer_append_text(out, node_settings_text(s, id));
    }
}

/* The settings that the pairs name, none twice, all of them such that may be changed. */
static kw_status choose(const kw_slice *pairs, size_t pair_count, settings_refusal *refusal) {
    for (size_t i = 0; i < pair_count; i++) {
        node_setting_id id = node_settings_find(pairs[2 * i]);
        refusal->argument = pairs[2 * i];
        refusal->text = NULL;
        if (id == SETTING_COUNT) {
            return KW_ERR_INVALID;
        }
        if (rows[id].change != CHANGE_OPEN) {
            refusal->text = rows[id].change == CHANGE_IMMUTABLE ? "can't set immutable config"
                                                                : "can't set protected config";
            return KW_ERR_INVALID;
        }
        for (size_t j = 0; j < i; j++) {
            if (node_settings_find(pairs[2 * j]) == id) {
                refusal->text = "duplicate parameter";
                return KW_ERR_INVALID;
            }
        }
    }
    return KW_OK;
}

kw_status node_settings_change(node_settings *s, const kw_slice *pairs, size_t pair_count,
                               settings_refusal *ret_refusal) {
    kw_status status = choose(pairs, pair_count, ret_refusal);
    if (status != KW_OK) {
        return status;
    }
    /* pair_count is at most SETTING_COUNT: no name came twice */
    node_setting_value *values = mem_calloc(s->mem, pair_count + 1, sizeof *values);
    if (!values) {
        return KW_ERR_NOMEM;
    }
    size_t read = 0;
    while (status == KW_OK && read < pair_count) {
        node_setting_id id = node_settings_find(pairs[2 * read]);
        ret_refusal->argument = slice_text(rows[id].name);
        status = read_value(s, id, pairs[2 * read + 1], &values[read], ret_refusal);
        read += status == KW_OK;
    }
    for (size_t i = 0; i < read; i++) {
        if (status == KW_OK) {
            node_setting_value *value = &s->values[rows[node_settings_find(pairs[2 * i])].value_of];
            node_setting_value before = *value;
            *value = values[i];
            values[i] = before;
        }
        mem_free(s->mem, values[i].text);
    }
    mem_free(s->mem, values);
    return status;
}

output_limit node_settings_output_limit(const node_settings *s, output_class of_class) {
    uint64_t limits[LIMIT_CLASSES][3] = {{0}};
    const char *text = node_settings_text(s, SETTING_CLIENT_OUTPUT_BUFFER_LIMIT);
    (void)read_limits(slice_text(text), limits); /* what we wrote ourselves is in order */
    const uint64_t *limit = limits[of_class];
    return (output_limit){limit[0], limit[1], limit[2]};
}

bool node_settings_notifies(const node_settings *s, char class_letter) {
    const char *text = node_settings_text(s, SETTING_NOTIFY_KEYSPACE_EVENTS);
    return strchr(text, class_letter) != NULL ||
           (strchr(text, 'A') != NULL && strchr("g$lshzxetd", class_letter) != NULL);
}
