/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cascade.c: examples/faces on photos, against the boxes, scores and landmarks of the same cascade run
 * by another runtime; and embeddings of the faces that it finds.
 */
#include "golden.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "face.h"

/* What all tests here need. */
struct finder {
    struct tf2_devices *devices;
    struct face_runner *runner;
    struct face_detector *detector;
};

static void
finder_init(struct finder *f, const char *folder, const char *spec, const struct face_detector_options *o)
{
    struct tf2_error error = {.message = ""};
    memset(f, 0, sizeof(*f));
    if (tf2_devices_open(spec, NULL, &f->devices, &error) != TF2_OK ||
        face_runner_create(f->devices, &f->runner, &error) != TF2_OK ||
        face_detector_create(f->runner, folder, o, &f->detector, &error) != TF2_OK)
        fail_msg("%s: %s", folder, error.message);
}

static void finder_finish(struct finder *f)
{
    face_detector_destroy(&f->detector);
    face_runner_destroy(&f->runner);
    tf2_devices_close(&f->devices);
}

static struct tf2_image load(const char *path)
{
    struct tf2_image image;
    struct tf2_error error;
    if (tf2_image_load(path, 3, NULL, &image, &error) != TF2_OK)
        fail_msg("%s", error.message);
    return image;
}

static struct face_list
detect(const struct finder *f, const char *path, struct tf2_image *image, struct face_stats *stats)
{
    struct face_list list = {0};
    struct tf2_error error;
    *image = load(path);
    if (face_detect(f->detector, image, &list, stats, &error) != TF2_OK)
        fail_msg("%s: %s", path, error.message);
    return list;
}

static double at(const json_t *array, size_t i)
{
    assert_true(json_is_number(json_array_get(array, i)));
    return json_number_value(json_array_get(array, i));
}

static struct face read_face(const json_t *json)
{
    const json_t *box = json_object_get(json, "box"), *landmarks = json_object_get(json, "landmarks");
    struct face f = {
        .x1 = (float)at(box, 0),
        .y1 = (float)at(box, 1),
        .x2 = (float)at(box, 2),
        .y2 = (float)at(box, 3),
        .score = (float)json_number_value(json_object_get(json, "score")),
    };
    for (size_t i = 0; i < FACE_N_LANDMARKS; i++) {
        f.landmarks[i].x = (float)at(json_array_get(landmarks, i), 0);
        f.landmarks[i].y = (float)at(json_array_get(landmarks, i), 1);
    }
    return f;
}

static double overlap(const struct face *a, const struct face *b)
{
    double width = fmin(a->x2, b->x2) - fmax(a->x1, b->x1), height = fmin(a->y2, b->y2) - fmax(a->y1, b->y1);
    double both = width > 0 && height > 0 ? width * height : 0;
    return both /
           ((double)(a->x2 - a->x1) * (a->y2 - a->y1) + (double)(b->x2 - b->x1) * (b->y2 - b->y1) - both);
}

static const struct face *best_match(const struct face_list *list, const struct face *wanted)
{
    const struct face *best = NULL;
    for (size_t i = 0; i < list->n_faces; i++) {
        if (!best || overlap(&list->faces[i], wanted) > overlap(best, wanted))
            best = &list->faces[i];
    }
    return best;
}

/* The largest distance of a landmark, in parts of the face's width. */
static double landmark_error(const struct face *a, const struct face *b)
{
    double worst = 0;
    for (size_t i = 0; i < FACE_N_LANDMARKS; i++)
        worst = fmax(
            worst, hypot(a->landmarks[i].x - b->landmarks[i].x, a->landmarks[i].y - b->landmarks[i].y) /
                       (b->x2 - b->x1));
    return worst;
}

/* How near to the reference. overlap: of the boxes, from; landmarks: distance in parts of the face's width,
 * up to. */
struct limits {
    double overlap, score, landmarks;
};

static const struct limits same_pixels = {0.99, 1e-3, 0.005};
static const struct limits other_decoder = {0.8, 0.01, 0.05}; /* stb's JPEG pixels differ by a few units */

/* Every face of the reference, and no other. */
static void
check_faces(const char *what, const struct face_list *found, const json_t *faces, const struct limits *limits)
{
    double least = 1, landmarks = 0, scores = 0;
    if (found->n_faces != json_array_size(faces))
        fail_msg("%s: %zu faces, wanted %zu", what, found->n_faces, json_array_size(faces));
    for (size_t i = 0; i < json_array_size(faces); i++) {
        const struct face wanted = read_face(json_array_get(faces, i));
        const struct face *f = best_match(found, &wanted);
        least = fmin(least, overlap(f, &wanted));
        scores = fmax(scores, fabs((double)f->score - wanted.score));
        landmarks = fmax(landmarks, landmark_error(f, &wanted));
        if (overlap(f, &wanted) < limits->overlap || fabs((double)f->score - wanted.score) > limits->score ||
            landmark_error(f, &wanted) > limits->landmarks)
            fail_msg(
                "%s: face %zu of the reference, best: overlap %.3f, score %.4f for %.4f, landmarks off by "
                "%.3f of its "
                "width",
                what, i, overlap(f, &wanted), (double)f->score, (double)wanted.score,
                landmark_error(f, &wanted));
    }
    print_message(
        "  %s: %zu faces, overlap from %.4f, scores to %.1e, landmarks to %.4f of a width\n", what,
        found->n_faces, least, scores, landmarks);
}

static void check_photos(const struct finder *f, const char *form, bool jpeg, const struct limits *limits)
{
    json_t *root = golden_json(golden_shared("reference/mtcnn/cascade.json"));
    const json_t *photos = json_object_get(root, "photos");
    assert_int_equal(json_array_size(photos), 9);
    for (size_t i = 0; i < json_array_size(photos); i++) {
        const json_t *photo = json_array_get(photos, i);
        const json_t *stages = json_object_get(photo, "stages");
        char name[256], path[300], what[640];
        struct tf2_image image;
        struct face_stats stats;
        const char *file = strrchr(json_string_value(json_object_get(photo, "image")), '/') + 1;
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(file, "."), file);
        snprintf(path, sizeof(path), jpeg ? "images/faces/%s.jpg" : "images/faces_ppm/%s.ppm", name);
        struct face_list list = detect(f, golden_shared(path), &image, &stats);
        snprintf(
            what, sizeof(what), "%s, %s (candidates %zu %zu, reference %d %d)", form, name,
            stats.n_candidates[0], stats.n_candidates[1],
            (int)json_integer_value(json_object_get(stages, "pnet")),
            (int)json_integer_value(json_object_get(stages, "rnet")));
        assert_int_equal(stats.n_levels, json_array_size(json_object_get(photo, "pyramid")));
        check_faces(what, &list, json_object_get(photo, "faces"), limits);
        face_list_finish(&list);
        tf2_image_finish(&image);
    }
    json_decref(root);
}

/* chosen: the layout is asked for; else it has to be found. */
static void
run_form(const char *folder, const char *devices, bool jpeg, enum face_layout layout, bool chosen)
{
    struct finder f;
    char form[64];
    const struct face_detector_options options = {.layout = layout};
    finder_init(&f, golden_shared(folder), devices, chosen ? &options : NULL);
    assert_int_equal(face_detector_layout(f.detector), layout);
    snprintf(form, sizeof(form), "%s %s", face_layout_name(layout), devices);
    check_photos(&f, form, jpeg, jpeg ? &other_decoder : &same_pixels);
    finder_finish(&f);
}

static void test_caffe(void **state)
{
    (void)state;
    golden_need_shared();
    run_form("models/mtcnn/caffe", "all", false, FACE_LAYOUT_CAFFE, false);
}

static void test_onnx(void **state)
{
    (void)state;
    golden_need_shared();
    run_form("models/mtcnn/onnx", "all", false, FACE_LAYOUT_ONNX, false);
    run_form("models/mtcnn/onnx", "1", true, FACE_LAYOUT_ONNX, false);
}

static void test_tensorflow(void **state)
{
    (void)state;
    golden_need_shared();
    run_form("models/mtcnn/tensorflow", "all", false, FACE_LAYOUT_TENSORFLOW, false);
    run_form("models/mtcnn/tensorflow", "all", false, FACE_LAYOUT_FACENET, true);
}

static void test_tflite(void **state)
{
    (void)state;
    golden_need_shared();
    run_form("models/mtcnn/tflite", "all", false, FACE_LAYOUT_FACENET, false);
}

/* ---- embeddings ---- */

#define N_PEOPLE    16
#define N_PHOTOS    (2 * N_PEOPLE)
#define SIZE        128
#define ALIGNED     112
#define SAME_PERSON 0.5 /* cosines of one person's photos are above it, of two people's below */

static struct face_embedder *make_embedder(const struct finder *f, const struct face_embedder_options *o)
{
    struct face_embedder *embedder = NULL;
    struct tf2_error error;
    const char *path = golden_shared("models/mobilefacenet/MobileFaceNet.onnx");
    if (face_embedder_create(f->runner, path, o, &embedder, &error) != TF2_OK)
        fail_msg("%s", error.message);
    assert_int_equal(face_embedder_size(embedder), SIZE);
    return embedder;
}

static const char *photo_name(size_t i)
{
    static char name[32];
    snprintf(name, sizeof(name), "person%02zu_%c", i / 2 + 1, "ab"[i % 2]);
    return name;
}

static const struct face *largest(const struct face_list *list)
{
    const struct face *best = list->faces;
    for (size_t i = 1; i < list->n_faces; i++) {
        if (list->faces[i].x2 - list->faces[i].x1 > best->x2 - best->x1)
            best = &list->faces[i];
    }
    return best;
}

/* Photo number i (of person i / 2): the largest face in it; one photo has a small second one in the
 * background. */
static void embed_photo(const struct finder *f, struct face_embedder *embedder, size_t i, float *embedding)
{
    struct tf2_image image;
    struct tf2_error error;
    struct face_list list =
        detect(f, golden_sharedf("images/verification/%s.jpg", photo_name(i)), &image, NULL);
    assert_in_range(list.n_faces, 1, 2);
    if (face_embed(embedder, &image, largest(&list), 1, embedding, &error) != TF2_OK)
        fail_msg("%s: %s", photo_name(i), error.message);
    face_list_finish(&list);
    tf2_image_finish(&image);
}

/* All pairs of photos. */
static void check_separation(const char *what, const float *embeddings, double threshold)
{
    double same = 1, different = -1;
    for (size_t i = 0; i < N_PHOTOS; i++) {
        for (size_t k = i + 1; k < N_PHOTOS; k++) {
            double cosine = face_cosine(embeddings + i * SIZE, embeddings + k * SIZE, SIZE);
            if (i / 2 == k / 2)
                same = fmin(same, cosine);
            else
                different = fmax(different, cosine);
        }
    }
    print_message("  %s: one person from %.3f, two people up to %.3f\n", what, same, different);
    assert_true(same > threshold && different < threshold);
}

/* Photos as they are: found, aligned and embedded here. */
static void test_recognition(void **state)
{
    static float embeddings[N_PHOTOS * SIZE];
    struct finder f;
    (void)state;
    golden_need_shared();
    finder_init(&f, golden_shared("models/mtcnn/caffe"), "all", NULL);
    struct face_embedder *embedder = make_embedder(&f, NULL);
    for (size_t i = 0; i < N_PHOTOS; i++)
        embed_photo(&f, embedder, i, embeddings + i * SIZE);
    check_separation("JPEG", embeddings, SAME_PERSON);
    face_embedder_destroy(&embedder);
    finder_finish(&f);
}

/* Faces that were aligned elsewhere: the embeddings of the reference, all at once. */
static void test_embeddings(void **state)
{
    static float embeddings[N_PHOTOS * SIZE];
    struct tf2_image images[N_PHOTOS];
    struct tf2_error error;
    struct finder f;
    double least = 1;
    (void)state;
    golden_need_shared();
    struct tf2_array wanted = golden_npy(
        golden_shared("reference/mobilefacenet/embeddings.npy"), TF2_DTYPE_F32, SHAPE(N_PHOTOS, SIZE));
    finder_init(&f, golden_shared("models/mtcnn/onnx"), "all", NULL);
    struct face_embedder *embedder = make_embedder(&f, NULL);
    for (size_t i = 0; i < N_PHOTOS; i++)
        images[i] = load(golden_sharedf("images/verification_112/%s.ppm", photo_name(i)));
    if (face_embed_aligned(embedder, images, N_PHOTOS, embeddings, &error) != TF2_OK)
        fail_msg("%s", error.message);
    for (size_t i = 0; i < N_PHOTOS; i++) {
        least = fmin(least, face_cosine(embeddings + i * SIZE, (float *)wanted.data + i * SIZE, SIZE));
        tf2_image_finish(&images[i]);
    }
    print_message("  cosine with the reference from %.7f\n", least);
    assert_true(least > 1 - 1e-6);
    check_separation("aligned PPM", embeddings, SAME_PERSON);
    tf2_array_finish(&wanted);
    face_embedder_destroy(&embedder);
    finder_finish(&f);
}

/* The aligned faces of the reference were cut out with the same landmarks by OpenCV, which counts in 1/32 of
 * a pixel. */
static void test_alignment(void **state)
{
    json_t *root;
    double worst = 0;
    (void)state;
    golden_need_shared();
    root = golden_json(golden_shared("images/images.json"));
    for (size_t i = 0; i < N_PHOTOS; i++) {
        char key[64];
        struct face_point landmarks[FACE_N_LANDMARKS];
        struct tf2_image aligned, photo, wanted;
        double sum = 0;
        snprintf(key, sizeof(key), "verification/%s.jpg", photo_name(i));
        const json_t *entry = json_object_get(root, key);
        for (size_t k = 0; k < FACE_N_LANDMARKS; k++) {
            landmarks[k].x = (float)at(json_object_get(entry, "landmarks_x"), k);
            landmarks[k].y = (float)at(json_object_get(entry, "landmarks_y"), k);
        }
        photo = load(golden_sharedf("images/%s", key));
        wanted = load(golden_sharedf("images/verification_112/%s.ppm", photo_name(i)));
        assert_int_equal(face_align(&photo, landmarks, ALIGNED, ALIGNED, &aligned, NULL), TF2_OK);
        for (size_t k = 0; k < (size_t)3 * ALIGNED * ALIGNED; k++)
            sum += abs(aligned.pixels[k] - wanted.pixels[k]);
        worst = fmax(worst, sum / (3 * ALIGNED * ALIGNED));
        tf2_image_finish(&photo);
        tf2_image_finish(&wanted);
        tf2_image_finish(&aligned);
    }
    print_message("  mean difference of a photo's pixels up to %.3f\n", worst);
    assert_true(worst < 1);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_caffe),       cmocka_unit_test(test_onnx),
        cmocka_unit_test(test_tensorflow),  cmocka_unit_test(test_tflite),
        cmocka_unit_test(test_alignment),   cmocka_unit_test(test_embeddings),
        cmocka_unit_test(test_recognition),
    };
    return golden_status(cmocka_run_group_tests_name("golden cascade", tests, NULL, NULL));
}
