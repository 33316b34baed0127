/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faces_report.c: what was found in a photo, as text and as JSON.
 */
#include "faces.h"

#include <math.h>
#include <stdio.h>

static double ms(uint64_t ns)
{
    return (double)ns * 1e-6;
}

/* Reading the file aside. */
static uint64_t total_ns(const struct faces_timing *t)
{
    uint64_t total = t->embed_ns;
    for (size_t s = 0; s < FACE_N_STAGES; s++)
        total += t->stage_ns[s];
    return total;
}

static void print_timing(const struct faces_result *r)
{
    const struct faces_timing *t = &r->timing;
    double total = ms(total_ns(t));
    printf(
        "    ms: load %.2f, P-Net %.2f (%zu levels, %zu left), R-Net %.2f (%zu left), O-Net %.2f, embed "
        "%.2f\n",
        ms(t->load_ns), ms(t->stage_ns[0]), r->stats.n_levels, r->stats.n_candidates[0], ms(t->stage_ns[1]),
        r->stats.n_candidates[1], ms(t->stage_ns[2]), ms(t->embed_ns));
    printf(
        "    %.2f ms without load: %.1f photos/s, %.1f faces/s\n", total, 1e3 / total,
        1e3 * (double)r->list.n_faces / total);
}

void faces_print(const struct faces_engine *engine, const struct faces_result *r)
{
    printf("%s: %zu face%s\n", r->path, r->list.n_faces, r->list.n_faces == 1 ? "" : "s");
    for (size_t i = 0; i < r->list.n_faces; i++) {
        const struct face *f = &r->list.faces[i];
        printf(
            "  %3zu  score %.4f  box %.1f %.1f %.1f %.1f", i + 1, (double)f->score, (double)f->x1,
            (double)f->y1, (double)f->x2, (double)f->y2);
        if (r->compared)
            printf("  %s (%.3f)", r->matches[i] ? r->matches[i] : "nobody known", r->similarities[i]);
        putchar('\n');
    }
    if (engine->options->time)
        print_timing(r);
}

static json_t *landmarks_json(const struct face *f)
{
    json_t *array = json_array();
    for (size_t i = 0; i < FACE_N_LANDMARKS; i++)
        json_array_append_new(
            array, json_pack("[f, f]", (double)f->landmarks[i].x, (double)f->landmarks[i].y));
    return array;
}

static json_t *embedding_json(const float *values, size_t n)
{
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(array, cli_real_json((double)values[i]));
    return array;
}

static json_t *face_json(const struct faces_engine *engine, const struct faces_result *r, size_t i)
{
    const struct face *f = &r->list.faces[i];
    json_t *object = json_pack(
        "{s:[f, f, f, f], s:f, s:o, s:o, s:o}", "box", (double)f->x1, (double)f->y1, (double)f->x2,
        (double)f->y2, "score", (double)f->score, "landmarks", landmarks_json(f), "match",
        cli_text_json(r->matches[i]), "similarity",
        cli_real_json(r->compared ? r->similarities[i] : (double)NAN));
    if (engine->embedder)
        json_object_set_new(
            object, "embedding",
            embedding_json(r->embeddings + i * engine->embedding_size, engine->embedding_size));
    return object;
}

static json_t *timing_json(const struct faces_timing *t)
{
    return json_pack(
        "{s:f, s:f, s:f, s:f, s:f, s:f}", "load", ms(t->load_ns), "pnet", ms(t->stage_ns[0]), "rnet",
        ms(t->stage_ns[1]), "onet", ms(t->stage_ns[2]), "embed", ms(t->embed_ns), "total", ms(total_ns(t)));
}

json_t *faces_json(const struct faces_engine *engine, const struct faces_result *r)
{
    json_t *faces = json_array();
    for (size_t i = 0; i < r->list.n_faces; i++)
        json_array_append_new(faces, face_json(engine, r, i));
    json_t *object = json_pack("{s:o, s:o}", "input", cli_text_json(r->path), "faces", faces);
    if (engine->options->time) {
        json_object_set_new(object, "ms", timing_json(&r->timing));
        json_object_set_new(
            object, "candidates",
            json_pack(
                "{s:I, s:I, s:I, s:I}", "levels", (json_int_t)r->stats.n_levels, "pnet",
                (json_int_t)r->stats.n_candidates[0], "rnet", (json_int_t)r->stats.n_candidates[1], "onet",
                (json_int_t)r->stats.n_candidates[2]));
    }
    return object;
}
