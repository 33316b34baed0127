/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faces_look.c: one photo: its faces, their embeddings, and how long it took.
 */
#define _POSIX_C_SOURCE 200809L
#include "faces.h"

#include <string.h>
#include <time.h>

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static enum tf2_status
find_and_embed(const struct faces_engine *engine, struct faces_result *r, struct tf2_error *error)
{
    face_list_finish(&r->list);
    free(r->embeddings);
    r->embeddings = NULL;
    enum tf2_status status = face_detect(engine->detector, &r->image, &r->list, &r->stats, error);
    uint64_t before = now_ns();
    if (status == TF2_OK && engine->embedder) {
        r->embeddings = cli_alloc(r->list.n_faces * engine->embedding_size, sizeof(float));
        status =
            face_embed(engine->embedder, &r->image, r->list.faces, r->list.n_faces, r->embeddings, error);
    }
    for (size_t s = 0; s < FACE_N_STAGES; s++)
        r->timing.stage_ns[s] += r->stats.stage_ns[s];
    r->timing.embed_ns += now_ns() - before;
    return status;
}

/* Of several rounds the first prepares sessions and does not count. */
static void take_mean(struct faces_timing *sum, const struct faces_timing *first, uint64_t n)
{
    for (size_t s = 0; s < FACE_N_STAGES; s++)
        sum->stage_ns[s] = (sum->stage_ns[s] - first->stage_ns[s]) / n;
    sum->embed_ns = (sum->embed_ns - first->embed_ns) / n;
}

int faces_look_at(const struct faces_engine *engine, const char *path, long n_repeats, struct faces_result *r)
{
    struct tf2_error error;
    struct faces_timing first = {0};
    r->path = path;
    uint64_t before = now_ns();
    if (tf2_image_load(path, 3, NULL, &r->image, &error) != TF2_OK)
        return cli_fail("%s", error.message);
    r->timing.load_ns = now_ns() - before;
    for (long i = 0; i < n_repeats; i++) {
        if (find_and_embed(engine, r, &error) != TF2_OK)
            return cli_fail("%s: %s", path, error.message);
        if (i == 0)
            first = r->timing;
    }
    if (n_repeats > 1)
        take_mean(&r->timing, &first, (uint64_t)n_repeats - 1);
    r->matches = cli_alloc(r->list.n_faces, sizeof(*r->matches));
    r->similarities = cli_alloc(r->list.n_faces, sizeof(*r->similarities));
    return 0;
}

void faces_result_finish(struct faces_result *r)
{
    tf2_image_finish(&r->image);
    face_list_finish(&r->list);
    free(r->embeddings);
    free(r->matches);
    free(r->similarities);
    memset(r, 0, sizeof(*r));
}
