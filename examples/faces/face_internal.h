/* SPDX-License-Identifier: Apache-2.0 */
/*
 * face_internal.h: what the files of this folder share.
 *
 *     face_detect.c   the cascade                  face_box.c     boxes: overlap, suppression, regression
 *     face_embed.c    embeddings                   face_pixel.c   resizing, turning, pixels to network input
 *     face_net.c      files, layouts, batches      face_runner.c  devices
 */
#ifndef FACE_INTERNAL_H
#define FACE_INTERNAL_H

#include "face.h"
#include "face_runner.h"

/* Fills *error (NULL allowed) and returns `status`. */
enum tf2_status face_fail(struct tf2_error *error, enum tf2_status status, const char *format, ...)
    TF2_PRINTF(3, 4);

/* ---- boxes ---- */

#define FACE_N_REGRESSION 4

/* A box that may be a face, and how the network that scored it would move the box's edges, in parts of its
 * size. */
struct face_candidate {
    struct face face;
    float move[FACE_N_REGRESSION]; /* x1, y1, x2, y2 */
};

struct face_candidates {
    struct face_candidate *items;
    size_t n;
    size_t capacity;
};

/* false: out of memory */
bool face_candidates_add(struct face_candidates *list, const struct face_candidate *candidate);
void face_candidates_finish(struct face_candidates *list);

enum face_overlap {
    FACE_OVERLAP_UNION, /* of what both cover together */
    FACE_OVERLAP_MIN,   /* of the smaller one */
};

/* The share of pixels that two boxes have in common; a box has its last row and column too, as the cascade
 * counts. */
double face_overlap(const struct face *a, const struct face *b, enum face_overlap kind);
/* Sorts from `first` on, best score first (of equal ones the earlier), and drops those that overlap a better
 * one by more than `limit`. */
void face_suppress(struct face_candidates *list, size_t first, double limit, enum face_overlap kind);
/* Moves the edges; `extra` 1: the size counts the last row and column, as R-Net and O-Net learned it. */
void face_box_move(struct face_candidate *candidate, float extra);
/* The square of the longer side's length around the same centre. */
void face_box_square(struct face *face);
/* Are all numbers finite, and of a size that integers can hold? */
bool face_is_sound(const struct face_candidate *candidate);

/* ---- pixels ---- */

/* A rectangle of a photo; what is outside the photo is black. */
struct face_region {
    int32_t x, y, width, height;
};

/* Where a value of channel c, row y and column x goes: c * channel + y * row + x * column. */
struct face_strides {
    size_t channel, row, column;
};

/*
 * Scales a region of an RGB image to width x height pixels (bilinear, in the 11-bit integers that OpenCV's
 * INTER_LINEAR uses for 8-bit pixels, so that the networks see what they were trained on) and writes them as
 * floats. False: out of memory.
 */
bool face_fill(
    const struct tf2_image *image, const struct face_region *region, int32_t width, int32_t height,
    const struct face_pixels *pixels, const struct face_strides *strides, float *values);
/* The same for an image of the right size. */
void face_fill_plain(
    const struct tf2_image *image, const struct face_pixels *pixels, const struct face_strides *strides,
    float *values);

/* ---- networks ---- */

struct face_net {
    struct tf2_model *model;
    struct tf2_model_info info;
    char *path;
    bool channels_last;    /* [N, H, W, C], else [N, C, H, W] */
    bool swapped;          /* H is along the photo's rows: x before y */
    int32_t width, height; /* of the picture that the input takes, in the file */
};

/* How the files of a framework were trained. */
struct face_layout_row {
    const char *name;
    bool swapped;
    bool bgr;
    bool y_first; /* in box regressions and landmarks */
};

const struct face_layout_row *face_layout_row(enum face_layout layout);

/* Reads a network with one RGB image input and float32 outputs; the net knows nothing of layouts yet (swapped
 * false). A file that leaves the size of its input open gets pictures of side x side pixels. */
enum tf2_status face_net_read(
    struct face_net *net, const char *path, enum face_precision precision, int32_t side,
    struct tf2_error *error);
/* The same of a folder: the first of `stems` (ended by NULL) with an extension that is known and of this
 * precision. */
enum tf2_status face_net_find(
    struct face_net *net, const char *folder, const char *const *stems, enum face_precision precision,
    int32_t side, struct tf2_error *error);
/* The layout that the file's name, and what a .tf2 file tells of its origin, speak of. */
enum face_layout face_net_layout(const struct face_net *net);
/* The same for a path alone. */
enum face_layout face_path_layout(const char *path);
void face_net_finish(struct face_net *net, struct face_runner *runner);

/* A request for n pictures of width x height, its input allocated; false: out of memory. */
bool face_net_request(
    const struct face_net *net, size_t n, int32_t width, int32_t height, struct face_request *request);
/* Strides within one picture of a request. */
struct face_strides face_net_strides(const struct face_net *net, int32_t width, int32_t height);

/* Writes the picture of item `item`; false: out of memory. */
typedef bool (*face_fill_item)(void *user, size_t item, const struct face_strides *strides, float *values);

/* Items for a network, each a picture of the size in the file. results[o] (the caller's) gets sizes[o]
 * numbers an item from output outputs[o]. */
struct face_items {
    size_t n;
    face_fill_item fill;
    void *user;
    size_t n_outputs;
    const size_t *outputs, *sizes;
    float *const *results;
};

/* Runs items in batches. */
enum tf2_status face_net_run(
    const struct face_net *net, struct face_runner *runner, const struct face_items *items,
    struct tf2_error *error);

/* The output that has `size` numbers an item, or (map) channels; TF2_ERR_SHAPE when not exactly one has. */
enum tf2_status
face_net_output(const struct face_net *net, size_t size, bool map, size_t *index, struct tf2_error *error);

#endif
