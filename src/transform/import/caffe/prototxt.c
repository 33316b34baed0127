/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prototxt.c: recursive descent over the tokens; a field's descriptor says how to read its value and where to
 * put it.
 *
 * The message grows in the form in which protobuf-c itself would have built it, with the same allocator, so
 * that protobuf_c_message_free_unpacked frees it: a submessage is hung into its parent before it is filled,
 * and n of a repeated field is raised when the element is complete, so this holds at any moment of a failure
 * too. A field of the descriptor whose name ends in '_' is called without it in the text.
 */
#include "transform/import/caffe/prototxt.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "transform/import/caffe/prototxt_lex.h"
#include "transform/import/import.h"

#define MAX_DEPTH    32
#define MAX_REPEATED 65536
#define MAX_UNKNOWN  10000
#define MAX_STRING   1024

struct parser {
    struct tf2__prototxt *out;
    struct tf2__report *report;
    const char *const *ignored;
    size_t n_ignored;
    struct tf2__lex lex;
    struct tf2__lex_token token; /* the one to look at next */
    bool inside;                 /* an outermost message */
    bool out_of_memory;
};

/* Where a value goes; field NULL: nowhere, it is skipped. */
struct target {
    ProtobufCMessage *message;
    const ProtobufCFieldDescriptor *field;
};

static void next(struct parser *p)
{
    tf2__lex_next(&p->lex, &p->token);
}

static bool is_at(const struct parser *p, char c)
{
    return p->token.kind == TF2__LEX_PUNCTUATION && *p->token.text == c;
}

static bool take(struct parser *p, char c)
{
    if (!is_at(p, c))
        return false;
    next(p);
    return true;
}

/* What an error message shows of a token. */
#define SHOWN(token) (int)TF2__MIN((token)->n, (size_t)40), (token)->text

/* A syntax error, after which nothing can be read. */
static bool fail_syntax(struct parser *p, const char *wanted)
{
    const struct tf2__lex_token *t = &p->token;
    if (t->problem)
        tf2__report_add(p->report, TF2_ERR_FORMAT, "line %u, column %u: %s", t->line, t->column, t->problem);
    else if (t->kind == TF2__LEX_END)
        tf2__report_add(
            p->report, TF2_ERR_FORMAT, "line %u, column %u: wanted %s, found the end of the file", t->line,
            t->column, wanted);
    else
        tf2__report_add(
            p->report, TF2_ERR_FORMAT, "line %u, column %u: wanted %s, found '%.*s'", t->line, t->column,
            wanted, SHOWN(t));
    return false;
}

/* A value that cannot be used; reading goes on. */
static void report_value(
    struct parser *p, const struct tf2__lex_token *t, bool negative, const ProtobufCFieldDescriptor *field,
    const char *wanted)
{
    tf2__report_add(
        p->report, TF2_ERR_VALUE, "line %u, column %u: %s: wanted %s, found '%s%.*s'", t->line, t->column,
        field->name, wanted, negative ? "-" : "", SHOWN(t));
}

static void *allocate(struct parser *p, size_t n, size_t size_bytes)
{
    void *ptr = tf2__calloc(&p->out->env, n, size_bytes);
    if (!ptr)
        p->out_of_memory = true;
    return ptr;
}

/* Room for element n of an array that doubles whenever n is a power of two. */
static bool make_room(struct parser *p, void **array, size_t n, size_t size_bytes)
{
    if (n & (n - 1))
        return true;
    void *grown = tf2__grow(&p->out->env, *array, n * size_bytes, (n ? 2 * n : 1) * size_bytes);
    if (!grown) {
        p->out_of_memory = true;
        return false;
    }
    *array = grown;
    return true;
}

/* --- storing --- */

static size_t element_bytes(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    default:
        return 4;
    }
}

static bool is_pointer(const ProtobufCFieldDescriptor *field)
{
    return field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE;
}

/* Whether a single field has been given before. */
static bool is_set(const struct target *to)
{
    const char *base = (const char *)to->message;
    if (to->field->label == PROTOBUF_C_LABEL_REPEATED)
        return false;
    if (is_pointer(to->field))
        return *(void *const *)(base + to->field->offset) != to->field->default_value;
    return *(const protobuf_c_boolean *)(base + to->field->quantifier_offset);
}

/* Copies a complete value (a pointer: ownership too) into its field. False when out of memory: it is still
 * ours. */
static bool store(struct parser *p, const struct target *to, const void *value)
{
    char *base = (char *)to->message;
    size_t size = element_bytes(to->field);
    if (to->field->label != PROTOBUF_C_LABEL_REPEATED) {
        memcpy(base + to->field->offset, value, size);
        if (!is_pointer(to->field))
            *(protobuf_c_boolean *)(base + to->field->quantifier_offset) = 1;
        return true;
    }
    size_t *n = (size_t *)(base + to->field->quantifier_offset);
    void **array = (void **)(base + to->field->offset);
    if (!make_room(p, array, *n, size))
        return false;
    memcpy((char *)*array + *n * size, value, size);
    ++*n;
    return true;
}

/* --- scalars --- */

/* A whole number with its sign. False: the token is none or does not fit the bounds. */
static bool read_integer(
    const struct tf2__lex_token *t, bool negative, uint64_t max_positive, uint64_t max_negative,
    uint64_t *value)
{
    if (!tf2__lex_integer(t, value) || *value > (negative ? max_negative : max_positive))
        return false;
    if (negative)
        *value = 0 - *value;
    return true;
}

static bool name_is(const struct tf2__lex_token *t, const char *name)
{
    return t->n == strlen(name) && memcmp(t->text, name, t->n) == 0;
}

static bool read_bool(const struct tf2__lex_token *t, protobuf_c_boolean *value)
{
    static const char *const names[] = {"false", "False", "f", "true", "True", "t"};
    uint64_t number;
    if (tf2__lex_integer(t, &number)) {
        *value = number == 1;
        return number <= 1;
    }
    for (size_t i = 0; i < TF2__COUNT(names) && t->kind == TF2__LEX_NAME; i++) {
        if (name_is(t, names[i])) {
            *value = i >= TF2__COUNT(names) / 2;
            return true;
        }
    }
    return false;
}

static bool read_float(const struct tf2__lex_token *t, bool negative, float *value)
{
    double number;
    if (!tf2__lex_real(t, &number))
        return false;
    /* 1e60 is a mistake, inf is not. */
    if (t->kind == TF2__LEX_NUMBER && number > (double)FLT_MAX)
        return false;
    *value = (float)(negative ? -number : number);
    return true;
}

static void remember_unknown(
    struct parser *p, const struct tf2__lex_token *at, const char *name, size_t name_bytes,
    const struct tf2__lex_token *value)
{
    struct tf2__prototxt *out = p->out;
    if (out->n_unknown == MAX_UNKNOWN) {
        tf2__report_add(p->report, TF2_ERR_UNSUPPORTED, "more than %d unknown names", MAX_UNKNOWN);
        p->lex.at = p->lex.end; /* enough is enough */
        return;
    }
    if (!make_room(p, (void **)&out->unknown, out->n_unknown, sizeof(*out->unknown)))
        return;
    out->unknown[out->n_unknown++] = (struct tf2__prototxt_unknown){
        .name = name,
        .name_bytes = name_bytes,
        .value = value ? value->text : NULL,
        .value_bytes = value ? value->n : 0,
        .line = at->line,
        .column = at->column,
        .at_top = !p->inside};
}

/* Unknown names are remembered, not problems of their own: they may stand in a layer that nobody needs. */
static void
read_enum(struct parser *p, const struct target *to, const struct tf2__lex_token *t, bool negative)
{
    const ProtobufCEnumDescriptor *descriptor = to->field->descriptor;
    uint64_t number;
    char name[64] = "";
    const ProtobufCEnumValue *found = NULL;
    if (t->kind == TF2__LEX_NAME && !negative) {
        if (t->n < sizeof(name))
            memcpy(name, t->text, t->n);
        found = protobuf_c_enum_descriptor_get_value_by_name(descriptor, name);
    } else if (tf2__lex_integer(t, &number) && number <= INT32_MAX) {
        found = protobuf_c_enum_descriptor_get_value(
            descriptor, (int)(negative ? -(int64_t)number : (int64_t)number));
    } else {
        report_value(p, t, negative, to->field, "a name of its enumeration");
        return;
    }
    if (found)
        store(p, to, &found->value);
    else
        remember_unknown(p, t, to->field->name, strlen(to->field->name), t);
}

/* One token (and its sign) that is not a string; it is consumed. */
static void read_scalar(struct parser *p, const struct target *to, bool negative)
{
    const struct tf2__lex_token t = p->token;
    union {
        uint64_t integer64;
        uint32_t integer32;
        float real;
        double real64;
        protobuf_c_boolean boolean;
    } value = {0};
    uint64_t integer = 0;
    bool ok = false;
    const char *wanted = "a whole number that fits";
    next(p);
    switch (to->field->type) {
    case PROTOBUF_C_TYPE_ENUM:
        read_enum(p, to, &t, negative);
        return;
    case PROTOBUF_C_TYPE_BOOL:
        ok = !negative && read_bool(&t, &value.boolean);
        wanted = "true or false";
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        ok = read_float(&t, negative, &value.real);
        wanted = "a number";
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        ok = tf2__lex_real(&t, &value.real64);
        value.real64 = negative ? -value.real64 : value.real64;
        wanted = "a number";
        break;
    case PROTOBUF_C_TYPE_INT32:
        ok = read_integer(&t, negative, INT32_MAX, (uint64_t)INT32_MAX + 1, &integer);
        value.integer32 = (uint32_t)integer;
        break;
    case PROTOBUF_C_TYPE_UINT32:
        ok = read_integer(&t, negative, UINT32_MAX, 0, &integer);
        value.integer32 = (uint32_t)integer;
        break;
    case PROTOBUF_C_TYPE_INT64:
        ok = read_integer(&t, negative, INT64_MAX, (uint64_t)INT64_MAX + 1, &integer);
        value.integer64 = integer;
        break;
    case PROTOBUF_C_TYPE_UINT64:
        ok = read_integer(&t, negative, UINT64_MAX, 0, &integer);
        value.integer64 = integer;
        break;
    default:
        wanted = "another type of value";
        break;
    }
    if (ok)
        store(p, to, &value);
    else
        report_value(p, &t, negative, to->field, wanted);
}

/* Appends the decoded string token; NULL when out of memory or when it is wrong (then reported). */
static char *append_string(struct parser *p, const struct target *to, char *text, size_t *used)
{
    size_t n = 0;
    char *grown = allocate(p, *used + p->token.n + 1, 1);
    if (grown && text)
        memcpy(grown, text, *used);
    tf2__free(&p->out->env, text);
    if (!grown)
        return NULL;
    if (!tf2__lex_string(&p->token, grown + *used, &n)) {
        tf2__report_add(
            p->report, TF2_ERR_FORMAT, "line %u, column %u: %s: %s", p->token.line, p->token.column,
            to->field->name, p->token.problem);
        tf2__free(&p->out->env, grown);
        return NULL;
    }
    for (size_t i = *used; i < *used + n; i++) {
        if ((unsigned char)grown[i] < ' ' || grown[i] == 0x7f)
            p->token.problem = "a control character in a string";
    }
    if (p->token.problem || *used + n > MAX_STRING) {
        tf2__report_add(
            p->report, TF2_ERR_VALUE, "line %u, column %u: %s: %s", p->token.line, p->token.column,
            to->field->name, p->token.problem ? p->token.problem : "a string of more than 1024 bytes");
        tf2__free(&p->out->env, grown);
        return NULL;
    }
    *used += n;
    return grown;
}

/* One or more string tokens that make one string. */
static void read_string(struct parser *p, const struct target *to)
{
    char *text = NULL;
    size_t used = 0;
    bool ok = true;
    for (; p->token.kind == TF2__LEX_STRING; next(p)) {
        if (ok)
            text = append_string(p, to, text, &used);
        ok = ok && text;
    }
    if (ok && !store(p, to, &text))
        tf2__free(&p->out->env, text);
}

/* --- grammar --- */

static bool parse_fields(struct parser *p, ProtobufCMessage *message, char closing, unsigned depth);

/* { fields } or < fields >; `message` NULL skips them. The opening one is the current token. */
static bool parse_block(struct parser *p, ProtobufCMessage *message, unsigned depth)
{
    char closing = is_at(p, '{') ? '}' : '>';
    if (depth == MAX_DEPTH) {
        tf2__report_add(
            p->report, TF2_ERR_FORMAT, "line %u, column %u: more than %d messages inside each other",
            p->token.line, p->token.column, MAX_DEPTH);
        return false;
    }
    next(p);
    if (!parse_fields(p, message, closing, depth + 1))
        return false;
    next(p);
    return true;
}

/* A message at the file's own level: it is noted where it starts and what is unknown inside. */
static bool parse_outermost(struct parser *p, ProtobufCMessage *message)
{
    struct tf2__prototxt *out = p->out;
    uint32_t first_unknown = (uint32_t)out->n_unknown;
    if (!make_room(p, (void **)&out->places, out->n_places, sizeof(*out->places)))
        return false;
    struct tf2__prototxt_place *place = &out->places[out->n_places++];
    *place = (struct tf2__prototxt_place){
        .message = message, .line = p->token.line, .first_unknown = first_unknown};
    p->inside = true;
    bool ok = parse_block(p, message, 0);
    p->inside = false;
    place->n_unknown = (uint32_t)out->n_unknown - first_unknown;
    return ok;
}

static bool parse_message(struct parser *p, const struct target *to, unsigned depth)
{
    const ProtobufCMessageDescriptor *descriptor = to->field->descriptor;
    ProtobufCMessage *message = allocate(p, 1, descriptor->sizeof_message);
    if (!message)
        return false;
    protobuf_c_message_init(descriptor, message);
    if (!store(p, to, &message)) {
        tf2__free(&p->out->env, message);
        return false;
    }
    return depth ? parse_block(p, message, depth) : parse_outermost(p, message);
}

/* What a scalar, or an unknown field's value, may be; the sign has been taken. */
static bool parse_scalar(struct parser *p, const struct target *to)
{
    bool negative = take(p, '-');
    if (p->token.kind == TF2__LEX_STRING && !negative) {
        if (to->field && to->field->type == PROTOBUF_C_TYPE_STRING) {
            read_string(p, to);
            return true;
        }
        if (to->field)
            report_value(p, &p->token, negative, to->field, "no string");
        while (p->token.kind == TF2__LEX_STRING)
            next(p);
        return true;
    }
    if (p->token.kind != TF2__LEX_NUMBER && p->token.kind != TF2__LEX_NAME)
        return fail_syntax(p, "a value");
    if (!to->field)
        next(p);
    else
        read_scalar(p, to, negative);
    return true;
}

/* One value, not a list. */
static bool parse_value(struct parser *p, struct target to, bool had_colon, unsigned depth)
{
    bool block = is_at(p, '{') || is_at(p, '<');
    bool wants_block = to.field && to.field->type == PROTOBUF_C_TYPE_MESSAGE;
    if (to.field && is_set(&to)) {
        tf2__report_add(
            p->report, TF2_ERR_FORMAT, "line %u, column %u: %s is given more than once", p->token.line,
            p->token.column, to.field->name);
        to.field = NULL;
        wants_block = block;
    }
    if (to.field && wants_block != block) {
        if (!block && !had_colon)
            return fail_syntax(p, "':' or '{'");
        return fail_syntax(p, wants_block ? "'{'" : "a value that is no message");
    }
    if (block)
        return to.field ? parse_message(p, &to, depth) : parse_block(p, NULL, depth);
    if (!had_colon)
        return fail_syntax(p, "':'");
    return parse_scalar(p, &to);
}

/* Too many elements: the file is no network any more, and memory should not pay for it. */
static bool check_repeated(struct parser *p, const struct target *to)
{
    if (!to->field || to->field->label != PROTOBUF_C_LABEL_REPEATED)
        return true;
    if (*(size_t *)((char *)to->message + to->field->quantifier_offset) < MAX_REPEATED)
        return true;
    tf2__report_add(
        p->report, TF2_ERR_UNSUPPORTED, "line %u, column %u: more than %d times %s", p->token.line,
        p->token.column, MAX_REPEATED, to->field->name);
    return false;
}

/* [ value, value ... ]; the bracket has been taken. */
static bool parse_list(struct parser *p, const struct target *to, unsigned depth)
{
    if (to->field && to->field->label != PROTOBUF_C_LABEL_REPEATED)
        return fail_syntax(p, "one value, not a list");
    if (take(p, ']'))
        return true;
    do {
        if (!check_repeated(p, to) || !parse_value(p, *to, true, depth) || p->out_of_memory)
            return false;
    } while (take(p, ','));
    return take(p, ']') || fail_syntax(p, "',' or ']'");
}

static int compare_names(const void *key, const void *element)
{
    return strcmp(key, *(const char *const *)element);
}

/* The descriptor of the field called `name`, or NULL. */
static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessage *message, const char *name)
{
    char renamed[80];
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message->descriptor, name);
    if (field)
        return field;
    size_t n = strlen(name);
    memcpy(renamed, name, n);
    memcpy(renamed + n, "_", 2);
    return protobuf_c_message_descriptor_get_field_by_name(message->descriptor, renamed);
}

/* A field's name; an extension's or Any's, in brackets, is never one of ours. */
static bool parse_name(struct parser *p, struct target *to)
{
    char name[64] = "";
    const struct tf2__lex_token start = p->token;
    if (take(p, '[')) {
        while (!is_at(p, ']')) {
            if (p->token.kind != TF2__LEX_NAME && !is_at(p, '.') && !is_at(p, '/'))
                return fail_syntax(p, "an extension's name and ']'");
            next(p);
        }
    } else if (start.kind != TF2__LEX_NAME) {
        return fail_syntax(p, "a field's name");
    }
    const char *end = p->token.text + p->token.n;
    next(p);
    if (!to->message)
        return true;
    if (start.n < sizeof(name))
        memcpy(name, start.text, start.n);
    to->field = find_field(to->message, name);
    bool is_ignored = !to->field && p->n_ignored &&
                      bsearch(name, p->ignored, p->n_ignored, sizeof(*p->ignored), compare_names);
    if (!to->field && !is_ignored)
        remember_unknown(p, &start, start.text, (size_t)(end - start.text), NULL);
    return true;
}

/* All fields up to `closing` ('\0': the end of the file), which stays the current token. */
static bool parse_fields(struct parser *p, ProtobufCMessage *message, char closing, unsigned depth)
{
    while (!(closing ? is_at(p, closing) : p->token.kind == TF2__LEX_END)) {
        struct target to = {.message = message};
        if (!parse_name(p, &to))
            return false;
        bool had_colon = take(p, ':');
        bool ok = take(p, '[') ? parse_list(p, &to, depth)
                               : check_repeated(p, &to) && parse_value(p, to, had_colon, depth);
        if (!ok || p->out_of_memory)
            return false;
        if (!take(p, ','))
            take(p, ';');
    }
    return true;
}

enum tf2_status tf2__prototxt_parse(
    const struct tf2_env *env, const char *text, size_t text_bytes,
    const ProtobufCMessageDescriptor *descriptor, const char *const *ignored, size_t n_ignored,
    struct tf2__prototxt *out, struct tf2__report *report, struct tf2_error *error)
{
    struct parser p = {.out = out, .report = report, .ignored = ignored, .n_ignored = n_ignored};
    memset(out, 0, sizeof(*out));
    out->env = *env;
    if (text_bytes > INT32_MAX) {
        tf2__report_add(
            report, TF2_ERR_UNSUPPORTED, "%zu bytes of text, at most 2^31 - 1 are read", text_bytes);
        return TF2_OK;
    }
    out->message = allocate(&p, 1, descriptor->sizeof_message);
    if (out->message) {
        protobuf_c_message_init(descriptor, out->message);
        tf2__lex_start(&p.lex, text, text_bytes);
        next(&p);
        out->cut = !parse_fields(&p, out->message, '\0', 0);
    }
    if (p.out_of_memory)
        return tf2__fail_memory(error, descriptor->sizeof_message, "a text definition");
    return TF2_OK;
}

void tf2__prototxt_finish(struct tf2__prototxt *prototxt)
{
    ProtobufCAllocator allocator;
    if (prototxt->message) {
        tf2__import_protobuf_allocator(&prototxt->env, &allocator);
        protobuf_c_message_free_unpacked(prototxt->message, &allocator);
    }
    tf2__free(&prototxt->env, prototxt->unknown);
    tf2__free(&prototxt->env, prototxt->places);
    memset(prototxt, 0, sizeof(*prototxt));
}
