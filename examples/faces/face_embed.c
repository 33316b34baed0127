/* SPDX-License-Identifier: Apache-2.0 */
/*
 * face_embed.c: faces as vectors of length 1.
 */
#include "face_internal.h"

#include <math.h>
#include <stdlib.h>

#define N_CHANNELS 3
#define OPEN_SIDE  112 /* where the file leaves the size open */

struct face_embedder {
    struct face_runner *runner;
    struct face_net net;
    struct face_pixels pixels;
    size_t size;
};

/* Mean and deviation of ImageNet's pixels, as the MobileFaceNet of docs/models.md was trained with. */
static const struct face_pixels imagenet = {
    .mean = {123.675f, 116.28f, 103.53f},
    .scale = {1 / 58.395f, 1 / 57.12f, 1 / 57.375f},
};

static bool says_nothing(const struct tf2_preprocess *p)
{
    return p->channels == TF2_CHANNELS_RGB && p->scale == 0 && p->mean[0] == 0 && p->mean[1] == 0 &&
           p->mean[2] == 0;
}

static struct face_pixels choose_pixels(const struct face_net *net, const struct face_pixels *given)
{
    const struct tf2_preprocess *p = &net->info.preprocess;
    if (given)
        return *given;
    if (says_nothing(p))
        return imagenet;
    struct face_pixels pixels = {.channels = p->channels};
    for (int c = 0; c < N_CHANNELS; c++) {
        pixels.mean[c] = p->mean[c];
        pixels.scale[c] = p->scale == 0 ? 1 : p->scale;
    }
    return pixels;
}

static enum tf2_status look_at_output(struct face_embedder *e, struct tf2_error *error)
{
    struct tf2_tensor_info out;
    char shape[128];
    tf2_model_output(e->net.model, 0, &out);
    int64_t size = tf2_shape_count(&out.shape) / out.shape.dim[0];
    if (e->net.info.n_outputs != 1 || size < 1 || size > FACE_MAX_EMBEDDING)
        return face_fail(
            error, TF2_ERR_SHAPE,
            "%s: wanted one output of 1 to %d numbers for a face, found %zu, the first is %s", e->net.path,
            FACE_MAX_EMBEDDING, e->net.info.n_outputs, tf2_shape_format(&out.shape, shape, sizeof(shape)));
    e->size = (size_t)size;
    return TF2_OK;
}

enum tf2_status face_embedder_create(
    struct face_runner *runner, const char *path, const struct face_embedder_options *options,
    struct face_embedder **embedder, struct tf2_error *error)
{
    static const struct face_embedder_options defaults = {0};
    const struct face_embedder_options *o = options ? options : &defaults;
    struct face_embedder *e = calloc(1, sizeof(*e));
    if (!e)
        return face_fail(error, TF2_ERR_NO_MEMORY, "out of memory: an embedder");
    e->runner = runner;
    enum tf2_status status = face_net_read(&e->net, path, o->precision, OPEN_SIDE, error);
    if (status == TF2_OK)
        status = look_at_output(e, error);
    if (status != TF2_OK) {
        face_embedder_destroy(&e);
        return status;
    }
    e->pixels = choose_pixels(&e->net, o->pixels);
    *embedder = e;
    return TF2_OK;
}

void face_embedder_destroy(struct face_embedder **embedder)
{
    if (!embedder || !*embedder)
        return;
    face_net_finish(&(*embedder)->net, (*embedder)->runner);
    free(*embedder);
    *embedder = NULL;
}

size_t face_embedder_size(const struct face_embedder *embedder)
{
    return embedder->size;
}

struct aligned_faces {
    const struct face_embedder *embedder;
    const struct tf2_image *images;
};

static bool fill_aligned(void *user, size_t item, const struct face_strides *strides, float *values)
{
    const struct aligned_faces *a = user;
    face_fill_plain(&a->images[item], &a->embedder->pixels, strides, values);
    return true;
}

/* To length 1; a vector of zeros stays. False: not finite. */
static bool normalize(float *values, size_t n)
{
    double square = 0;
    for (size_t i = 0; i < n; i++)
        square += (double)values[i] * values[i];
    double scale = square > 0 ? 1 / sqrt(square) : 0;
    for (size_t i = 0; i < n; i++)
        values[i] = (float)(values[i] * scale);
    return isfinite(square);
}

enum tf2_status face_embed_aligned(
    struct face_embedder *e, const struct tf2_image *aligned, size_t n, float *embeddings,
    struct tf2_error *error)
{
    struct aligned_faces faces = {e, aligned};
    static const size_t first_output = 0;
    for (size_t i = 0; i < n; i++) {
        if (aligned[i].width != e->net.width || aligned[i].height != e->net.height ||
            aligned[i].channels != N_CHANNELS)
            return face_fail(
                error, TF2_ERR_SHAPE, "%s: wanted RGB images of %d x %d, found %d x %d with %d channels",
                e->net.path, e->net.width, e->net.height, aligned[i].width, aligned[i].height,
                aligned[i].channels);
    }
    const struct face_items items = {n, fill_aligned, &faces, 1, &first_output, &e->size, &embeddings};
    enum tf2_status status = face_net_run(&e->net, e->runner, &items, error);
    for (size_t i = 0; i < n && status == TF2_OK; i++) {
        if (!normalize(embeddings + i * e->size, e->size))
            status = face_fail(
                error, TF2_ERR_VALUE, "%s: the embedding of face %zu is not finite", e->net.path, i + 1);
    }
    return status;
}

enum tf2_status face_embed(
    struct face_embedder *e, const struct tf2_image *image, const struct face *faces, size_t n,
    float *embeddings, struct tf2_error *error)
{
    struct tf2_image *aligned = calloc(n ? n : 1, sizeof(*aligned));
    enum tf2_status status = TF2_OK;
    if (!aligned)
        return face_fail(error, TF2_ERR_NO_MEMORY, "out of memory: %zu aligned faces", n);
    for (size_t i = 0; i < n && status == TF2_OK; i++)
        status = face_align(image, faces[i].landmarks, e->net.width, e->net.height, &aligned[i], error);
    if (status == TF2_OK)
        status = face_embed_aligned(e, aligned, n, embeddings, error);
    for (size_t i = 0; i < n; i++)
        tf2_image_finish(&aligned[i]);
    free(aligned);
    return status;
}

double face_cosine(const float *a, const float *b, size_t n)
{
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * b[i];
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
}
