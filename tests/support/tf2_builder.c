/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf2_builder.c: see tf2_builder.h. Every field has a name, by which a case says what is different.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tf2_builder.h"

/* Whether this is the field to be changed. */
static bool is_changed(struct builder *b, const char *field)
{
    const char *hash = b->change ? strchr(b->change->field, '#') : NULL;
    size_t n = hash ? (size_t)(hash - b->change->field) : b->change ? strlen(b->change->field) : 0;
    if (!b->change || strlen(field) != n || strncmp(b->change->field, field, n) != 0)
        return false;
    bool this_one = b->n_seen++ == (hash ? strtoul(hash + 1, NULL, 10) : 0);
    b->done |= this_one;
    return this_one;
}

void builder_put(struct builder *b, const void *data, size_t n)
{
    assert_true(n <= BUILDER_MAX_BYTES - b->n);
    memcpy(b->data + b->n, data, n);
    b->n += n;
}

static void put_number(struct builder *b, const char *field, uint64_t value, size_t n_bytes)
{
    if (is_changed(b, field))
        value = b->change->value;
    for (size_t i = 0; i < n_bytes; i++)
        builder_put(b, &(unsigned char){(unsigned char)(value >> 8 * i)}, 1);
}

static void put_text(struct builder *b, const char *field, const char *text)
{
    if (is_changed(b, field))
        text = b->change->text;
    builder_put(b, text, strlen(text) + 1);
}

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static void put_float(struct builder *b, const char *field, float value)
{
    put_number(b, field, bits_of(value), 4);
}

static void put_shape(struct builder *b, unsigned n_dims, const uint32_t *dims)
{
    put_number(b, "n_dims", n_dims, 1);
    for (unsigned d = 0; d < n_dims; d++)
        put_number(b, "dim", dims[d], 4);
}

/* ---- the file ---- */

static void put_constant(
    struct builder *b, const char *name, unsigned dtype, unsigned n_dims, const uint32_t *dims,
    unsigned quant, uint64_t offset)
{
    put_text(b, "constant.name", name);
    put_number(b, "constant.dtype", dtype, 1);
    put_shape(b, n_dims, dims);
    put_number(b, "constant.quant", quant, 1);
    if (quant == 1)
        put_float(b, "constant.scale", 0.5f);
    put_number(b, "constant.offset", offset, 8);
    if (quant == 3)
        put_number(b, "constant.scales", 128, 8);
}

static void put_node_begin(struct builder *b, unsigned op, const char *name, const char *own_name)
{
    put_number(b, "node.op", op, 2);
    put_text(b, "node.name", name);
    put_text(b, "node.own_name", own_name);
}

static void put_node_inputs(struct builder *b, unsigned n, const uint32_t *ids)
{
    put_number(b, "node.n_in", n, 1);
    for (unsigned i = 0; i < n; i++)
        put_number(b, "node.in", ids[i], 4);
}

/* Tensors: 0 x, 1 w, 2 bias, 3 quantize, 4 conv, 5 real, 6 y. */
static void put_nodes(struct builder *b)
{
    put_node_begin(b, 22, "quantize", ""); /* x [1, 2, 2, 2] with a zero point per channel */
    put_node_inputs(b, 1, (const uint32_t[]){0});
    put_number(b, "quantize.attr_bytes", 0, 2);
    put_number(b, "quantize.activation", 0, 1);
    if (b->change && strcmp(b->change->field, "quantize.activation") == 0) {
        put_float(b, "quantize.alpha", 0);
        put_float(b, "quantize.beta", 0);
    }
    put_number(b, "quantize.dtype", 2, 1);
    put_number(b, "quantize.quant", 5, 1);
    put_float(b, "quantize.scale", 0.25f);
    put_number(b, "quantize.zero_points", 256, 8);

    put_node_begin(b, 3, "conv", "conv's own name");
    put_node_inputs(b, 3, (const uint32_t[]){3, 1, 2});
    put_number(b, "conv.attr_bytes", 13, 2); /* kernel, and the first byte of stride */
    for (int i = 0; i < 3; i++)
        put_number(b, "conv.kernel", 0, 4);
    put_number(b, "conv.stride", 1, 1);
    put_number(b, "conv.activation", 2, 1);
    put_float(b, "conv.alpha", -1);
    put_float(b, "conv.beta", 2);
    put_number(b, "conv.dtype", 2, 1);
    put_number(b, "conv.quant", 1, 1);
    put_float(b, "conv.scale", 0.125f);
    put_number(b, "conv.zero_point", 100, 1);

    put_node_begin(b, 23, "real", "");
    put_node_inputs(b, 1, (const uint32_t[]){4});
    put_number(b, "real.attr_bytes", 0, 2);
    put_number(b, "real.activation", 0, 1);
    put_number(b, "real.dtype", 1, 1);
    put_number(b, "real.quant", 0, 1);

    put_node_begin(b, 14, "y", "");
    put_node_inputs(b, 1, (const uint32_t[]){5});
    put_number(b, "softmax.attr_bytes", 6, 2);
    put_number(b, "softmax.axis", 1, 4);
    put_number(b, "softmax.flatten", 0, 1);
    put_number(b, "softmax.log", 1, 1);
    put_number(b, "softmax.activation", 0, 1);
    put_number(b, "softmax.dtype", 1, 1);
    put_number(b, "softmax.quant", 0, 1);
}

static void put_graph(struct builder *b)
{
    const uint32_t map[] = {1, 2, 2, 2}, weights[] = {2, 2, 1, 1}, vector[] = {2};
    put_text(b, "network", "net");
    put_number(b, "n_inputs", 1, 4);
    put_number(b, "n_constants", 2, 4);
    put_number(b, "n_nodes", 4, 4);
    put_number(b, "n_outputs", 2, 4);
    put_text(b, "input.name", "x");
    put_number(b, "input.dtype", 1, 1);
    put_shape(b, 4, map);
    put_constant(b, "w", 3, 4, weights, 3, 0);
    put_constant(b, "bias", 4, 1, vector, 0, 192);
    put_nodes(b);
    put_text(b, "output.name", "first");
    put_number(b, "output.tensor", 6, 4);
    put_text(b, "output.name", "second");
    put_number(b, "output.tensor", 5, 4);
    put_number(b, "graph.more", 0, b->change && strcmp(b->change->field, "graph.more") == 0 ? 1 : 0);
}

static void put_weights(struct builder *b)
{
    size_t begin = b->n;
    builder_put(b, "\x01\x02\x03\xfc", 4);
    b->n = begin + 128;
    put_float(b, "weights.scale", 0.5f);
    put_float(b, "weights.scale", 0.25f);
    b->n = begin + 192;
    put_number(b, "weights.bias", 10, 4);
    put_number(b, "weights.bias", (uint32_t)-10, 4);
    b->n = begin + 256;
    put_number(b, "weights.zero_point", 3, 1);
    put_number(b, "weights.zero_point", 4, 1);
}

static void put_preprocess(struct builder *b)
{
    put_number(b, "channels", 1, 4);
    for (int i = 0; i < 4; i++)
        put_float(b, "mean", (float)i);
    put_float(b, "scale", 0.5f);
}

static void put_labels(struct builder *b)
{
    put_number(b, "n_labels", 2, 4);
    put_text(b, "label", "one");
    put_text(b, "label", "two");
}

static void put_facts(struct builder *b)
{
    put_number(b, "n_facts", 1, 4);
    put_text(b, "fact.key", "key");
    put_text(b, "fact.value", "value");
}

static void put_example(struct builder *b)
{
    put_number(b, "form", 2, 1);
    put_float(b, "example.scale", 0.5f);
    put_number(b, "n_means", 2, 1);
    put_float(b, "example.mean", 1);
    put_float(b, "example.mean", 2);
    put_number(b, "distance", 2, 4);
    put_number(b, "n_runs", 5, 4);
    put_number(b, "literal", 1, 1); /* 2 bytes as they are: 7, 9 */
    put_number(b, "byte", 7, 1);
    put_number(b, "byte", 9, 1);
    put_number(b, "repeat", 125 + 6, 1); /* six times 255: each is one less than that two before */
    put_number(b, "byte", 255, 1);
    for (int i = 0; i < 16; i++)
        put_float(b, "expected", -(float)i);
}

const struct part builder_parts[N_PARTS] = {
    {1, 0, put_graph}, {3, 0, put_preprocess}, {4, 1, put_labels},
    {5, 1, put_facts}, {6, 1, put_example},    {2, 0, put_weights},
};

/* Puts sections behind a header; what is in `change` comes before the checksums. */
struct tf2_file_bytes build_parts(const struct part *list, size_t n_parts, const struct change *change)
{
    struct builder header = {.change = change}, body = {.change = change};
    size_t begin = (24 + 32 * n_parts + 8 + 63) / 64 * 64;
    struct tf2_file_bytes bytes = {.data = calloc(BUILDER_MAX_BYTES + begin, 1)};
    builder_put(&header, "\x89TF2\r\n\x1a\n", 8);
    put_number(&header, "major", 1, 2);
    put_number(&header, "minor", 0, 2);
    put_number(&header, "n_sections", n_parts, 4);
    header.n += 8;
    for (size_t i = 0; i < n_parts; i++) {
        body.n = (body.n + 63) / 64 * 64;
        size_t at = body.n;
        list[i].put(&body);
        put_number(&header, "row.id", list[i].id, 4);
        put_number(&header, "row.flags", list[i].flags, 4);
        put_number(&header, "row.offset", begin + at, 8);
        put_number(&header, "row.size", body.n - at, 8);
        header.n += 8;
    }
    bytes.n = begin + body.n;
    for (size_t i = 0; i < 8; i++)
        header.data[16 + i] = (unsigned char)(bytes.n >> 8 * i);
    memcpy(bytes.data, header.data, header.n);
    memcpy(bytes.data + begin, body.data, body.n);
    tf2_file_repair(&bytes);
    if (change && !header.done && !body.done)
        fail_msg("no field %s", change->field);
    return bytes;
}

struct tf2_file_bytes build(const struct change *change)
{
    return build_parts(builder_parts, N_PARTS, change);
}
