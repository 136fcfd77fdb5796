#include "lab/lab_handle.h"

/* -------------------------------------------------------------------------------------- faults */

void kw_lab_fault_init(kw_lab_fault *fault) {
    *fault = (kw_lab_fault){
        .node = -1,
        .first_slot = -1,
        .last_slot = -1,
        .probability = 1.0,
        .target = -1,
        .target_slot = -1,
    };
}

/* In lower case, "cluster slots" as "cluster|slots". False: too long. */
static bool copy_command(char *dst, size_t size, const char *text) {
    size_t len = slice_copy(dst, size, slice_text(text ? text : ""));
    for (size_t i = 0; i < len; i++) {
        bool upper = 'A' <= dst[i] && dst[i] <= 'Z';
        dst[i] = (char)(dst[i] == ' ' ? '|' : dst[i] + (upper ? 'a' - 'A' : 0));
    }
    return !text || text[len] == '\0';
}

static bool copy_bytes(char *dst, size_t size, kw_slice bytes, size_t *ret_len) {
    if (bytes.len > size) {
        return false;
    }
    if (bytes.len > 0) {
        memcpy(dst, bytes.data, bytes.len);
    }
    *ret_len = bytes.len;
    return true;
}

static kw_slice text_of(const kw_lab_fault *fault) {
    if (!fault->text && fault->action == KW_LAB_OVERSIZED) {
        return SLICE_LITERAL("$");
    }
    return fault->text_len > 0 ? slice_of(fault->text, fault->text_len)
                               : slice_text(fault->text ? fault->text : "");
}

typedef struct fault_request {
    const kw_lab_fault *fault;
    uint64_t id;
} fault_request;

/* Numbers of nodes: -1 stands for none, others must be there. */
static bool read_index(const kw_lab *lab, int index, uint16_t *ret) {
    *ret = index == -1 ? NODE_NOBODY : (uint16_t)index;
    return -1 <= index && index < lab->net.server_count;
}

static kw_status add_fault(kw_lab *lab, void *arg) {
    static const fault_action actions[] = {
        [KW_LAB_NONE] = FAULT_NONE,
        [KW_LAB_ERROR] = FAULT_ERROR,
        [KW_LAB_REPLY] = FAULT_REPLY,
        [KW_LAB_MOVED] = FAULT_MOVED,
        [KW_LAB_ASK] = FAULT_ASK,
        [KW_LAB_DROP_BEFORE] = FAULT_DROP_BEFORE,
        [KW_LAB_DROP_AFTER] = FAULT_DROP_AFTER,
        [KW_LAB_CUT] = FAULT_CUT,
        [KW_LAB_STALL] = FAULT_STALL,
        [KW_LAB_SWALLOW] = FAULT_SWALLOW,
        [KW_LAB_TRICKLE] = FAULT_TRICKLE,
        [KW_LAB_GARBAGE] = FAULT_GARBAGE,
        [KW_LAB_OVERSIZED] = FAULT_OVERSIZED,
        [KW_LAB_NEST] = FAULT_NEST,
    };
    fault_request *r = arg;
    const kw_lab_fault *fault = r->fault;
    fault_rule rule;
    fault_rule_init(&rule);
    kw_slice key = slice_text(fault->key ? fault->key : "");
    if ((unsigned)fault->action >= sizeof actions / sizeof *actions || fault->delay_ms < 0 ||
        !(fault->probability >= 0.0 && fault->probability <= 1.0) ||
        !read_index(lab, fault->node, &rule.node) ||
        !read_index(lab, fault->target, &rule.target) ||
        !copy_command(rule.command, sizeof rule.command, fault->command) ||
        !copy_bytes(rule.key, sizeof rule.key, key, &rule.key_len) ||
        !copy_bytes(rule.text, sizeof rule.text, text_of(fault), &rule.text_len)) {
        return KW_ERR_INVALID;
    }
    rule.action = actions[fault->action];
    rule.first_slot = fault->first_slot;
    rule.last_slot = fault->last_slot;
    rule.skip = fault->skip;
    rule.count = fault->count;
    rule.per_million = (unsigned)(fault->probability * FAULT_MILLION + 0.5);
    rule.delay_ms = (uint32_t)fault->delay_ms;
    rule.amount = fault->amount;
    rule.target_slot = fault->target_slot;
    return fault_rules_add(&fleet_lab(lab->fleet)->faults, &rule, &r->id);
}

kw_status kw_lab_add_fault(kw_lab *lab, const kw_lab_fault *fault, uint64_t *ret_id) {
    fault_request r = {.fault = fault};
    kw_status status = lab_ask(lab, add_fault, &r);
    if (status == KW_OK && ret_id) {
        *ret_id = r.id;
    }
    return status;
}

static kw_status remove_fault(kw_lab *lab, void *arg) {
    const uint64_t *id = arg;
    return fault_rules_remove(&fleet_lab(lab->fleet)->faults, *id) ? KW_OK : KW_ERR_INVALID;
}

kw_status kw_lab_remove_fault(kw_lab *lab, uint64_t id) {
    return lab_ask(lab, remove_fault, &id);
}

static kw_status clear_faults(kw_lab *lab, void *arg) {
    (void)arg;
    fault_rules_clear(&fleet_lab(lab->fleet)->faults);
    return KW_OK;
}

kw_status kw_lab_clear_faults(kw_lab *lab) {
    return lab_ask(lab, clear_faults, NULL);
}

static kw_status count_hits(kw_lab *lab, void *arg) {
    uint64_t *value = arg; /* an id goes in, hits come out */
    const fault_rule *rule = fault_rules_find(&fleet_lab(lab->fleet)->faults, *value);
    *value = rule ? rule->hits : 0;
    return KW_OK;
}

uint64_t kw_lab_fault_hits(const kw_lab *lab, uint64_t id) {
    return lab_ask(lab, count_hits, &id) == KW_OK ? id : 0;
}

/* --------------------------------------------------------------------------------------- the log
 */

/* One block: the entries, then all arguments, then the bytes of texts and arguments. */
struct kw_lab_log {
    size_t count;
    kw_lab_entry entries[];
};

void kw_lab_filter_init(kw_lab_filter *filter) {
    *filter = (kw_lab_filter){.node = -1};
}

typedef struct log_request {
    const kw_lab_filter *filter;
    kw_lab_log *log;
    size_t count;
} log_request;

typedef struct log_filter {
    node_log_filter filter;
    char command[FAULT_COMMAND_SIZE];
} log_filter;

static kw_status read_filter(const kw_lab *lab, const kw_lab_filter *filter, log_filter *ret) {
    *ret = (log_filter){.filter = {.node = NODE_NOBODY}};
    if (!filter) {
        return KW_OK;
    }
    if (!read_index(lab, filter->node, &ret->filter.node) ||
        !copy_command(ret->command, sizeof ret->command, filter->command)) {
        return KW_ERR_INVALID;
    }
    ret->filter.client = filter->client;
    ret->filter.after = filter->after;
    ret->filter.command = slice_text(ret->command);
    ret->filter.key = slice_text(filter->key ? filter->key : "");
    ret->filter.outcome = slice_text(filter->outcome ? filter->outcome : "");
    return KW_OK;
}

static size_t bytes_of(const node_log_entry *e) {
    size_t bytes = strlen(e->name) + 1 + strlen(e->outcome) + 1;
    for (size_t i = 0; i < e->kept_count; i++) {
        bytes += e->arguments[i].kept;
    }
    return bytes;
}

/* Appends bytes at *at, which moves behind them. */
static const char *keep(char **at, kw_slice bytes) {
    const char *kept = *at;
    if (bytes.len > 0) {
        memcpy(*at, bytes.data, bytes.len);
    }
    *at += bytes.len;
    return kept;
}

static const char *keep_text(char **at, const char *text) {
    return keep(at, slice_of(text, strlen(text) + 1));
}

static void copy_entry(const node_log_entry *e, kw_lab_entry *ret, kw_slice *argv, char **at) {
    *ret = (kw_lab_entry){
        .number = e->number,
        .time_ms = e->time_us / 1000,
        .node = e->node,
        .client = e->client,
        .command = keep_text(at, e->name),
        .outcome = keep_text(at, e->outcome),
        .fault = e->rule,
        .argc = e->argc,
        .kept_count = e->kept_count,
        .argv = argv,
    };
    for (size_t i = 0; i < e->kept_count; i++) {
        kw_slice argument = node_log_argument(e, i);
        argv[i] = slice_of(keep(at, argument), argument.len);
    }
}

static kw_status read_log(kw_lab *lab, void *arg) {
    log_request *r = arg;
    const node_log *log = &fleet_lab(lab->fleet)->log;
    log_filter f;
    kw_status status = read_filter(lab, r->filter, &f);
    if (status != KW_OK) {
        return status;
    }
    size_t count = 0;
    size_t arguments = 0;
    size_t bytes = 0;
    for (const node_log_entry *e = node_log_next(log, &f.filter, 0); e;
         e = node_log_next(log, &f.filter, e->number)) {
        count++;
        arguments += e->kept_count;
        bytes += bytes_of(e);
    }
    kw_lab_log *copy = mem_alloc(lab->mem, sizeof *copy + count * sizeof *copy->entries +
                                               arguments * sizeof(kw_slice) + bytes);
    if (!copy) {
        return KW_ERR_NOMEM;
    }
    kw_slice *argv = (kw_slice *)(void *)(copy->entries + count);
    char *at = (char *)(argv + arguments);
    copy->count = 0;
    for (const node_log_entry *e = node_log_next(log, &f.filter, 0); e;
         e = node_log_next(log, &f.filter, e->number)) {
        copy_entry(e, &copy->entries[copy->count++], argv, &at);
        argv += e->kept_count;
    }
    r->log = copy;
    return KW_OK;
}

kw_status kw_lab_read_log(const kw_lab *lab, const kw_lab_filter *filter, kw_lab_log **ret) {
    log_request r = {.filter = filter};
    kw_status status = lab_ask(lab, read_log, &r);
    if (status == KW_OK) {
        *ret = r.log;
    }
    return status;
}

void kw_lab_log_free(kw_lab_log *log) {
    mem_free(&mem_default, log);
}

size_t kw_lab_log_size(const kw_lab_log *log) {
    return log->count;
}

const kw_lab_entry *kw_lab_log_at(const kw_lab_log *log, size_t index) {
    return index < log->count ? &log->entries[index] : NULL;
}

static kw_status count_log(kw_lab *lab, void *arg) {
    log_request *r = arg;
    log_filter f;
    kw_status status = read_filter(lab, r->filter, &f);
    r->count = status == KW_OK ? node_log_count(&fleet_lab(lab->fleet)->log, &f.filter) : 0;
    return status;
}

size_t kw_lab_count_log(const kw_lab *lab, const kw_lab_filter *filter) {
    log_request r = {.filter = filter};
    return lab_ask(lab, count_log, &r) == KW_OK ? r.count : 0;
}

static kw_status clear_log(kw_lab *lab, void *arg) {
    (void)arg;
    node_log_clear(&fleet_lab(lab->fleet)->log);
    return KW_OK;
}

kw_status kw_lab_clear_log(kw_lab *lab) {
    return lab_ask(lab, clear_log, NULL);
}
