/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf2_example.c: the EXAMPLE section of a .tf2 file: inputs, and what the network makes of them.
 *
 * Inputs made of 8-bit pixels are stored as such when (p - mean) * scale gives back every float exactly, with
 * the model's preprocessing or none: a quarter of the size. Where runs of differences (docs/model-format.md)
 * are shorter still, those. Outputs and other inputs are floats.
 */
#include "transform/ir/layout.h"
#include "transform/model/tf2_format.h"

#include <float.h>
#include <math.h>

#define MAX_LITERAL 128
#define MIN_REPEAT  3
#define MAX_REPEAT  130

/* value = (p - mean[channel]) * scale for every element of a tensor. n_means 0: the mean is 0. */
struct affine {
    float scale;
    float mean[255];
    uint32_t n_means;
    size_t channel_elements; /* neighbours with the same mean */
};

static float affine_mean(const struct affine *affine, size_t i)
{
    return affine->n_means ? affine->mean[i / affine->channel_elements % affine->n_means] : 0;
}

/* Two float operations, as tf2_image_to_tensor has them. */
static float affine_value(const struct affine *affine, size_t i, uint8_t p)
{
    float v = (float)p - affine_mean(affine, i);
    return v * affine->scale;
}

/* The channels of a tensor; 0: it has none. */
static int64_t affine_shape(struct affine *affine, const struct tf2_shape *shape, enum tf2_layout layout)
{
    const uint32_t dim = tf2__layout_channel_dim(layout, shape->n_dims);
    affine->channel_elements = 1;
    for (uint32_t d = dim + 1; d < shape->n_dims; d++)
        affine->channel_elements *= (size_t)shape->dim[d];
    return shape->n_dims >= 2 ? shape->dim[dim] : 0;
}

static const struct tf2__tensor *input_tensor(const struct tf2_graph *graph, uint32_t i)
{
    return &graph->tensors[graph->inputs[i]];
}

static const struct tf2__tensor *output_tensor(const struct tf2_graph *graph, uint32_t i)
{
    return &graph->tensors[graph->outputs[i].tensor];
}

/* Callers' buffers and files have any alignment. */
static float value_at(const void *values, size_t i)
{
    float value;
    memcpy(&value, (const unsigned char *)values + i * sizeof(value), sizeof(value));
    return value;
}

static size_t find_not_finite(const void *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!(fabsf(value_at(values, i)) <= FLT_MAX))
            return i;
    }
    return SIZE_MAX;
}

/* ---- writing ---- */

/* The bytes that the map makes the values of; false when there are none. */
static bool to_bytes(const struct affine *affine, const void *values, size_t n, uint8_t *bytes)
{
    for (size_t i = 0; i < n; i++) {
        float value = value_at(values, i);
        float p = rintf(value / affine->scale + affine_mean(affine, i));
        if (!(p >= 0 && p <= 255))
            return false;
        bytes[i] = (uint8_t)p;
        float back = affine_value(affine, i, bytes[i]);
        if (memcmp(&back, &value, sizeof(back)) != 0) /* -0 is another value */
            return false;
    }
    return true;
}

/* The model's preprocessing for an input of this shape; n_means 0 when it has no such channels. */
static struct affine
preprocessing(const struct tf2_preprocess *preprocess, const struct tf2_shape *shape, enum tf2_layout layout)
{
    struct affine affine = {.scale = preprocess->scale == 0 ? 1 : preprocess->scale};
    const int64_t n_channels = affine_shape(&affine, shape, layout);
    if (n_channels <= (int64_t)TF2__COUNT(preprocess->mean)) {
        affine.n_means = (uint32_t)n_channels;
        memcpy(affine.mean, preprocess->mean, affine.n_means * sizeof(*affine.mean));
    }
    return affine;
}

/* How often r[0] comes in a row. */
static size_t repeats(const uint8_t *r, size_t n)
{
    size_t i = 1;
    while (i < n && i < MAX_REPEAT && r[i] == r[0])
        i++;
    return i;
}

static void put_runs(struct tf2__buffer *out, const uint8_t *r, size_t n)
{
    size_t literal = 0; /* bytes before i that are not written yet */
    for (size_t i = 0; i < n;) {
        size_t same = repeats(r + i, n - i);
        bool repeat = same >= MIN_REPEAT;
        if (!repeat) {
            literal++;
            i++;
        }
        if (literal && (repeat || literal == MAX_LITERAL || i == n)) {
            tf2__buffer_u8(out, (uint8_t)(literal - 1));
            tf2__buffer_put(out, r + i - literal, literal);
            literal = 0;
        }
        if (repeat) {
            tf2__buffer_u8(out, (uint8_t)(same + 125));
            tf2__buffer_u8(out, r[i]);
            i += same;
        }
    }
}

/* The bytes in runs of differences from the row before; `runs` stays empty when that is no shorter. */
static void make_runs(const uint8_t *bytes, size_t n, size_t distance, struct tf2__buffer *runs)
{
    uint8_t *r = tf2__alloc(&runs->env, n);
    if (!r) {
        runs->failed = true;
        return;
    }
    for (size_t i = 0; i < n; i++)
        r[i] = (uint8_t)(bytes[i] - (i < distance ? 0 : bytes[i - distance]));
    put_runs(runs, r, n);
    if (runs->n + 8 >= n)
        runs->n = 0;
    tf2__free(&runs->env, r);
}

/* Elements of a row: one, or all the channels of each pixel. */
static size_t row_size(const struct tf2_shape *shape, enum tf2_layout layout)
{
    const uint32_t n = shape->n_dims;
    size_t size = n ? (size_t)shape->dim[n - 1] : 1;
    return layout == TF2_LAYOUT_NHWC ? size * (size_t)shape->dim[n - 2] : size;
}

static void put_bytes(
    struct tf2__buffer *section, const struct affine *affine, size_t distance, const uint8_t *bytes, size_t n)
{
    struct tf2__buffer runs;
    tf2__buffer_init(&runs, &section->env);
    make_runs(bytes, n, distance, &runs);
    tf2__buffer_u8(section, runs.n ? TF2__EXAMPLE_RUNS : TF2__EXAMPLE_U8);
    tf2__buffer_f32(section, affine->scale);
    tf2__buffer_u8(section, (uint8_t)affine->n_means);
    tf2__buffer_put(section, affine->mean, affine->n_means * sizeof(*affine->mean));
    if (runs.n) {
        tf2__buffer_u32(section, (uint32_t)distance);
        tf2__buffer_u32(section, (uint32_t)runs.n);
        tf2__buffer_put(section, runs.data, runs.n);
    } else {
        tf2__buffer_put(section, bytes, n);
    }
    section->failed |= runs.failed;
    tf2__buffer_finish(&runs);
}

static void put_input(
    const struct tf2_model *model, uint32_t index, const void *values, struct tf2__buffer *section)
{
    const struct tf2_shape *shape = &input_tensor(model->graph, index)->shape;
    const enum tf2_layout layout = tf2__layout_of_input(model->graph, index);
    size_t n = (size_t)tf2_shape_count(shape);
    const struct affine maps[] = {
        preprocessing(&model->preprocess, shape, layout), {.scale = 1, .channel_elements = 1}};
    uint8_t *bytes = tf2__alloc(&model->env, n);
    section->failed |= !bytes;
    for (size_t i = 0; i < TF2__COUNT(maps) && bytes; i++) {
        if (to_bytes(&maps[i], values, n, bytes)) {
            put_bytes(section, &maps[i], row_size(shape, layout), bytes, n);
            tf2__free(&model->env, bytes);
            return;
        }
    }
    tf2__free(&model->env, bytes);
    tf2__buffer_u8(section, TF2__EXAMPLE_F32);
    tf2__buffer_put(section, values, n * sizeof(float));
}

static enum tf2_status
check_values(const struct tf2__tensor *tensor, const char *name, const void *values, struct tf2_error *error)
{
    if (!values)
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "example: no values for '%s' (NULL)", name);
    size_t bad = find_not_finite(values, (size_t)tf2_shape_count(&tensor->shape));
    if (bad != SIZE_MAX)
        return tf2__fail(
            error, TF2_ERR_VALUE, "example: value %zu of '%s' is not a finite number", bad, name);
    return TF2_OK;
}

enum tf2_status tf2__example_write(
    const struct tf2_model *model, const void *const *inputs, const void *const *outputs,
    struct tf2__buffer *section, struct tf2_error *error)
{
    const struct tf2_graph *graph = model->graph;
    for (uint32_t i = 0; i < graph->n_inputs; i++) {
        const struct tf2__tensor *tensor = input_tensor(graph, i);
        TF2__TRY(check_values(tensor, tensor->name, inputs[i], error));
        put_input(model, i, inputs[i], section);
    }
    for (uint32_t i = 0; i < graph->n_outputs; i++) {
        const struct tf2__tensor *tensor = output_tensor(graph, i);
        if (tensor->dtype != TF2_DTYPE_F32)
            return tf2__fail(
                error, TF2_ERR_UNSUPPORTED, "example: output '%s' is %s, wanted float32",
                graph->outputs[i].name, tf2_dtype_name(tensor->dtype));
        TF2__TRY(check_values(tensor, graph->outputs[i].name, outputs[i], error));
        tf2__buffer_put(section, outputs[i], (size_t)tf2_shape_count(&tensor->shape) * sizeof(float));
    }
    return section->failed ? tf2__fail_memory(error, section->n, "an example") : TF2_OK;
}

/* ---- reading ---- */

static void read_floats(struct tf2__cursor *c, size_t n, float *out)
{
    const unsigned char *at = tf2__cursor_bytes(c, n * sizeof(*out), "values");
    size_t bad = at ? find_not_finite(at, n) : SIZE_MAX;
    if (bad != SIZE_MAX)
        tf2__cursor_fail(c, at + bad * sizeof(*out), TF2_ERR_FORMAT, "value %zu is not a finite number", bad);
    else if (at && out)
        memcpy(out, at, n * sizeof(*out));
}

/* Undoes put_runs: fills values (NULL: only checks) with differences as floats; the caller adds them up. */
static void read_runs(struct tf2__cursor *c, size_t n, float *values)
{
    size_t done = 0;
    while (done < n && c->status == TF2_OK) {
        const unsigned char *at = c->at;
        uint8_t head = tf2__cursor_u8(c, "a run");
        bool repeat = head >= 128;
        size_t length = repeat ? head - 125u : head + 1u;
        const unsigned char *r = tf2__cursor_bytes(c, repeat ? 1 : length, "a run");
        if (r && length > n - done)
            tf2__cursor_fail(
                c, at, TF2_ERR_FORMAT, "a run of %zu bytes, wanted at most %zu", length, n - done);
        for (size_t i = 0; values && c->status == TF2_OK && i < length; i++)
            values[done + i] = r[repeat ? 0 : i];
        done += length;
    }
}

static void read_packed(struct tf2__cursor *c, size_t n, float *out)
{
    const unsigned char *at = c->at;
    uint32_t distance = tf2__cursor_u32(c, "distance");
    uint32_t n_bytes = tf2__cursor_u32(c, "size of runs");
    const unsigned char *runs = tf2__cursor_bytes(c, n_bytes, "runs");
    if (c->status == TF2_OK && distance == 0)
        tf2__cursor_fail(c, at, TF2_ERR_FORMAT, "distance 0, wanted 1 or more");
    if (c->status != TF2_OK)
        return;
    struct tf2__cursor inner = *c;
    inner.at = runs;
    inner.end = runs + n_bytes;
    read_runs(&inner, n, out);
    tf2__cursor_finish(&inner);
    c->status = inner.status;
    for (size_t i = distance; out && c->status == TF2_OK && i < n; i++)
        out[i] = (float)((unsigned)(out[i] + out[i - distance]) & 255);
}

static void read_bytes(struct tf2__cursor *c, size_t n, float *out)
{
    const unsigned char *bytes = tf2__cursor_bytes(c, n, "bytes");
    for (size_t i = 0; bytes && out && i < n; i++)
        out[i] = bytes[i];
}

/* Whether all bytes become finite numbers. */
static bool is_finite_map(float mean, float scale)
{
    return fabsf((0 - mean) * scale) <= FLT_MAX && fabsf((255 - mean) * scale) <= FLT_MAX;
}

static struct affine
read_affine(struct tf2__cursor *c, const struct tf2_shape *shape, enum tf2_layout layout)
{
    const unsigned char *at = c->at;
    struct affine affine = {.scale = tf2__cursor_f32(c, "scale")};
    bool good = is_finite_map(0, affine.scale);
    const int64_t n_channels = affine_shape(&affine, shape, layout);
    affine.n_means = tf2__cursor_u8(c, "number of means");
    if (affine.n_means && n_channels != affine.n_means) {
        tf2__cursor_fail(
            c, at, TF2_ERR_FORMAT, "%u means, wanted none or one for each channel", affine.n_means);
        affine.n_means = 0;
    }
    for (uint32_t i = 0; i < affine.n_means; i++) {
        affine.mean[i] = tf2__cursor_f32(c, "a mean");
        good &= is_finite_map(affine.mean[i], affine.scale);
    }
    if (c->status == TF2_OK && !good)
        tf2__cursor_fail(c, at, TF2_ERR_FORMAT, "scale and means do not give finite numbers");
    return affine;
}

static void read_input(struct tf2__cursor *c, const struct tf2_graph *graph, uint32_t index, float *out)
{
    const struct tf2_shape *shape = &input_tensor(graph, index)->shape;
    size_t n = (size_t)tf2_shape_count(shape);
    const unsigned char *at = c->at;
    uint8_t form = tf2__cursor_u8(c, "form of an example input");
    if (form == TF2__EXAMPLE_F32) {
        read_floats(c, n, out);
        return;
    }
    if (form > TF2__EXAMPLE_RUNS) {
        tf2__cursor_fail(
            c, at, TF2_ERR_FORMAT, "form %u of an example input, wanted 0 to %d", form, TF2__EXAMPLE_RUNS);
        return;
    }
    const struct affine affine = read_affine(c, shape, tf2__layout_of_input(graph, index));
    if (form == TF2__EXAMPLE_U8)
        read_bytes(c, n, out);
    else
        read_packed(c, n, out);
    for (size_t i = 0; out && c->status == TF2_OK && i < n; i++)
        out[i] = affine_value(&affine, i, (uint8_t)out[i]);
}

enum tf2_status
tf2__example_read(struct tf2__cursor *cursor, const struct tf2_graph *graph, float *const *outs)
{
    for (uint32_t i = 0; i < graph->n_inputs && cursor->status == TF2_OK; i++)
        read_input(cursor, graph, i, outs ? outs[i] : NULL);
    for (uint32_t i = 0; i < graph->n_outputs && cursor->status == TF2_OK; i++) {
        const struct tf2__tensor *tensor = output_tensor(graph, i);
        if (tensor->dtype != TF2_DTYPE_F32)
            tf2__cursor_fail(
                cursor, cursor->at, TF2_ERR_FORMAT, "an example, but output '%s' is %s",
                graph->outputs[i].name, tf2_dtype_name(tensor->dtype));
        read_floats(cursor, (size_t)tf2_shape_count(&tensor->shape), outs ? outs[graph->n_inputs + i] : NULL);
    }
    return tf2__cursor_finish(cursor);
}
