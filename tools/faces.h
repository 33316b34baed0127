/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faces.h: the parts of tf2-faces, around examples/faces.
 *
 *     photo ─ detect, embed ─▶ faces_result ─ match with the gallery ─┬─▶ text, JSON
 *                                                                     └─▶ a picture with boxes
 */
#ifndef TF2_TOOLS_FACES_H
#define TF2_TOOLS_FACES_H

#include "cli.h"
#include "face.h"

struct faces_options {
    const char *mtcnn_dir;
    struct face_detector_options detector;
    const char *embedder_path;
    struct face_embedder_options embedder; /* pixels: see `pixels` */
    struct face_pixels pixels;
    bool has_pixels; /* one of --mean, --scale, --channels was given */
    const char *gallery_dir;
    double threshold; /* of the similarity */
    const char *draw_path;
    const char *json_path;
    const char *devices;
    bool time;
    long n_repeats;
};

/* What works on all photos. */
struct faces_engine {
    const struct faces_options *options;
    struct tf2_devices *devices;
    struct face_runner *runner;
    struct face_detector *detector;
    struct face_embedder *embedder; /* NULL: none */
    size_t embedding_size;          /* 0: none */
};

/* Known people. Zero-initialize. */
struct faces_gallery {
    char **names; /* several may be the same */
    float *embeddings;
    size_t n;
};

struct faces_timing {
    uint64_t load_ns, stage_ns[FACE_N_STAGES], embed_ns;
};

/* One photo. Zero-initialize; finish frees. */
struct faces_result {
    const char *path;
    struct tf2_image image;
    struct face_list list;
    float *embeddings;    /* one for each face; NULL: no embedder */
    const char **matches; /* a name of the gallery for each face, NULL: nobody */
    double *similarities; /* to the most similar picture of the gallery */
    bool compared;        /* with a gallery: else there are no similarities */
    struct face_stats stats;
    struct faces_timing timing;
};

/* Reads a photo, finds and embeds its faces, n_repeats times; 0, or 1 after a message. */
int faces_look_at(
    const struct faces_engine *engine, const char *path, long n_repeats, struct faces_result *result);
void faces_result_finish(struct faces_result *result);

/* Adds a photo, or those of a directory; 0, or 1 after a message. */
int faces_photos_add(struct cli_paths *photos, const char *path);

/* DIR has NAME.jpg, or NAME/ with pictures: one face each; 0, or 1 after a message. */
int faces_gallery_read(
    struct faces_gallery *gallery, const struct faces_engine *engine, const char *directory);
void faces_gallery_finish(struct faces_gallery *gallery);
/* Sets matches and similarities. */
void faces_gallery_match(
    const struct faces_gallery *gallery, const struct faces_engine *engine, struct faces_result *result);

void faces_print(const struct faces_engine *engine, const struct faces_result *result);
json_t *faces_json(const struct faces_engine *engine, const struct faces_result *result);

/* Draws boxes, landmarks and names into the result's image and writes it as a PNG; 0, or 1 after a
 * message. */
int faces_draw(struct faces_result *result, const char *path);

#endif
