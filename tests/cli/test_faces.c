/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_faces.c: tf2-faces as a user starts it. What needs networks or photos is skipped without ../shared (or
 * TF2_SHARED); usage and failures are not.
 */
#define _POSIX_C_SOURCE 200809L
#include "programs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tf2/image.h>

#define NAME     "tf2-faces"
#define CAFFE    shared("models/mtcnn/caffe")
#define ONNX     shared("models/mtcnn/onnx")
#define EMBEDDER shared("models/mobilefacenet/MobileFaceNet.onnx")
#define ONE      shared("images/faces/astronaut.jpg")
#define FOUR     shared("images/faces_ppm/four_faces.ppm")
#define PERSON   shared("images/verification/person01_b.jpg")

static void need_shared(void)
{
    if (CAFFE && ONNX && EMBEDDER && shared("images/faces") && shared("images/verification"))
        return;
    print_message("skipped: no MTCNN, MobileFaceNet and photos of faces in ../shared\n");
    skip();
}

static void test_usage(void **state)
{
    (void)state;
    assert_int_equal(run("TF2_FACES", NULL), 2);
    assert_message(NAME, "no IMAGE");
    FAILS("TF2_FACES", NAME, 2, "wanted a name that ends in .png", "--draw", "a.b/x.jpg", "x.png");
    FAILS("TF2_FACES", NAME, 2, "--min-face 11", "--min-face", "11", "x.png");
    FAILS("TF2_FACES", NAME, 2, "--factor 1", "--factor", "1", "x.png");
    FAILS("TF2_FACES", NAME, 2, "--thresholds 0.5,0.5", "--thresholds", "0.5,0.5", "x.png");
    FAILS("TF2_FACES", NAME, 2, "--thresholds 0.5", "--thresholds", "0.5", "x.png");
    FAILS("TF2_FACES", NAME, 2, "--thresholds 1,1,2", "--thresholds", "1,1,2", "x.png");
    FAILS("TF2_FACES", NAME, 2, "--thresholds 1,1,nan", "--thresholds", "1,1,nan", "x.png");
    FAILS("TF2_FACES", NAME, 2, "--mtcnn-layout tf", "--mtcnn-layout", "tf", "x.png");
    FAILS("TF2_FACES", NAME, 2, "\"int4\" is not available", "--precision", "int4", "x.png");
    FAILS("TF2_FACES", NAME, 2, "--threshold 2", "--threshold", "2", "x.png");
    FAILS("TF2_FACES", NAME, 2, "--mean 1,2", "--embedder", "x.onnx", "--mean", "1,2", "x.png");
    FAILS("TF2_FACES", NAME, 2, "rgb or bgr", "--embedder", "x.onnx", "--channels", "grb", "x.png");
    FAILS("TF2_FACES", NAME, 2, "needs an --embedder", "--gallery", "x", "x.png");
    FAILS("TF2_FACES", NAME, 2, "about the --embedder", "--scale", "2", "x.png");
    FAILS("TF2_FACES", NAME, 2, "--repeat 0", "--repeat", "0", "x.png");
    FAILS("TF2_FACES", NAME, 2, "--time", "--time=1", "x.png");
}

/* Networks that are missing or are none. */
static void test_wrong_networks(void **state)
{
    const char *image = source("models/digits/samples/sample_00_label_6.png");
    (void)state;
    FAILS("TF2_FACES", NAME, 1, "docs/models.md", "--mtcnn", "/nonexistent", image);
    FAILS("TF2_FACES", NAME, 1, "/nonexistent: no det1 or pnet", "--mtcnn", "/nonexistent", image);
    mkdir(at_work("nets"), 0700);
    FAILS("TF2_FACES", NAME, 1, "nets: no det1 or pnet", "--mtcnn", at_work("nets"), image);
    write_file(at_work("nets/det1.prototxt"), "layer {", 7);
    FAILS("TF2_FACES", NAME, 1, "det1.caffemodel", "--mtcnn", at_work("nets"), image);
    write_file(at_work("nets/pnet.onnx"), "no network", 10);
    FAILS("TF2_FACES", NAME, 1, "pnet.onnx: ", "--mtcnn", at_work("nets"), image);
    unlink(at_work("nets/pnet.onnx"));
    assert_int_equal(symlink(digits(), at_work("nets/pnet.onnx")), 0);
    FAILS("TF2_FACES", NAME, 1, "pnet.onnx: wanted one input Nx3xHxW", "--mtcnn", at_work("nets"), image);
}

/* The right networks under wrong names, and not the precision that was asked for. */
static void test_mixed_networks(void **state)
{
    static const char *const links[][2] = {
        {"models/mtcnn/onnx/pnet.onnx", "mixed/pnet.onnx"},
        {"models/mtcnn/caffe/det2.prototxt", "mixed/det2.prototxt"},
        {"models/mtcnn/caffe/det2.caffemodel", "mixed/det2.caffemodel"}};
    const char *image = source("models/digits/samples/sample_00_label_6.png");
    (void)state;
    need_shared();
    mkdir(at_work("mixed"), 0700);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(symlink(shared(links[i][0]), at_work(links[i][1])), 0);
    FAILS("TF2_FACES", NAME, 1, "mixed: no det3 or onet", "--mtcnn", at_work("mixed"), image);
    assert_int_equal(symlink(shared("models/mtcnn/onnx/onet.onnx"), at_work("mixed/onet.onnx")), 0);
    FAILS("TF2_FACES", NAME, 1, "pnet.onnx is laid out as onnx", "--mtcnn", at_work("mixed"), image);
    unlink(at_work("mixed/det2.prototxt"));
    assert_int_equal(symlink(shared("models/mtcnn/onnx/pnet.onnx"), at_work("mixed/rnet.onnx")), 0);
    FAILS(
        "TF2_FACES", NAME, 1, "rnet.onnx: wanted one output of 2 numbers", "--mtcnn", at_work("mixed"),
        shared("images/faces_ppm/astronaut.ppm"));
    /* O-Net in place of R-Net. */
    unlink(at_work("mixed/rnet.onnx"));
    assert_int_equal(symlink(shared("models/mtcnn/onnx/onet.onnx"), at_work("mixed/rnet.onnx")), 0);
    FAILS("TF2_FACES", NAME, 1, "rnet.onnx: wanted a picture of 24 x 24", "--mtcnn", at_work("mixed"), image);
    FAILS(
        "TF2_FACES", NAME, 1, "pnet.onnx is fp32, wanted int8", "--mtcnn", ONNX, "--precision", "int8",
        image);
    FAILS(
        "TF2_FACES", NAME, 1, "digits.onnx: wanted one input Nx3xHxW", "--mtcnn", ONNX, "--embedder",
        digits(), image);
    FAILS(
        "TF2_FACES", NAME, 1, "onet.onnx: wanted one output", "--mtcnn", ONNX, "--embedder",
        shared("models/mtcnn/onnx/onet.onnx"), image);
    FAILS(
        "TF2_FACES", NAME, 1, "/nonexistent.onnx", "--mtcnn", ONNX, "--embedder", "/nonexistent.onnx", image);
}

static void test_wrong_files(void **state)
{
    (void)state;
    need_shared();
    write_file(at_work("text.png"), "no image\n", 9);
    mkdir(at_work("empty"), 0700);
    FAILS("TF2_FACES", NAME, 1, "/nonexistent.png: cannot open", "--mtcnn", CAFFE, "/nonexistent.png");
    FAILS("TF2_FACES", NAME, 1, "text.png: not a JPEG", "--mtcnn", CAFFE, at_work("text.png"));
    FAILS("TF2_FACES", NAME, 1, "empty: no .jpg", "--mtcnn", CAFFE, at_work("empty"));
    FAILS(
        "TF2_FACES", NAME, 1, "/nonexistent/x.json", "--mtcnn", CAFFE, "--json", "/nonexistent/x.json", ONE);
    FAILS("TF2_FACES", NAME, 1, "/nonexistent/x.png", "--mtcnn", CAFFE, "--draw", "/nonexistent/x.png", ONE);
    FAILS(
        "TF2_FACES", NAME, 1, "would be drawn into one file", "--mtcnn", CAFFE, "--draw", at_work("x.png"),
        ONE, shared("images/faces_ppm/astronaut.ppm"));
    FAILS("TF2_FACES", NAME, 1, "cl:99", "--mtcnn", CAFFE, "--devices", "cl:99", ONE);
    if (access("/dev/full", W_OK) == 0)
        FAILS("TF2_FACES", NAME, 1, "/dev/full", "--mtcnn", CAFFE, "--draw", "/dev/full", ONE);
}

static json_t *results_of(const char *text)
{
    json_t *root = json_loads(text, 0, NULL);
    assert_non_null(root);
    return root;
}

static const json_t *result_at(const json_t *root, size_t i)
{
    return json_array_get(list(root, "results"), i);
}

static const json_t *face_at(const json_t *root, size_t photo, size_t face)
{
    return json_array_get(list(result_at(root, photo), "faces"), face);
}

/* Every key of the contract, on a photo of one face, one of none and one of four. */
static void test_json(void **state)
{
    (void)state;
    need_shared();
    WORKS(
        "TF2_FACES", "--mtcnn", CAFFE, "--json", "-", shared("images/faces_ppm/astronaut.ppm"),
        shared("images/faces_ppm/no_face_cat.ppm"), shared("images/faces_ppm/four_faces.ppm"));
    json_t *root = results_of(out_text);
    static const size_t n_faces[] = {1, 0, 4};
    assert_int_equal(json_array_size(list(root, "results")), 3);
    assert_non_null(strstr(string(result_at(root, 0), "input"), "astronaut.ppm"));
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(json_array_size(list(result_at(root, i), "faces")), n_faces[i]);
    const json_t *face = face_at(root, 0, 0);
    static const double box[] = {112.767, 40.118, 165.955, 107.645};
    for (size_t i = 0; i < 4; i++) {
        double found = json_number_value(json_array_get(list(face, "box"), i));
        assert_true(found > box[i] - 1 && found < box[i] + 1);
    }
    assert_int_equal(json_array_size(list(face, "landmarks")), 5);
    assert_int_equal(json_array_size(json_array_get(list(face, "landmarks"), 4)), 2);
    assert_true(number(face, "score") > 0.99);
    assert_true(json_is_null(json_object_get(face, "match")));
    assert_true(json_is_null(json_object_get(face, "similarity")));
    assert_null(json_object_get(face, "embedding"));
    assert_null(json_object_get(result_at(root, 0), "ms"));
    json_decref(root);
}

static void test_text_and_options(void **state)
{
    (void)state;
    need_shared();
    WORKS("TF2_FACES", "--mtcnn", ONNX, FOUR, "--time", "--repeat", "2");
    assert_non_null(strstr(out_text, "four_faces.ppm: 4 faces\n    1  score 1.0000  box "));
    assert_non_null(strstr(out_text, "ms: load "));
    assert_non_null(strstr(out_text, " faces/s\n"));
    WORKS("TF2_FACES", "--mtcnn", ONNX, FOUR, "--thresholds", "0.6,0.7,0.999");
    assert_non_null(strstr(out_text, "four_faces.ppm: 3 faces\n"));
    WORKS("TF2_FACES", "--mtcnn", ONNX, FOUR, "--factor", "0.5", "--devices", "1");
    assert_non_null(strstr(out_text, "four_faces.ppm: 4 faces\n"));
    WORKS("TF2_FACES", "--mtcnn", ONNX, FOUR, "--time", "--json", "-");
    json_t *root = results_of(out_text);
    assert_true(number(json_object_get(result_at(root, 0), "ms"), "total") > 0);
    assert_true(number(json_object_get(result_at(root, 0), "candidates"), "onet") == 4);
    assert_true(number(json_object_get(result_at(root, 0), "candidates"), "levels") == 7);
    json_decref(root);
    /* 222 rows times 12 / 40, and then times 0.709 as long as 12 are left. */
    WORKS("TF2_FACES", "--mtcnn", ONNX, FOUR, "--time", "--json", "-", "--min-face", "40");
    root = results_of(out_text);
    assert_true(number(json_object_get(result_at(root, 0), "candidates"), "levels") == 5);
    json_decref(root);
    /* Caffe's files with the axes of others find little that is right. */
    WORKS("TF2_FACES", "--mtcnn", CAFFE, "--mtcnn-layout", "onnx", "--json", "-", FOUR);
    root = results_of(out_text);
    assert_int_not_equal(json_array_size(list(result_at(root, 0), "faces")), 4);
    json_decref(root);
}

static void link_photo(const char *photo, const char *name)
{
    assert_int_equal(symlink(shared(photo), at_work(name)), 0);
}

/* Three known people, one of them with two pictures in a folder, and one who is not known. */
static void make_gallery(void)
{
    mkdir(at_work("people"), 0700);
    mkdir(at_work("people/two"), 0700);
    link_photo("images/verification/person01_a.jpg", "people/one.jpg");
    link_photo("images/verification/person02_a.jpg", "people/two/front.jpg");
    link_photo("images/verification/person02_a.jpg", "people/two/again.jpg");
    link_photo("images/verification/person06_a.jpg", "people/six.jpg"); /* with a small second face */
    write_file(at_work("people/notes.txt"), "no picture\n", 11);
}

static void check_match(const json_t *root, size_t photo, const char *name)
{
    const json_t *face = face_at(root, photo, 0), *match = json_object_get(face, "match");
    assert_int_equal(json_array_size(list(face, "embedding")), 128);
    if (name) {
        assert_string_equal(string(face, "match"), name);
        assert_true(number(face, "similarity") > 0.8);
    } else {
        assert_true(json_is_null(match));
        assert_true(number(face, "similarity") < 0.4);
    }
}

static void test_gallery(void **state)
{
    (void)state;
    need_shared();
    make_gallery();
    WORKS(
        "TF2_FACES", "--mtcnn", CAFFE, "--embedder", EMBEDDER, "--gallery", at_work("people"), "--json", "-",
        PERSON, shared("images/verification/person02_b.jpg"), shared("images/verification/person06_b.jpg"),
        shared("images/verification/person03_b.jpg"));
    json_t *root = results_of(out_text);
    check_match(root, 0, "one");
    check_match(root, 1, "two");
    check_match(root, 2, "six");
    check_match(root, 3, NULL);
    json_decref(root);
    WORKS(
        "TF2_FACES", "--mtcnn", CAFFE, "--embedder", EMBEDDER, "--gallery", at_work("people"), "--threshold",
        "0.95", PERSON);
    assert_non_null(strstr(out_text, "nobody known (0.9"));
    /* Other pixels give other numbers. */
    WORKS(
        "TF2_FACES", "--mtcnn", CAFFE, "--embedder", EMBEDDER, "--gallery", at_work("people"), "--mean", "0",
        "--scale", "0.001", "--channels", "bgr", PERSON);
    assert_null(strstr(out_text, "one (0.938)"));
}

static void test_wrong_gallery(void **state)
{
    (void)state;
    need_shared();
    mkdir(at_work("gallery"), 0700);
#define GALLERY "--mtcnn", CAFFE, "--embedder", EMBEDDER, "--gallery", at_work("gallery"), PERSON
    FAILS("TF2_FACES", NAME, 1, "gallery: no .jpg", GALLERY);
    mkdir(at_work("gallery/bob"), 0700);
    FAILS("TF2_FACES", NAME, 1, "bob: no .jpg", GALLERY);
    link_photo("images/faces/no_face_cat.jpg", "gallery/alice.jpg");
    FAILS("TF2_FACES", NAME, 1, "alice.jpg: no face found", GALLERY);
    unlink(at_work("gallery/alice.jpg"));
    link_photo("images/faces/two_presidents.jpg", "gallery/bob/two.jpg");
    FAILS("TF2_FACES", NAME, 1, "two.jpg: 2 faces of like size", GALLERY);
    write_file(at_work("gallery/bob/two.png"), "x", 1);
    unlink(at_work("gallery/bob/two.jpg"));
    FAILS("TF2_FACES", NAME, 1, "two.png: ", GALLERY);
#undef GALLERY
    FAILS(
        "TF2_FACES", NAME, 1, "/nonexistent: directory cannot be read", "--mtcnn", CAFFE, "--embedder",
        EMBEDDER, "--gallery", "/nonexistent", PERSON);
}

static struct tf2_image read_picture(const char *path)
{
    struct tf2_image image;
    struct tf2_error error;
    if (tf2_image_load(path, 3, NULL, &image, &error) != TF2_OK)
        fail_msg("%s", error.message);
    return image;
}

static bool is_colour(const struct tf2_image *image, int x, int y, int red, int green, int blue)
{
    const uint8_t *at = image->pixels + ((size_t)y * (size_t)image->width + (size_t)x) * 3;
    return at[0] == red && at[1] == green && at[2] == blue;
}

/* The frame is where the box is, landmarks are red, all else is the photo. */
static void test_draw(void **state)
{
    (void)state;
    need_shared();
    WORKS(
        "TF2_FACES", "--mtcnn", CAFFE, "--draw", at_work("one.png"),
        shared("images/faces_ppm/astronaut.ppm"));
    struct tf2_image drawn = read_picture(at_work("one.png"));
    struct tf2_image photo = read_picture(shared("images/faces_ppm/astronaut.ppm"));
    size_t n_changed = 0, n = (size_t)photo.width * (size_t)photo.height;
    assert_int_equal(drawn.width, photo.width);
    assert_int_equal(drawn.height, photo.height);
    for (size_t i = 0; i < n; i++)
        n_changed += memcmp(drawn.pixels + 3 * i, photo.pixels + 3 * i, 3) != 0;
    assert_in_range(n_changed, 240, n / 50);
    assert_true(is_colour(&drawn, 112, 70, 64, 224, 64) && is_colour(&drawn, 165, 70, 64, 224, 64));
    assert_true(is_colour(&drawn, 140, 40, 64, 224, 64) && is_colour(&drawn, 140, 107, 64, 224, 64));
    assert_true(is_colour(&drawn, 128, 63, 255, 48, 48) && is_colour(&drawn, 141, 80, 255, 48, 48));
    tf2_image_finish(&drawn);
    tf2_image_finish(&photo);
    /* A file for each of several, beside the name that was given. */
    WORKS(
        "TF2_FACES", "--mtcnn", CAFFE, "--draw", at_work("of.many.png"), shared("images/faces/astronaut.jpg"),
        shared("images/faces/street.jpg"));
    assert_int_equal(access(at_work("of.many-astronaut.png"), R_OK), 0);
    assert_int_equal(access(at_work("of.many-street.png"), R_OK), 0);
    assert_int_not_equal(access(at_work("of.many.png"), R_OK), 0);
}

/* tf2-convert makes int8 networks of the ONNX files; the same faces are found. */
static void test_int8(void **state)
{
    static const struct {
        const char *net, *calibrate, *input;
    } nets[] = {
        {"pnet", "images/faces_ppm", "1,3,192,192"},
        {"rnet", "reference/mtcnn/rnet_input.npy", "1,3,24,24"},
        {"onet", "reference/mtcnn/onet_input.npy", "1,3,48,48"}};
    (void)state;
    need_shared();
    mkdir(at_work("int8"), 0700);
    for (size_t i = 0; i < 3; i++) {
        char in[64], out[64];
        snprintf(in, sizeof(in), "models/mtcnn/onnx/%s.onnx", nets[i].net);
        snprintf(out, sizeof(out), "int8/%s.tf2", nets[i].net);
        WORKS(
            "TF2_CONVERT", shared(in), "-o", at_work(out), "--precision", "int8", "--calibrate",
            shared(nets[i].calibrate), "--input", nets[i].input, "--mean", "127.5", "--scale", "0.0078125");
    }
    FAILS(
        "TF2_FACES", NAME, 1, "is int8, wanted fp32", "--mtcnn", at_work("int8"), "--precision", "fp32",
        shared("images/faces/group.jpg"));
    WORKS(
        "TF2_FACES", "--mtcnn", at_work("int8"), "--precision", "int8",
        shared("images/faces_ppm/astronaut.ppm"), shared("images/faces_ppm/four_faces.ppm"),
        shared("images/faces_ppm/group.ppm"), shared("images/faces_ppm/two_presidents.ppm"),
        shared("images/faces_ppm/no_face_cat.ppm"), shared("images/faces_ppm/street.ppm"));
    assert_non_null(strstr(out_text, "astronaut.ppm: 1 face\n"));
    assert_non_null(strstr(out_text, "four_faces.ppm: 4 faces\n"));
    assert_non_null(strstr(out_text, "group.ppm: 19 faces\n"));
    assert_non_null(strstr(out_text, "two_presidents.ppm: 2 faces\n"));
    assert_non_null(strstr(out_text, "no_face_cat.ppm: 0 faces\n"));
    assert_non_null(strstr(out_text, "street.ppm: 0 faces\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usage),          cmocka_unit_test(test_wrong_networks),
        cmocka_unit_test(test_mixed_networks), cmocka_unit_test(test_wrong_files),
        cmocka_unit_test(test_json),           cmocka_unit_test(test_text_and_options),
        cmocka_unit_test(test_gallery),        cmocka_unit_test(test_wrong_gallery),
        cmocka_unit_test(test_draw),           cmocka_unit_test(test_int8),
    };
    return cmocka_run_group_tests(tests, make_work_dir, remove_work_dir);
}
