/* SPDX-License-Identifier: Apache-2.0 */
/*
 * face_net.c: the networks: which file, which layout, and items in batches.
 *
 * A batch has 1, 2, 4, 8 or 16 items, so that few sessions are made; as large as lets all devices work, and
 * what is left at the end is filled up. A network that refuses other batches than its own gets its own.
 */
#define _POSIX_C_SOURCE 200809L
#include "face_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define N_CHANNELS 3
#define MAX_BATCH  16
#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))

static const struct face_layout_row layouts[] = {
    [FACE_LAYOUT_AUTO] = {.name = "auto"},
    [FACE_LAYOUT_CAFFE] = {.name = "caffe", .swapped = true},
    [FACE_LAYOUT_ONNX] = {.name = "onnx"},
    [FACE_LAYOUT_TENSORFLOW] = {.name = "tensorflow", .bgr = true, .y_first = true},
    [FACE_LAYOUT_FACENET] = {.name = "facenet", .swapped = true},
};

/* What a file's name says. The first row whose beginning and ending fit ("" fits all). */
static const struct {
    const char *begin, *end;
    enum face_layout layout;
} names[] = {
    {"det", "", FACE_LAYOUT_CAFFE},       {"facenet_", "", FACE_LAYOUT_FACENET},
    {"", ".prototxt", FACE_LAYOUT_CAFFE}, {"", ".caffemodel", FACE_LAYOUT_CAFFE},
    {"", ".tflite", FACE_LAYOUT_FACENET}, {"", ".pb", FACE_LAYOUT_TENSORFLOW},
    {"", "", FACE_LAYOUT_ONNX},
};

/* In the order in which a folder is searched. */
static const char *const extensions[] = {".tf2", ".onnx", ".prototxt", ".pb", ".tflite"};

enum tf2_status face_fail(struct tf2_error *error, enum tf2_status status, const char *format, ...)
{
    if (error) {
        va_list args;
        error->status = status;
        va_start(args, format);
        vsnprintf(error->message, sizeof(error->message), format, args);
        va_end(args);
    }
    return status;
}

const struct face_layout_row *face_layout_row(enum face_layout layout)
{
    return (size_t)layout < COUNT(layouts) ? &layouts[layout] : NULL;
}

const char *face_layout_name(enum face_layout layout)
{
    const struct face_layout_row *row = face_layout_row(layout);
    return row ? row->name : NULL;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcasecmp(text + n - m, end) == 0;
}

enum face_layout face_path_layout(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    size_t i = 0;
    while (strncasecmp(name, names[i].begin, strlen(names[i].begin)) != 0 || !ends_with(name, names[i].end))
        i++;
    return names[i].layout;
}

enum face_layout face_net_layout(const struct face_net *net)
{
    struct tf2_fact fact;
    for (size_t i = 0; i < net->info.n_facts; i++) {
        if (tf2_model_fact(net->model, i, &fact) == TF2_OK && strcmp(fact.key, "source") == 0)
            return face_path_layout(fact.value);
    }
    return face_path_layout(net->path);
}

/* A .prototxt has its weights beside it. NULL: no weights are wanted, or (*good false) out of memory. */
static char *weights_path(const char *path, bool *good)
{
    static const char definition[] = ".prototxt", weights[] = ".caffemodel";
    *good = true;
    if (!ends_with(path, definition))
        return NULL;
    size_t n = strlen(path) - strlen(definition);
    char *other = malloc(n + sizeof(weights));
    *good = other;
    if (other) {
        memcpy(other, path, n);
        memcpy(other + n, weights, sizeof(weights));
    }
    return other;
}

static enum tf2_status import(struct face_net *net, int32_t side, struct tf2_error *error)
{
    const struct tf2_named_shape sizes[] = {
        {.shape = {.n_dims = 4, .dim = {1, N_CHANNELS, side, side}}},
        {.shape = {.n_dims = 4, .dim = {1, side, side, N_CHANNELS}}}};
    bool good;
    char *weights = weights_path(net->path, &good);
    if (!good)
        return face_fail(error, TF2_ERR_NO_MEMORY, "out of memory: the path of the weights of %s", net->path);
    enum tf2_status status = tf2_model_import(net->path, weights, NULL, &net->model, error);
    bool has_reason = status != TF2_OK && status != TF2_ERR_IO && status != TF2_ERR_NO_MEMORY;
    /* The size may be open; what was wrong at first is told when it was something else. */
    for (size_t i = 0; i < COUNT(sizes) && !net->model && has_reason; i++) {
        const struct tf2_import_options options = {.input_shapes = &sizes[i], .n_input_shapes = 1};
        if (tf2_model_import(net->path, weights, &options, &net->model, NULL) == TF2_OK)
            status = TF2_OK;
    }
    free(weights);
    return status;
}

static enum tf2_status look_at_input(struct face_net *net, struct tf2_error *error)
{
    struct tf2_tensor_info in;
    char shape[128];
    tf2_model_input(net->model, 0, &in);
    net->channels_last = in.shape.n_dims == 4 && in.shape.dim[1] != N_CHANNELS;
    if (net->info.n_inputs != 1 || in.shape.n_dims != 4 || in.dtype != TF2_DTYPE_F32 ||
        in.shape.dim[net->channels_last ? 3 : 1] != N_CHANNELS)
        return face_fail(
            error, TF2_ERR_SHAPE,
            "%s: wanted one input Nx3xHxW or NxHxWx3 of float32, found %zu, the first, %s, is %s of %s",
            net->path, net->info.n_inputs, in.name, tf2_shape_format(&in.shape, shape, sizeof(shape)),
            tf2_dtype_name(in.dtype));
    net->height = (int32_t)in.shape.dim[net->channels_last ? 1 : 2];
    net->width = (int32_t)in.shape.dim[net->channels_last ? 2 : 3];
    return TF2_OK;
}

static enum tf2_status look_at_outputs(const struct face_net *net, struct tf2_error *error)
{
    if (net->info.n_outputs > FACE_MAX_OUTPUTS)
        return face_fail(
            error, TF2_ERR_SHAPE, "%s: wanted at most %d outputs, found %zu", net->path, FACE_MAX_OUTPUTS,
            net->info.n_outputs);
    for (size_t i = 0; i < net->info.n_outputs; i++) {
        struct tf2_tensor_info out;
        tf2_model_output(net->model, i, &out);
        if (out.dtype != TF2_DTYPE_F32 || out.shape.n_dims < 2)
            return face_fail(
                error, TF2_ERR_SHAPE, "%s: output %s: wanted float32 with a batch, found %s of %u dimensions",
                net->path, out.name, tf2_dtype_name(out.dtype), out.shape.n_dims);
    }
    return TF2_OK;
}

static enum tf2_status
check_precision(const struct face_net *net, enum face_precision precision, struct tf2_error *error)
{
    bool is_int8 = net->info.n_int8_nodes > 0;
    if (precision == FACE_PRECISION_ANY || is_int8 == (precision == FACE_PRECISION_INT8))
        return TF2_OK;
    return face_fail(
        error, TF2_ERR_NOT_FOUND, "%s is %s, wanted %s%s", net->path, is_int8 ? "int8" : "fp32",
        is_int8 ? "fp32" : "int8", is_int8 ? "" : " (tf2-convert --precision int8 makes such a .tf2)");
}

enum tf2_status face_net_read(
    struct face_net *net, const char *path, enum face_precision precision, int32_t side,
    struct tf2_error *error)
{
    memset(net, 0, sizeof(*net));
    net->path = strdup(path);
    if (!net->path)
        return face_fail(error, TF2_ERR_NO_MEMORY, "out of memory: the path %s", path);
    enum tf2_status status = import(net, side, error);
    if (status == TF2_OK) {
        tf2_model_info(net->model, &net->info);
        status = check_precision(net, precision, error);
    }
    if (status == TF2_OK)
        status = look_at_input(net, error);
    if (status == TF2_OK)
        status = look_at_outputs(net, error);
    if (status != TF2_OK)
        face_net_finish(net, NULL);
    return status;
}

enum tf2_status face_net_find(
    struct face_net *net, const char *folder, const char *const *stems, enum face_precision precision,
    int32_t side, struct tf2_error *error)
{
    char path[4096];
    bool found = false;
    for (size_t e = 0; e < COUNT(extensions); e++) {
        for (size_t s = 0; stems[s]; s++) {
            int n = snprintf(path, sizeof(path), "%s/%s%s", folder, stems[s], extensions[e]);
            if (n < 0 || (size_t)n >= sizeof(path))
                return face_fail(error, TF2_ERR_INVALID_ARGUMENT, "%.1000s: the path is too long", folder);
            if (access(path, F_OK) != 0)
                continue;
            enum tf2_status status = face_net_read(net, path, precision, side, error);
            if (status != TF2_ERR_NOT_FOUND)
                return status; /* else of another precision: the next may be right */
            found = true;
        }
    }
    if (found)
        return TF2_ERR_NOT_FOUND;
    return face_fail(
        error, TF2_ERR_NOT_FOUND,
        "%s: no %s or %s there, wanted it as .tf2, .onnx, .prototxt with .caffemodel, .pb or .tflite", folder,
        stems[0], stems[1]);
}

void face_net_finish(struct face_net *net, struct face_runner *runner)
{
    if (runner && net->model)
        face_runner_forget(runner, net->model);
    tf2_model_destroy(&net->model);
    free(net->path);
    memset(net, 0, sizeof(*net));
}

bool face_net_request(
    const struct face_net *net, size_t n, int32_t width, int32_t height, struct face_request *request)
{
    int64_t rows = net->swapped ? width : height, columns = net->swapped ? height : width;
    memset(request, 0, sizeof(*request));
    request->model = net->model;
    if (net->channels_last)
        request->shape = (struct tf2_shape){4, {(int64_t)n, rows, columns, N_CHANNELS}};
    else
        request->shape = (struct tf2_shape){4, {(int64_t)n, N_CHANNELS, rows, columns}};
    request->input = calloc(n * N_CHANNELS * (size_t)width * (size_t)height, sizeof(float));
    return request->input;
}

struct face_strides face_net_strides(const struct face_net *net, int32_t width, int32_t height)
{
    size_t step = net->channels_last ? N_CHANNELS : 1;
    return (struct face_strides){
        .channel = net->channels_last ? 1 : (size_t)width * (size_t)height,
        .row = step * (net->swapped ? 1 : (size_t)width),
        .column = step * (net->swapped ? (size_t)height : 1),
    };
}

struct batch {
    struct face_request request;
    size_t first, n; /* items */
};

struct job {
    const struct face_net *net;
    struct face_runner *runner;
    const struct face_items *items;
};

static size_t power_of_two(size_t n)
{
    size_t power = 1;
    while (2 * power <= n && 2 * power <= MAX_BATCH)
        power *= 2;
    return power;
}

/* A device gets about four batches: large enough to be fast, small enough that all end at nearly the same
 * time. */
static size_t full_batch(const struct job *job)
{
    return power_of_two(job->items->n / (4 * face_runner_n_devices(job->runner)));
}

/* Fills and submits one batch. */
static enum tf2_status submit(const struct job *job, struct batch *b, size_t batch, struct tf2_error *error)
{
    const struct face_net *net = job->net;
    int32_t width = net->swapped ? net->height : net->width, height = net->swapped ? net->width : net->height;
    const struct face_strides strides = face_net_strides(net, width, height);
    size_t size = N_CHANNELS * (size_t)width * (size_t)height;
    bool good = face_net_request(net, batch, width, height, &b->request);
    for (size_t i = 0; i < b->n && good; i++)
        good = job->items->fill(job->items->user, b->first + i, &strides, b->request.input + i * size);
    if (!good) {
        face_request_finish(&b->request);
        return face_fail(error, TF2_ERR_NO_MEMORY, "out of memory: a batch of %zu for %s", batch, net->path);
    }
    face_runner_submit(job->runner, &b->request);
    return TF2_OK;
}

static enum tf2_status
gather(const struct job *job, const struct batch *b, size_t batch, struct tf2_error *error)
{
    for (size_t o = 0; o < job->items->n_outputs; o++) {
        const struct tf2_shape *shape = &b->request.output_shapes[job->items->outputs[o]];
        char text[128];
        if (shape->dim[0] != (int64_t)batch ||
            tf2_shape_count(shape) != (int64_t)(batch * job->items->sizes[o]))
            return face_fail(
                error, TF2_ERR_SHAPE, "%s: for %zu items an output is %s, wanted %zu numbers each",
                job->net->path, batch, tf2_shape_format(shape, text, sizeof(text)), job->items->sizes[o]);
        memcpy(
            job->items->results[o] + b->first * job->items->sizes[o],
            b->request.outputs[job->items->outputs[o]], b->n * job->items->sizes[o] * sizeof(float));
    }
    return TF2_OK;
}

/* fixed 0: batches of the sizes that suit */
static enum tf2_status run_batches(const struct job *job, size_t fixed, struct tf2_error *error)
{
    size_t full = fixed ? fixed : full_batch(job), n_batches = (job->items->n + full - 1) / full,
           n_submitted = 0;
    struct batch *batches = calloc(n_batches, sizeof(*batches));
    enum tf2_status status = TF2_OK;
    if (!batches)
        return face_fail(error, TF2_ERR_NO_MEMORY, "out of memory: %zu batches", n_batches);
    size_t rest = job->items->n - (n_batches - 1) * full, last = fixed ? fixed : power_of_two(2 * rest - 1);
    while (n_submitted < n_batches && status == TF2_OK) {
        struct batch *b = &batches[n_submitted];
        bool is_last = n_submitted + 1 == n_batches;
        b->first = n_submitted * full;
        b->n = is_last ? rest : full;
        status = submit(job, b, is_last ? last : full, error);
        n_submitted += status == TF2_OK;
    }
    for (size_t i = 0; i < n_submitted; i++) {
        struct tf2_error here;
        enum tf2_status ran = face_runner_wait(job->runner, &batches[i].request, &here);
        if (ran == TF2_OK && status == TF2_OK)
            status = gather(job, &batches[i], i + 1 == n_batches ? last : full, error);
        else if (status == TF2_OK)
            status = face_fail(error, ran, "%s: %.1800s", job->net->path, here.message);
        face_request_finish(&batches[i].request);
    }
    free(batches);
    return status;
}

enum tf2_status face_net_run(
    const struct face_net *net, struct face_runner *runner, const struct face_items *items,
    struct tf2_error *error)
{
    const struct job job = {net, runner, items};
    struct tf2_tensor_info in;
    struct tf2_error first;
    if (items->n == 0)
        return TF2_OK;
    enum tf2_status status = run_batches(&job, 0, &first);
    if (status == TF2_OK)
        return TF2_OK;
    tf2_model_input(net->model, 0, &in);
    if (status == TF2_ERR_SHAPE && in.shape.dim[0] >= 1 && in.shape.dim[0] <= 1024)
        status = run_batches(&job, (size_t)in.shape.dim[0], error);
    else if (error)
        *error = first;
    return status;
}

enum tf2_status
face_net_output(const struct face_net *net, size_t size, bool map, size_t *index, struct tf2_error *error)
{
    size_t n_found = 0;
    for (size_t i = 0; i < net->info.n_outputs; i++) {
        struct tf2_tensor_info out;
        tf2_model_output(net->model, i, &out);
        size_t last = out.shape.n_dims - 1;
        int64_t channels = out.shape.dim[net->channels_last ? last : 1];
        int64_t n = map ? channels : tf2_shape_count(&out.shape) / out.shape.dim[0];
        if (channels != (int64_t)size || n != channels)
            continue;
        *index = i;
        n_found++;
    }
    if (n_found == 1)
        return TF2_OK;
    return face_fail(
        error, TF2_ERR_SHAPE, "%s: wanted one output of %zu %s, found %zu among %zu outputs", net->path, size,
        map ? "channels" : "numbers", n_found, net->info.n_outputs);
}
