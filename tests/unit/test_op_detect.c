/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_op_detect.c: what SSD's detectors are made of: normalization to a length, prior boxes, and detection outputs,
 * against numbers worked out by hand from their definitions.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>

#include "../support/hostile.h"

/* --- normalize --- */

static const float two_pixels[] = {3, 6, 4, 8}; /* two channels of two pixels: (3, 4) and (6, 8) */

static void normalizes_each_pixel(void **unused)
{
    const struct tf2_normalize_attr attr = {.region = TF2_NORMALIZE_CHANNELS};
    const float scale[] = {10, 20}, shared[] = {5};
    struct ops_tensor in[2] = {ops_values(SHAPE(1, 2, 1, 2), two_pixels), ops_values(SHAPE(2), scale)};
    (void)unused;
    ops_expect(TF2_OP_NORMALIZE, &attr, in, 2, SHAPE(1, 2, 1, 2), (const float[]){6, 6, 16, 16}, 1e-7);
    struct ops_tensor one[2] = {ops_values(SHAPE(1, 2, 2), two_pixels), ops_values(SHAPE(1), shared)};
    ops_expect(TF2_OP_NORMALIZE, &attr, one, 2, SHAPE(1, 2, 2), (const float[]){3, 3, 4, 4}, 1e-7);
    struct ops_tensor none[1] = {ops_values(SHAPE(2, 2), (const float[]){3, 4, 0, 0})};
    ops_expect(TF2_OP_NORMALIZE, &attr, none, 1, SHAPE(2, 2), (const float[]){0.6f, 0.8f, 0, 0}, 1e-7);
}

/* Each image by itself: 9 + 36 + 16 + 64 = 125; with 19 more, 144. */
static void normalizes_images(void **unused)
{
    const struct tf2_normalize_attr attr = {.region = TF2_NORMALIZE_ALL, .epsilon = 19};
    const float x[] = {3, 6, 4, 8, 0, 0, 9, 0};
    struct ops_tensor in[1] = {ops_values(SHAPE(2, 2, 2), x)};
    (void)unused;
    ops_expect(
        TF2_OP_NORMALIZE, &attr, in, 1, SHAPE(2, 2, 2),
        (const float[]){0.25f, 0.5f, 1 / 3.f, 2 / 3.f, 0, 0, 0.9f, 0}, 1e-7);
}

/* --- prior boxes --- */

/* Two pixels over an image of 20 x 10: centres at (5, 5) and (15, 5). A square of 4, one of sqrt(4 * 9) = 6, then
 * ratio 4: 8 x 2. */
static void prior_boxes(void **unused)
{
    const struct tf2_prior_box_attr attr = {
        .n_sizes = 1,
        .n_max_sizes = 1,
        .n_ratios = 1,
        .min_size = {4},
        .max_size = {9},
        .ratio = {4},
        .variance = {0.1f, 0.2f, 0.3f, 0.4f},
        .offset = 0.5f};
    const float wanted[] = {0.15f, 0.3f, 0.35f, 0.7f, 0.1f, 0.2f, 0.4f, 0.8f, 0.05f, 0.4f, 0.45f, 0.6f,
                            0.65f, 0.3f, 0.85f, 0.7f, 0.6f, 0.2f, 0.9f, 0.8f, 0.55f, 0.4f, 0.95f, 0.6f,
                            0.1f,  0.2f, 0.3f,  0.4f, 0.1f, 0.2f, 0.3f, 0.4f, 0.1f,  0.2f, 0.3f,  0.4f,
                            0.1f,  0.2f, 0.3f,  0.4f, 0.1f, 0.2f, 0.3f, 0.4f, 0.1f,  0.2f, 0.3f,  0.4f};
    struct tf2_shape map = SHAPE(1, 5, 1, 2), image = SHAPE(1, 3, 10, 20);
    struct ops_tensor in[2] = {ops_dense(&map), ops_dense(&image)};
    (void)unused;
    ops_expect(TF2_OP_PRIOR_BOX, &attr, in, 2, SHAPE(1, 2, 24), wanted, 1e-7);
}

/* The image's size, the distance of the centres and the offset as given: the first centre at (2, 1), of 8 x 4; two
 * squares, cut at the image's borders. */
static void prior_boxes_of_a_given_grid(void **unused)
{
    const struct tf2_prior_box_attr attr = {
        .n_sizes = 2,
        .min_size = {2, 6},
        .variance = {1, 1, 1, 1},
        .clip = true,
        .image_height = 4,
        .image_width = 8,
        .step_height = 2,
        .step_width = 4,
        .offset = 0.5f};
    const float wanted[] = {0.125f, 0, 0.375f, 0.5f, 0, 0, 0.625f, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    struct tf2_shape map = SHAPE(3, 1, 1, 1), image = SHAPE(3, 3, 100, 100);
    struct ops_tensor in[2] = {ops_dense(&map), ops_dense(&image)};
    (void)unused;
    ops_expect(TF2_OP_PRIOR_BOX, &attr, in, 2, SHAPE(1, 2, 8), wanted, 1e-7);
}

/* --- detection outputs --- */

#define BOX_A                  0, 0, 0.4f, 0.4f
#define BOX_B                  0.1f, 0, 0.5f, 0.4f /* over A: 0.12 of 0.2 */
#define BOX_C                  0.5f, 0.5f, 1, 1
#define BOX_D                  0.5f, 0.5f, 0.9f, 1 /* over C: 0.2 of 0.25 */
#define ROW(class, score, ...) 0, class, score, __VA_ARGS__
#define UNUSED_ROW             -1, 0, 0, 0, 0, 0, 0

static const float boxes_abcd[] = {BOX_A, BOX_B, BOX_C, BOX_D, 1, 1, 1, 1, 1, 1,
                                   1,     1,     1,     1,     1, 1, 1, 1, 1, 1};
/* Background, class 1, class 2 for each box. */
static const float scores_abcd[] = {0.95f, 0.9f, 0.05f, 0.1f, 0.8f, 0.6f, 0, 0.1f, 0.3f, 0, 0.7f, 0.2f};

static const struct detection {
    const char *what;
    struct tf2_detection_attr attr;
    int64_t n_rows;
    float wanted[8 * 7];
} detections[] = {
    {"the best of each class that do not overlap",
     {.confidence = 0.15f, .nms_threshold = 0.5f},
     8,
     {ROW(1, 0.9f, BOX_A), ROW(1, 0.7f, BOX_D), ROW(2, 0.6f, BOX_B), ROW(2, 0.3f, BOX_C), UNUSED_ROW,
      UNUSED_ROW, UNUSED_ROW, UNUSED_ROW}},
    {"a box that overlaps less stays",
     {.confidence = 0.15f, .nms_threshold = 0.65f, .keep_top_k = 6},
     6,
     {ROW(1, 0.9f, BOX_A), ROW(1, 0.8f, BOX_B), ROW(1, 0.7f, BOX_D), ROW(2, 0.6f, BOX_B), ROW(2, 0.3f, BOX_C),
      UNUSED_ROW}},
    {"three of all classes",
     {.confidence = 0.15f, .nms_threshold = 0.5f, .keep_top_k = 3},
     3,
     {ROW(1, 0.9f, BOX_A), ROW(1, 0.7f, BOX_D), ROW(2, 0.6f, BOX_B)}},
    {"one of all classes",
     {.confidence = 0.15f, .nms_threshold = 0.5f, .keep_top_k = 1},
     1,
     {ROW(1, 0.9f, BOX_A)}},
    {"one candidate each",
     {.confidence = 0.15f, .nms_threshold = 0.5f, .top_k = 1},
     2,
     {ROW(1, 0.9f, BOX_A), ROW(2, 0.6f, BOX_B)}},
    {"the threshold falls with each box",
     {.confidence = 0.15f, .nms_threshold = 0.9f, .nms_eta = 0.5f, .keep_top_k = 5},
     5,
     {ROW(1, 0.9f, BOX_A), ROW(1, 0.7f, BOX_D), ROW(2, 0.6f, BOX_B), ROW(2, 0.3f, BOX_C), UNUSED_ROW}},
    {"another background; a score at the threshold does not count",
     {.confidence = 0.6f, .nms_threshold = 0.5f, .background = 1, .keep_top_k = 2},
     2,
     {ROW(0, 0.95f, BOX_A), UNUSED_ROW}},
    {"no background",
     {.confidence = 0.5f, .nms_threshold = 0.5f, .background = -1, .keep_top_k = 4},
     4,
     {ROW(0, 0.95f, BOX_A), ROW(1, 0.9f, BOX_A), ROW(1, 0.7f, BOX_D), ROW(2, 0.6f, BOX_B)}},
    {"nothing", {.confidence = 1, .nms_threshold = 0.5f, .keep_top_k = 2}, 2, {UNUSED_ROW, UNUSED_ROW}},
};

static void detects(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < TF2__COUNT(detections); i++) {
        struct tf2_detection_attr attr = detections[i].attr;
        const float still[16] = {0};
        struct ops_tensor in[3] = {
            ops_values(SHAPE(1, 16), still), ops_values(SHAPE(1, 12), scores_abcd),
            ops_values(SHAPE(1, 2, 16), boxes_abcd)};
        attr.n_classes = 3;
        attr.code = TF2_BOX_CORNER;
        print_message("%s\n", detections[i].what);
        ops_expect(
            TF2_OP_DETECTION_OUTPUT, &attr, in, 3, SHAPE(1, 1, detections[i].n_rows, 7), detections[i].wanted,
            0);
    }
}

/* The first class and the first box come first. What replaces a row has to be better. */
static void equal_scores(void **unused)
{
    const struct tf2_detection_attr attr = {
        .n_classes = 3, .code = TF2_BOX_CORNER, .nms_threshold = 0.5f, .keep_top_k = 2, .background = -1};
    const float still[16] = {0}, scores[] = {0.5f, 0.5f, 0.75f, 0, 0, 0, 0.5f, 0.5f, 0.75f, 0, 0, 0.75f};
    const float wanted[] = {ROW(2, 0.75f, BOX_A), ROW(2, 0.75f, BOX_C)};
    struct ops_tensor in[3] = {
        ops_values(SHAPE(1, 16), still), ops_values(SHAPE(1, 12), scores),
        ops_values(SHAPE(1, 2, 16), boxes_abcd)};
    (void)unused;
    ops_expect(TF2_OP_DETECTION_OUTPUT, &attr, in, 3, SHAPE(1, 1, 2, 7), wanted, 0);
    const float equal[] = {0, 0.5f, 0.5f, 0, 0, 0, 0, 0.5f, 0.5f, 0, 0, 0};
    const float first[] = {ROW(1, 0.5f, BOX_A), ROW(1, 0.5f, BOX_C)};
    struct ops_tensor again[3] = {
        ops_values(SHAPE(1, 16), still), ops_values(SHAPE(1, 12), equal),
        ops_values(SHAPE(1, 2, 16), boxes_abcd)};
    ops_expect(TF2_OP_DETECTION_OUTPUT, &attr, again, 3, SHAPE(1, 1, 2, 7), first, 0);
}

/* Class 2 replaces a row of class 1, and is compared with its own row all the same. */
static void rows_are_replaced(void **unused)
{
    const struct tf2_detection_attr attr = {
        .n_classes = 3, .code = TF2_BOX_CORNER, .nms_threshold = 0.5f, .keep_top_k = 2};
    const float still[16] = {0}, scores[] = {0, 0.3f, 0.9f, 0, 0, 0.8f, 0, 0.25f, 0, 0, 0, 0};
    const float wanted[] = {ROW(1, 0.3f, BOX_A), ROW(2, 0.9f, BOX_A)};
    struct ops_tensor in[3] = {
        ops_values(SHAPE(1, 16), still), ops_values(SHAPE(1, 12), scores),
        ops_values(SHAPE(1, 2, 16), boxes_abcd)};
    (void)unused;
    ops_expect(TF2_OP_DETECTION_OUTPUT, &attr, in, 3, SHAPE(1, 1, 2, 7), wanted, 0);
}

/* Scores that are no numbers are no candidates, and every other one is found. */
static void scores_that_are_no_numbers(void **unused)
{
    const struct tf2_detection_attr attr = {
        .n_classes = 2,
        .code = TF2_BOX_CORNER,
        .nms_threshold = 0.5f,
        .confidence = -FLT_MAX,
        .keep_top_k = 3};
    const float still[16] = {0}, scores[] = {0, NAN, 0, INFINITY, 0, -3, 0, -INFINITY};
    const float wanted[] = {ROW(1, INFINITY, BOX_B), ROW(1, -3, BOX_C), UNUSED_ROW};
    struct ops_tensor in[3] = {
        ops_values(SHAPE(1, 16), still), ops_values(SHAPE(1, 8), scores),
        ops_values(SHAPE(1, 2, 16), boxes_abcd)};
    (void)unused;
    ops_expect(TF2_OP_DETECTION_OUTPUT, &attr, in, 3, SHAPE(1, 1, 3, 7), wanted, 0);
}

/* A prior of 0.2 x 0.4 around (0.3, 0.5); variances 0.1, 0.1, 0.2, 0.2. */
static const struct decoding {
    const char *what;
    enum tf2_box_code code;
    bool variance_in_offsets;
    float offset[4], box[4];
} decodings[] = {
    /* centre (0.3 + 0.1 * 0.2, 0.5 - 2 * 0.1 * 0.4), size (0.2 * 2, 0.4) */
    {"centre and size", TF2_BOX_CENTER_SIZE, false, {1, -2, 3.4657359f, 0}, {0.12f, 0.22f, 0.52f, 0.62f}},
    {"centre and size, multiplied already",
     TF2_BOX_CENTER_SIZE,
     true,
     {0.1f, -0.2f, 0.69314718f, 0},
     {0.12f, 0.22f, 0.52f, 0.62f}},
    {"corners", TF2_BOX_CORNER, false, {1, -1, 1, -1}, {0.3f, 0.2f, 0.6f, 0.5f}},
    {"corners, multiplied already",
     TF2_BOX_CORNER,
     true,
     {0.1f, -0.1f, 0.2f, -0.2f},
     {0.3f, 0.2f, 0.6f, 0.5f}},
    {"corners by size", TF2_BOX_CORNER_SIZE, false, {1, -1, 1, -1}, {0.22f, 0.26f, 0.44f, 0.62f}},
};

static void decodes(void **unused)
{
    const float prior[] = {0.2f, 0.3f, 0.4f, 0.7f, 0.1f, 0.1f, 0.2f, 0.2f}, score[] = {0, 1};
    (void)unused;
    for (size_t i = 0; i < TF2__COUNT(decodings); i++) {
        const struct decoding *c = &decodings[i];
        const struct tf2_detection_attr attr = {
            .n_classes = 2, .code = c->code, .variance_in_offsets = c->variance_in_offsets, .keep_top_k = 1};
        const float wanted[] = {0, 1, 1, c->box[0], c->box[1], c->box[2], c->box[3]};
        struct ops_tensor in[3] = {
            ops_values(SHAPE(1, 4), c->offset), ops_values(SHAPE(1, 2), score),
            ops_values(SHAPE(1, 2, 4), prior)};
        print_message("%s\n", c->what);
        ops_expect(TF2_OP_DETECTION_OUTPUT, &attr, in, 3, SHAPE(1, 1, 1, 7), wanted, 1e-6);
    }
}

/* Two images, and a box for each class: class 1 of image 1 is moved by 0.1. */
static void images_and_classes(void **unused)
{
    const struct tf2_detection_attr attr = {
        .n_classes = 2, .code = TF2_BOX_CORNER, .boxes_per_class = true, .confidence = 0.5f, .keep_top_k = 1};
    const float prior[] = {BOX_A, 1, 1, 1, 1}, scores[] = {0.9f, 0.2f, 0, 0.75f};
    const float offsets[] = {0, 0, 0, 0, 0, 0, 0, 0, 9, 9, 9, 9, 0.1f, 0, 0.1f, 0};
    const float wanted[] = {UNUSED_ROW, ROW(1, 0.75f, 0.1f, 0, 0.5f, 0.4f)};
    struct ops_tensor in[3] = {
        ops_values(SHAPE(2, 8), offsets), ops_values(SHAPE(2, 2), scores), ops_values(SHAPE(1, 2, 4), prior)};
    (void)unused;
    ops_expect(TF2_OP_DETECTION_OUTPUT, &attr, in, 3, SHAPE(2, 1, 1, 7), wanted, 1e-7);
}

/* --- what a hostile file may have --- */

#define PRIOR(what, status, ...)                                                                             \
    {                                                                                                        \
        what, TF2_OP_PRIOR_BOX, ATTR(tf2_prior_box_attr, __VA_ARGS__), TF2_##status, 2,                      \
        {                                                                                                    \
            IMAGE, IMAGE                                                                                     \
        }                                                                                                    \
    }
#define DETECT(what, status, ...)                                                                            \
    {                                                                                                        \
        what, TF2_OP_DETECTION_OUTPUT, ATTR(tf2_detection_attr, __VA_ARGS__), TF2_##status, 3,               \
        {                                                                                                    \
            DIMS(1, 8), DIMS(1, 6), DIMS(1, 2, 8)                                                            \
        }                                                                                                    \
    }
#define NORMALIZE(what, status, scale, ...)                                                                  \
    {                                                                                                        \
        what, TF2_OP_NORMALIZE, ATTR(tf2_normalize_attr, __VA_ARGS__), TF2_##status, 2,                      \
        {                                                                                                    \
            IMAGE, DIMS(scale)                                                                               \
        }                                                                                                    \
    }

static const struct hostile detect_cases[] = {
    NORMALIZE("per channel", OK, 4, .epsilon = 0),
    NORMALIZE("scale of another extent", ERR_SHAPE, 3, .epsilon = 0),
    NORMALIZE("unknown region", ERR_VALUE, 1, .region = 2),
    NORMALIZE("negative epsilon", ERR_VALUE, 1, .epsilon = -1e-10f),
    NORMALIZE("epsilon NaN", ERR_VALUE, 1, .epsilon = NAN),
    PRIOR("plain", OK, .n_sizes = 1, .min_size = {3}),
    PRIOR("no size", ERR_VALUE, .n_ratios = 1, .ratio = {2}),
    PRIOR("many sizes", ERR_VALUE, .n_sizes = UINT32_MAX),
    PRIOR("many ratios", ERR_VALUE, .n_sizes = 1, .min_size = {3}, .n_ratios = 17),
    PRIOR("size 0", ERR_VALUE, .n_sizes = 2, .min_size = {3}),
    PRIOR("size NaN", ERR_VALUE, .n_sizes = 1, .min_size = {NAN}),
    PRIOR("negative ratio", ERR_VALUE, .n_sizes = 1, .min_size = {3}, .n_ratios = 1, .ratio = {-2}),
    PRIOR(
        "one maximum for two", ERR_VALUE, .n_sizes = 2, .min_size = {3, 4}, .n_max_sizes = 1,
        .max_size = {5}),
    PRIOR(
        "maximum below minimum", ERR_VALUE, .n_sizes = 1, .min_size = {3}, .n_max_sizes = 1, .max_size = {3}),
    PRIOR("variance infinite", ERR_VALUE, .n_sizes = 1, .min_size = {3}, .variance = {0, INFINITY}),
    PRIOR("negative step", ERR_VALUE, .n_sizes = 1, .min_size = {3}, .step_width = -1),
    PRIOR("negative image", ERR_VALUE, .n_sizes = 1, .min_size = {3}, .image_width = INT32_MIN),
    PRIOR("offset NaN", ERR_VALUE, .n_sizes = 1, .min_size = {3}, .offset = NAN),
    {"no map",
     TF2_OP_PRIOR_BOX,
     ATTR(tf2_prior_box_attr, .n_sizes = 1, .min_size = {3}),
     TF2_ERR_SHAPE,
     2,
     {DIMS(1, 4, 8), IMAGE}},
    {"too many boxes",
     TF2_OP_PRIOR_BOX,
     ATTR(tf2_prior_box_attr, .n_sizes = 1, .min_size = {3}),
     TF2_ERR_SHAPE,
     2,
     {DIMS(1, 1, 65536, 32767), IMAGE}},
    DETECT("plain", OK, .n_classes = 3),
    DETECT("all zero", ERR_VALUE, .n_classes = 0),
    DETECT("negative classes", ERR_VALUE, .n_classes = -3),
    DETECT("many classes", ERR_VALUE, .n_classes = INT32_MAX),
    DETECT("classes that do not fit", ERR_SHAPE, .n_classes = 2),
    DETECT("boxes per class that do not fit", ERR_SHAPE, .n_classes = 3, .boxes_per_class = true),
    DETECT("background too large", ERR_VALUE, .n_classes = 3, .background = 3),
    DETECT("background too small", ERR_VALUE, .n_classes = 3, .background = -2),
    DETECT("unknown code", ERR_VALUE, .n_classes = 3, .code = 3),
    DETECT("negative top_k", ERR_VALUE, .n_classes = 3, .top_k = -1),
    DETECT("negative keep_top_k", ERR_VALUE, .n_classes = 3, .keep_top_k = INT32_MIN),
    DETECT("largest top_k", OK, .n_classes = 3, .top_k = INT32_MAX),
    DETECT("largest keep_top_k", ERR_SHAPE, .n_classes = 3, .keep_top_k = INT32_MAX),
    DETECT("threshold NaN", ERR_VALUE, .n_classes = 3, .nms_threshold = NAN),
    DETECT("negative threshold", ERR_VALUE, .n_classes = 3, .nms_threshold = -1),
    DETECT("eta above 1", ERR_VALUE, .n_classes = 3, .nms_eta = 1.5f),
    DETECT("confidence infinite", ERR_VALUE, .n_classes = 3, .confidence = -INFINITY),
    {"only background",
     TF2_OP_DETECTION_OUTPUT,
     ATTR(tf2_detection_attr, .n_classes = 1),
     TF2_ERR_VALUE,
     3,
     {DIMS(1, 8), DIMS(1, 2), DIMS(1, 2, 8)}},
    {"priors of half a box",
     TF2_OP_DETECTION_OUTPUT,
     ATTR(tf2_detection_attr, .n_classes = 3),
     TF2_ERR_SHAPE,
     3,
     {DIMS(1, 8), DIMS(1, 6), DIMS(1, 2, 6)}},
    {"priors without variances",
     TF2_OP_DETECTION_OUTPUT,
     ATTR(tf2_detection_attr, .n_classes = 3),
     TF2_ERR_SHAPE,
     3,
     {DIMS(1, 8), DIMS(1, 6), DIMS(1, 1, 8)}},
    {"two images, one of scores",
     TF2_OP_DETECTION_OUTPUT,
     ATTR(tf2_detection_attr, .n_classes = 3),
     TF2_ERR_SHAPE,
     3,
     {DIMS(2, 8), DIMS(1, 6), DIMS(1, 2, 8)}},
};

static void hostile_attributes(void **unused)
{
    (void)unused;
    hostile_check(detect_cases, TF2__COUNT(detect_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normalizes_each_pixel),
        cmocka_unit_test(normalizes_images),
        cmocka_unit_test(prior_boxes),
        cmocka_unit_test(prior_boxes_of_a_given_grid),
        cmocka_unit_test(detects),
        cmocka_unit_test(equal_scores),
        cmocka_unit_test(rows_are_replaced),
        cmocka_unit_test(scores_that_are_no_numbers),
        cmocka_unit_test(decodes),
        cmocka_unit_test(images_and_classes),
        cmocka_unit_test(hostile_attributes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
