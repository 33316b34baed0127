/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf_wire.c: is this a GraphDef or a SavedModel at all? Then unpacks it and finds the graph.
 *
 * Neither format has a magic number, and the probe has to be cheap: it looks at the first fields only. A
 * GraphDef begins with a node (a message that has a name and an operator, both text), with its versions or
 * its library in front of the nodes at most; a SavedModel with its version and a MetaGraphDef.
 */
#include "transform/import/tf/internal.h"
#include "transform/import/wire.h"

#include <protobuf-c/protobuf-c.h>

#define SERVE "serve" /* the tag of a graph for inference */

/* The field at *at: its number, its wire type, and where its contents lie; *at moves behind. False: there
 * is none. A field that is cut short goes to the end. */
static bool next_field(
    const unsigned char *data, size_t end, size_t *at, uint64_t *field, unsigned *wire, size_t *from,
    size_t *to)
{
    uint64_t tag, value;
    if (!tf2__wire_varint(data, end, at, 5, &tag) || tag >> 3 == 0)
        return false;
    *field = tag >> 3;
    *wire = (unsigned)(tag & 7);
    if (*wire != TF2__WIRE_VARINT && *wire != TF2__WIRE_BYTES)
        return false;
    if (!tf2__wire_varint(data, end, at, 10, &value))
        return false;
    *from = *to = *at;
    if (*wire == TF2__WIRE_BYTES)
        *at = *to = value > end - *from ? end : *from + (size_t)value;
    return true;
}

static bool is_text(const unsigned char *data, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (data[i] < ' ' || data[i] == 0x7f)
            return false;
    }
    return n > 0;
}

/* A NodeDef: name (1), operator (2), inputs (3), device (4), attributes (5), and little else. */
static bool looks_like_node(const unsigned char *data, size_t at, size_t end)
{
    bool has_name = false, has_op = false;
    uint64_t field;
    unsigned wire;
    size_t from, to;
    while (at < end && !(has_name && has_op)) {
        if (!next_field(data, end, &at, &field, &wire, &from, &to) || wire != TF2__WIRE_BYTES || field > 7)
            return false;
        if (field <= 2 && !is_text(data + from, to - from))
            return false;
        has_name |= field == 1;
        has_op |= field == 2;
    }
    return has_name && has_op;
}

static bool is_graph_def(const unsigned char *data, size_t size_bytes)
{
    uint64_t field;
    unsigned wire;
    size_t at = 0, from, to;
    /* versions (4), version (3) and the library (2) may come first */
    for (int i = 0; i < 4; i++) {
        if (!next_field(data, size_bytes, &at, &field, &wire, &from, &to))
            return false;
        if (field == 1 && wire == TF2__WIRE_BYTES)
            return looks_like_node(data, from, to);
        if (!(field == 2 && wire == TF2__WIRE_BYTES) && !(field == 3 && wire == TF2__WIRE_VARINT) &&
            !(field == 4 && wire == TF2__WIRE_BYTES))
            return false;
    }
    return false;
}

/* Version 1, then a MetaGraphDef, which has its own description (1) or the graph (2) first. */
static bool is_saved_model(const unsigned char *data, size_t size_bytes)
{
    uint64_t field, inner, version = 0;
    unsigned wire;
    size_t at = 0, from, to;
    if (size_bytes < 4 || data[0] != 0x08)
        return false;
    at = 1;
    if (!tf2__wire_varint(data, size_bytes, &at, 10, &version) || version != 1)
        return false;
    if (!next_field(data, size_bytes, &at, &field, &wire, &from, &to) || field != 2 ||
        wire != TF2__WIRE_BYTES)
        return false;
    size_t inside = from, inner_from, inner_to;
    return next_field(data, to, &inside, &inner, &wire, &inner_from, &inner_to) && inner >= 1 && inner <= 7 &&
           wire == TF2__WIRE_BYTES &&
           (inner != 2 || inner_from == inner_to || is_graph_def(data + inner_from, inner_to - inner_from));
}

bool tf2__tf_probe(const unsigned char *data, size_t size_bytes)
{
    return is_saved_model(data, size_bytes) || is_graph_def(data, size_bytes);
}

/* ---- SavedModel ---- */

static bool has_tag(const Tf2__Tf__MetaGraphDef *meta, const char *tag)
{
    for (size_t i = 0; meta->meta_info_def && i < meta->meta_info_def->n_tags; i++) {
        if (strcmp(meta->meta_info_def->tags[i], tag) == 0)
            return true;
    }
    return false;
}

static const Tf2__Tf__SignatureDef *find_signature(const Tf2__Tf__MetaGraphDef *meta)
{
    const Tf2__Tf__SignatureDef *other = NULL;
    size_t n_others = 0;
    for (size_t i = 0; i < meta->n_signature_def; i++) {
        const Tf2__Tf__SignatureEntry *entry = meta->signature_def[i];
        if (!entry->key || !entry->value || entry->value->n_outputs == 0)
            continue;
        if (strcmp(entry->key, "serving_default") == 0)
            return entry->value;
        if (strcmp(entry->key, "__saved_model_init_op") == 0)
            continue;
        other = entry->value;
        n_others++;
    }
    return n_others == 1 ? other : NULL;
}

static enum tf2_status take_meta_graph(struct tf2__tf *tf, struct tf2_error *error)
{
    const Tf2__Tf__SavedModel *model = tf->saved_model;
    const Tf2__Tf__MetaGraphDef *found = model->n_meta_graphs == 1 ? model->meta_graphs[0] : NULL;
    for (size_t i = 0; i < model->n_meta_graphs && !found; i++) {
        if (has_tag(model->meta_graphs[i], SERVE))
            found = model->meta_graphs[i];
    }
    if (!found || !found->graph_def)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "the SavedModel has %zu graphs, none of them tagged '" SERVE "' has nodes",
            model->n_meta_graphs);
    tf->def = found->graph_def;
    tf->signature = find_signature(found);
    return TF2_OK;
}

enum tf2_status tf2__tf_unpack(struct tf2__tf *tf, struct tf2_error *error)
{
    const struct tf2__source *source = tf->onnx.source;
    ProtobufCAllocator allocator;
    tf2__import_protobuf_allocator(&tf->onnx.env, &allocator);
    if (is_saved_model(source->data, source->size_bytes)) {
        TF2__TRY(tf2__wire_check(
            &tf2__tf__saved_model__descriptor, "SavedModel", source->data, source->size_bytes, error));
        tf->saved_model = tf2__tf__saved_model__unpack(&allocator, source->size_bytes, source->data);
        if (!tf->saved_model)
            return tf2__fail_memory(error, source->size_bytes, "the SavedModel's contents");
        return take_meta_graph(tf, error);
    }
    TF2__TRY(tf2__wire_check(
        &tf2__tf__graph_def__descriptor, "TensorFlow", source->data, source->size_bytes, error));
    tf->graph_def = tf2__tf__graph_def__unpack(&allocator, source->size_bytes, source->data);
    if (!tf->graph_def)
        return tf2__fail_memory(error, source->size_bytes, "the GraphDef's contents");
    tf->def = tf->graph_def;
    return TF2_OK;
}
