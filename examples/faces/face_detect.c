/* SPDX-License-Identifier: Apache-2.0 */
/*
 * face_detect.c: the cascade.
 *
 *     photo ─ pyramid ─▶ P-Net on every level ─ threshold, suppress ─▶ candidates ─ move, square ─▶
 *           R-Net on their crops ─ threshold, suppress, move, square ─▶
 *           O-Net on theirs ─ threshold, move, suppress ─▶ faces
 *
 * The levels of a photo, and the batches of a stage, are requests that run at the same time (face_runner.h).
 * Steps, roundings and limits are those of the published program (Zhang et al. 2016) and its ports. That
 * program counts pixels from 1 and a box's last row and column as part of it, and the networks learned that.
 */
#define _POSIX_C_SOURCE 200809L
#include "face_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))
#define CELL       12 /* P-Net looks at so many pixels, */
#define STRIDE     2  /* and steps so many */
#define MAX_LEVELS 100
#define N_SCORES   2 /* no face, face */
#define N_POINTS   (2 * FACE_N_LANDMARKS)

#define DEFAULT_MIN_FACE 20
#define DEFAULT_FACTOR   0.709

enum {
    OUTPUT_SCORES,
    OUTPUT_MOVE,
    OUTPUT_POINTS,
    N_OUTPUTS,
};

/* What is different between the stages. */
static const struct stage_row {
    const char *stems[4]; /* of the file */
    int32_t side;         /* of the picture that it looks at; P-Net: or more */
    double threshold;
    double overlap;
    enum face_overlap overlap_kind;
    size_t n_outputs;
} stages[FACE_N_STAGES] = {
    {{"det1", "pnet", "facenet_pnet"}, CELL, 0.6, 0.7, FACE_OVERLAP_UNION, 2},
    {{"det2", "rnet", "facenet_rnet"}, 24, 0.7, 0.7, FACE_OVERLAP_UNION, 2},
    {{"det3", "onet", "facenet_onet"}, 48, 0.7, 0.7, FACE_OVERLAP_MIN, 3},
};
#define LEVEL_OVERLAP 0.5 /* within a level */

static const size_t output_sizes[N_OUTPUTS] = {N_SCORES, FACE_N_REGRESSION, N_POINTS};

struct stage {
    struct face_net net;
    size_t outputs[N_OUTPUTS];
    double threshold;
};

struct face_detector {
    struct face_runner *runner;
    struct stage stages[FACE_N_STAGES];
    enum face_layout layout;
    struct face_pixels pixels;
    double min_face, factor;
};

void face_list_finish(struct face_list *list)
{
    free(list->faces);
    memset(list, 0, sizeof(*list));
}

enum face_layout face_detector_layout(const struct face_detector *detector)
{
    return detector->layout;
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static enum tf2_status
take_options(struct face_detector *d, const struct face_detector_options *o, struct tf2_error *error)
{
    d->layout = o->layout;
    d->min_face = o->min_face == 0 ? DEFAULT_MIN_FACE : o->min_face;
    d->factor = o->factor == 0 ? DEFAULT_FACTOR : o->factor;
    bool good = face_layout_row(o->layout) && d->min_face >= CELL && d->min_face <= 1e5 && d->factor >= 0.1 &&
                d->factor <= 0.95;
    for (size_t s = 0; s < FACE_N_STAGES; s++) {
        d->stages[s].threshold = o->thresholds[s] == 0 ? stages[s].threshold : o->thresholds[s];
        good = good && d->stages[s].threshold > 0 && d->stages[s].threshold <= 1;
    }
    if (good)
        return TF2_OK;
    return face_fail(
        error, TF2_ERR_INVALID_ARGUMENT,
        "detector: wanted a layout, a smallest face of %d pixels or more, a factor of 0.1 to 0.95 and "
        "thresholds of 0 to "
        "1",
        CELL);
}

static enum tf2_status read_stage(
    struct face_detector *d, size_t s, const char *folder, enum face_precision precision,
    struct tf2_error *error)
{
    const struct stage_row *row = &stages[s];
    const char *stems[4] = {row->stems[0], row->stems[1], row->stems[2]};
    struct stage *stage = &d->stages[s];
    /* A folder can have files of both TensorFlow layouts; the one that was asked for comes first. */
    if (d->layout == FACE_LAYOUT_FACENET) {
        stems[0] = row->stems[2];
        stems[2] = row->stems[0];
    }
    enum tf2_status status = face_net_find(&stage->net, folder, stems, precision, row->side, error);
    if (status == TF2_OK && s > 0 && (stage->net.width != row->side || stage->net.height != row->side))
        status = face_fail(
            error, TF2_ERR_SHAPE, "%s: wanted a picture of %d x %d as input, found %d x %d", stage->net.path,
            row->side, row->side, stage->net.width, stage->net.height);
    for (size_t o = 0; o < row->n_outputs && status == TF2_OK; o++)
        status = face_net_output(&stage->net, output_sizes[o], s == 0, &stage->outputs[o], error);
    return status;
}

/* The three have to be of one kind. */
static enum tf2_status choose_layout(struct face_detector *d, struct tf2_error *error)
{
    if (d->layout == FACE_LAYOUT_AUTO) {
        d->layout = face_net_layout(&d->stages[0].net);
        for (size_t s = 1; s < FACE_N_STAGES; s++) {
            enum face_layout other = face_net_layout(&d->stages[s].net);
            if (other != d->layout)
                return face_fail(
                    error, TF2_ERR_INVALID_ARGUMENT,
                    "%s is laid out as %s, %s as %s: wanted one layout; it can be given if the names mislead",
                    d->stages[0].net.path, face_layout_name(d->layout), d->stages[s].net.path,
                    face_layout_name(other));
        }
    }
    const struct face_layout_row *row = face_layout_row(d->layout);
    d->pixels.channels = row->bgr ? TF2_CHANNELS_BGR : TF2_CHANNELS_RGB;
    for (size_t c = 0; c < FACE_MAX_CHANNELS; c++) {
        d->pixels.mean[c] = 127.5f;
        d->pixels.scale[c] = 1 / 128.0f;
    }
    for (size_t s = 0; s < FACE_N_STAGES; s++)
        d->stages[s].net.swapped = row->swapped;
    return TF2_OK;
}

enum tf2_status face_detector_create(
    struct face_runner *runner, const char *folder, const struct face_detector_options *options,
    struct face_detector **detector, struct tf2_error *error)
{
    static const struct face_detector_options defaults = {0};
    const struct face_detector_options *o = options ? options : &defaults;
    struct face_detector *d = calloc(1, sizeof(*d));
    if (!d)
        return face_fail(error, TF2_ERR_NO_MEMORY, "out of memory: a detector");
    d->runner = runner;
    enum tf2_status status = take_options(d, o, error);
    for (size_t s = 0; s < FACE_N_STAGES && status == TF2_OK; s++)
        status = read_stage(d, s, folder, o->precision, error);
    if (status == TF2_OK)
        status = choose_layout(d, error);
    if (status == TF2_OK)
        *detector = d;
    else
        face_detector_destroy(&d);
    return status;
}

void face_detector_destroy(struct face_detector **detector)
{
    if (!detector || !*detector)
        return;
    for (size_t s = 0; s < FACE_N_STAGES; s++)
        face_net_finish(&(*detector)->stages[s].net, (*detector)->runner);
    free(*detector);
    *detector = NULL;
}

/* ---- numbers of the networks, x first ---- */

static void
read_move(const struct face_detector *d, const float *values, size_t step, struct face_candidate *c)
{
    bool y_first = face_layout_row(d->layout)->y_first;
    for (size_t i = 0; i < FACE_N_REGRESSION; i++)
        c->move[i] = values[(y_first ? i ^ 1 : i) * step];
}

/* Parts of the box's size to pixels of the photo. */
static void read_landmarks(const struct face_detector *d, const float *values, struct face *f)
{
    bool y_first = face_layout_row(d->layout)->y_first;
    const float *x = values + (y_first ? FACE_N_LANDMARKS : 0),
                *y = values + (y_first ? 0 : FACE_N_LANDMARKS);
    for (size_t i = 0; i < FACE_N_LANDMARKS; i++) {
        f->landmarks[i].x = f->x1 + x[i] * (f->x2 - f->x1 + 1) - 1;
        f->landmarks[i].y = f->y1 + y[i] * (f->y2 - f->y1 + 1) - 1;
    }
}

/* ---- P-Net ---- */

struct level {
    double scale;
    int32_t width, height;
    struct face_request request;
};

static size_t make_levels(const struct face_detector *d, const struct tf2_image *image, struct level *levels)
{
    double scale = CELL / d->min_face;
    double side = (image->width < image->height ? image->width : image->height) * scale;
    size_t n = 0;
    for (; side >= CELL && n < MAX_LEVELS; side *= d->factor, scale *= d->factor, n++) {
        levels[n].scale = scale;
        levels[n].width = (int32_t)ceil(image->width * scale);
        levels[n].height = (int32_t)ceil(image->height * scale);
    }
    return n;
}

static enum tf2_status submit_level(
    const struct face_detector *d, const struct tf2_image *image, struct level *l, struct tf2_error *error)
{
    const struct face_region whole = {0, 0, image->width, image->height};
    const struct face_net *net = &d->stages[0].net;
    const struct face_strides strides = face_net_strides(net, l->width, l->height);
    if (!face_net_request(net, 1, l->width, l->height, &l->request) ||
        !face_fill(image, &whole, l->width, l->height, &d->pixels, &strides, l->request.input)) {
        face_request_finish(&l->request);
        return face_fail(
            error, TF2_ERR_NO_MEMORY, "out of memory: a level of %d x %d pixels", l->width, l->height);
    }
    face_runner_submit(d->runner, &l->request);
    return TF2_OK;
}

/* A map of P-Net: columns x rows cells, as the photo lies. */
struct map {
    const float *values;
    size_t columns, rows;
    struct face_strides strides;
};

static bool read_map(
    const struct face_net *net, const struct face_request *r, size_t output, size_t channels, struct map *m)
{
    const struct tf2_shape *shape = &r->output_shapes[output];
    if (shape->n_dims != 4 || shape->dim[0] != 1 ||
        shape->dim[net->channels_last ? 3 : 1] != (int64_t)channels)
        return false;
    size_t first = (size_t)shape->dim[net->channels_last ? 1 : 2];
    size_t second = (size_t)shape->dim[net->channels_last ? 2 : 3];
    size_t step = net->channels_last ? channels : 1;
    m->values = r->outputs[output];
    m->columns = net->swapped ? first : second;
    m->rows = net->swapped ? second : first;
    m->strides.channel = net->channels_last ? 1 : first * second;
    m->strides.row = step * (net->swapped ? 1 : second);
    m->strides.column = step * (net->swapped ? second : 1);
    return true;
}

static bool add_cell(
    const struct face_detector *d, const struct level *l, size_t x, size_t y, float score,
    const struct map *move, struct face_candidates *list)
{
    struct face_candidate c = {.face.score = score};
    c.face.x1 = (float)trunc((STRIDE * (double)x + 1) / l->scale);
    c.face.y1 = (float)trunc((STRIDE * (double)y + 1) / l->scale);
    c.face.x2 = (float)trunc((STRIDE * (double)x + CELL) / l->scale);
    c.face.y2 = (float)trunc((STRIDE * (double)y + CELL) / l->scale);
    read_move(d, move->values + y * move->strides.row + x * move->strides.column, move->strides.channel, &c);
    return !face_is_sound(&c) || face_candidates_add(list, &c);
}

static enum tf2_status read_level(
    const struct face_detector *d, const struct level *l, struct face_candidates *list,
    struct tf2_error *error)
{
    const struct stage *stage = &d->stages[0];
    struct map scores, move;
    size_t first = list->n;
    if (!read_map(&stage->net, &l->request, stage->outputs[OUTPUT_SCORES], N_SCORES, &scores) ||
        !read_map(&stage->net, &l->request, stage->outputs[OUTPUT_MOVE], FACE_N_REGRESSION, &move) ||
        scores.columns != move.columns || scores.rows != move.rows)
        return face_fail(
            error, TF2_ERR_SHAPE, "%s: wanted two maps of one size for a picture of %d x %d", stage->net.path,
            l->width, l->height);
    const float *face_scores = scores.values + scores.strides.channel;
    for (size_t y = 0; y < scores.rows; y++) {
        for (size_t x = 0; x < scores.columns; x++) {
            float score = face_scores[y * scores.strides.row + x * scores.strides.column];
            if ((double)score >= stage->threshold && !add_cell(d, l, x, y, score, &move, list))
                return face_fail(error, TF2_ERR_NO_MEMORY, "out of memory: %zu candidates", list->n);
        }
    }
    face_suppress(list, first, LEVEL_OVERLAP, FACE_OVERLAP_UNION);
    return TF2_OK;
}

static enum tf2_status find_candidates(
    struct face_detector *d, const struct tf2_image *image, struct level *levels, size_t n_levels,
    struct face_candidates *list, struct tf2_error *error)
{
    enum tf2_status status = TF2_OK;
    size_t n_submitted = 0;
    while (n_submitted < n_levels && status == TF2_OK) {
        status = submit_level(d, image, &levels[n_submitted], error);
        n_submitted += status == TF2_OK;
    }
    for (size_t i = 0; i < n_submitted; i++) {
        struct tf2_error here;
        enum tf2_status ran = face_runner_wait(d->runner, &levels[i].request, &here);
        if (ran == TF2_OK && status == TF2_OK)
            status = read_level(d, &levels[i], list, error);
        else if (status == TF2_OK)
            status = face_fail(error, ran, "%s: %.1800s", d->stages[0].net.path, here.message);
        face_request_finish(&levels[i].request);
    }
    if (status != TF2_OK)
        return status;
    face_suppress(list, 0, stages[0].overlap, stages[0].overlap_kind);
    for (size_t i = 0; i < list->n; i++) {
        face_box_move(&list->items[i], 0);
        face_box_square(&list->items[i].face);
    }
    return TF2_OK;
}

/* ---- R-Net and O-Net ---- */

struct crops {
    const struct face_detector *detector;
    const struct face_net *net;
    const struct tf2_image *image;
    struct face_candidate *items;
};

/* The pixels of a box with whole corners, counted from 1. */
static bool fill_crop(void *user, size_t item, const struct face_strides *strides, float *values)
{
    const struct crops *crops = user;
    const struct face *f = &crops->items[item].face;
    const struct face_net *net = crops->net;
    const struct face_region region = {
        .x = (int32_t)f->x1 - 1,
        .y = (int32_t)f->y1 - 1,
        .width = (int32_t)(f->x2 - f->x1) + 1,
        .height = (int32_t)(f->y2 - f->y1) + 1,
    };
    return face_fill(
        crops->image, &region, net->swapped ? net->height : net->width,
        net->swapped ? net->width : net->height, &crops->detector->pixels, strides, values);
}

/* Whole corners; boxes that have no pixels, or are far outside, go. */
static void make_whole(struct face_candidates *list)
{
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++) {
        struct face_candidate c = list->items[i];
        c.face.x1 = truncf(c.face.x1);
        c.face.y1 = truncf(c.face.y1);
        c.face.x2 = truncf(c.face.x2);
        c.face.y2 = truncf(c.face.y2);
        if (face_is_sound(&c) && c.face.x2 >= c.face.x1 && c.face.y2 >= c.face.y1)
            list->items[n++] = c;
    }
    list->n = n;
}

/* Results of all candidates of a stage, by output. */
struct answers {
    float *values[N_OUTPUTS];
};

static void
take_answers(const struct face_detector *d, size_t s, const struct answers *a, struct face_candidates *list)
{
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++) {
        struct face_candidate c = list->items[i];
        c.face.score = a->values[OUTPUT_SCORES][i * N_SCORES + 1];
        read_move(d, a->values[OUTPUT_MOVE] + i * FACE_N_REGRESSION, 1, &c);
        if (stages[s].n_outputs > OUTPUT_POINTS)
            read_landmarks(d, a->values[OUTPUT_POINTS] + i * N_POINTS, &c.face);
        if ((double)c.face.score > d->stages[s].threshold && face_is_sound(&c))
            list->items[n++] = c;
    }
    list->n = n;
}

static void move_boxes(struct face_candidates *list, bool square)
{
    for (size_t i = 0; i < list->n; i++) {
        face_box_move(&list->items[i], 1);
        if (square)
            face_box_square(&list->items[i].face);
    }
}

static enum tf2_status refine(
    struct face_detector *d, size_t s, const struct tf2_image *image, struct face_candidates *list,
    struct tf2_error *error)
{
    const struct stage *stage = &d->stages[s];
    struct answers a = {{NULL}};
    bool good = true, is_last = s + 1 == FACE_N_STAGES;
    make_whole(list);
    struct crops crops = {d, &stage->net, image, list->items};
    for (size_t o = 0; o < stages[s].n_outputs; o++) {
        a.values[o] = calloc(list->n ? list->n : 1, output_sizes[o] * sizeof(float));
        good = good && a.values[o];
    }
    const struct face_items items = {list->n,        fill_crop,    &crops,  stages[s].n_outputs,
                                     stage->outputs, output_sizes, a.values};
    enum tf2_status status =
        good ? face_net_run(&stage->net, d->runner, &items, error)
             : face_fail(error, TF2_ERR_NO_MEMORY, "out of memory: %zu candidates", list->n);
    if (status == TF2_OK) {
        take_answers(d, s, &a, list);
        if (is_last)
            move_boxes(list, false);
        face_suppress(list, 0, stages[s].overlap, stages[s].overlap_kind);
        if (!is_last)
            move_boxes(list, true);
    }
    for (size_t o = 0; o < N_OUTPUTS; o++)
        free(a.values[o]);
    return status;
}

/* ---- all of it ---- */

static enum tf2_status
take_faces(const struct face_candidates *candidates, struct face_list *list, struct tf2_error *error)
{
    struct face_list made = {calloc(candidates->n ? candidates->n : 1, sizeof(struct face)), candidates->n};
    if (!made.faces)
        return face_fail(error, TF2_ERR_NO_MEMORY, "out of memory: %zu faces", candidates->n);
    for (size_t i = 0; i < candidates->n; i++)
        made.faces[i] = candidates->items[i].face;
    *list = made;
    return TF2_OK;
}

enum tf2_status face_detect(
    struct face_detector *d, const struct tf2_image *image, struct face_list *list, struct face_stats *stats,
    struct tf2_error *error)
{
    struct face_candidates candidates = {0};
    struct face_stats done = {0};
    if (!image->pixels || image->channels != FACE_MAX_CHANNELS)
        return face_fail(
            error, TF2_ERR_INVALID_ARGUMENT, "detect: wanted an RGB image, found %d channels",
            image->channels);
    struct level *levels = calloc(MAX_LEVELS, sizeof(*levels));
    if (!levels)
        return face_fail(error, TF2_ERR_NO_MEMORY, "out of memory: a pyramid");
    uint64_t before = now_ns();
    done.n_levels = make_levels(d, image, levels);
    enum tf2_status status = find_candidates(d, image, levels, done.n_levels, &candidates, error);
    for (size_t s = 0; s < FACE_N_STAGES && status == TF2_OK; s++) {
        if (s > 0)
            status = refine(d, s, image, &candidates, error);
        uint64_t after = now_ns();
        done.stage_ns[s] = after - before;
        done.n_candidates[s] = candidates.n;
        before = after;
    }
    if (status == TF2_OK)
        status = take_faces(&candidates, list, error);
    if (status == TF2_OK && stats)
        *stats = done;
    face_candidates_finish(&candidates);
    free(levels);
    return status;
}
