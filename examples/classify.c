/* SPDX-License-Identifier: Apache-2.0 */
/*
 * classify.c: the best five classes of one picture.
 *
 *     cc classify.c $(pkg-config --cflags --libs libtf2) -o classify
 *     ./classify models/digits/digits.onnx models/digits/samples/sample_00_label_6.png
 *
 * MODEL.onnx has one image input; it gets the pixels as they are (see tf2_preprocess in
 * tf2/model.h for networks that want a mean taken off). The program is C99 and C++.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tf2/tf2.h>

/* What the program owns; whatever was made is freed at the end, the rest is zero. */
struct classifier {
    struct tf2_model *model;
    struct tf2_devices *devices;
    struct tf2_session *session;
    struct tf2_image picture, resized;
    float *input, *output;
};

/* Reads the network and makes it ready to run on the first OpenCL device, one picture at a time. */
static enum tf2_status prepare(struct classifier *c, const char *model_path, struct tf2_error *error)
{
    struct tf2_session_options options;
    enum tf2_status status = tf2_model_import(model_path, NULL, NULL, &c->model, error);
    if (status == TF2_OK)
        status = tf2_devices_open("1", NULL, &c->devices, error);
    tf2_session_options_defaults(&options);
    options.batch = 1;
    if (status == TF2_OK)
        status = tf2_session_create(c->model, c->devices, 0, &options, &c->session, error);
    return status;
}

/* Reads the picture in the network's size and colours, and runs it; *n_classes numbers are in c->output. */
static enum tf2_status
classify(struct classifier *c, const char *picture_path, int64_t *n_classes, struct tf2_error *error)
{
    struct tf2_tensor_info in, out;
    tf2_session_input(c->session, 0, &in);
    tf2_session_output(c->session, 0, &out);
    *n_classes = tf2_shape_count(&out.shape);
    c->input = (float *)malloc((size_t)tf2_shape_count(&in.shape) * sizeof(float));
    c->output = (float *)malloc((size_t)*n_classes * sizeof(float));
    if (!c->input || !c->output)
        return TF2_ERR_NO_MEMORY;

    struct tf2_image size;
    if (!tf2_image_extents(&in, &size))
        return TF2_ERR_SHAPE;
    enum tf2_status status = tf2_image_load(picture_path, size.channels, NULL, &c->picture, error);
    if (status == TF2_OK)
        status = tf2_image_resize(&c->picture, size.width, size.height, TF2_FIT_STRETCH, &c->resized, error);
    if (status == TF2_OK)
        status = tf2_image_to_input(&c->resized, NULL, &in, c->input, error);
    if (status != TF2_OK)
        return status;

    /* One pointer for each input and output of the network. */
    const void *inputs[] = {c->input};
    void *outputs[] = {c->output};
    return tf2_session_run(c->session, inputs, outputs, error);
}

/* Prints the five largest; each one is taken out of the running once it is printed. */
static void print_best(float *scores, int64_t n)
{
    for (int place = 1; place <= 5 && place <= n; place++) {
        int64_t best = 0;
        for (int64_t i = 1; i < n; i++)
            best = scores[i] > scores[best] ? i : best;
        printf("%d. class %d, score %.4f\n", place, (int)best, (double)scores[best]);
        scores[best] = -1e30f;
    }
}

/* One image in, one list of scores out. */
static int takes_image(const struct tf2_model *model)
{
    struct tf2_model_info info;
    struct tf2_tensor_info in;
    struct tf2_image size;
    tf2_model_info(model, &info);
    return info.n_inputs == 1 && info.n_outputs == 1 && tf2_model_input(model, 0, &in) == TF2_OK &&
           tf2_image_extents(&in, &size);
}

int main(int argc, char **argv)
{
    struct classifier c;
    struct tf2_error error;
    int64_t n_classes = 0;
    memset(&c, 0, sizeof(c));
    if (argc != 3) {
        fprintf(stderr, "usage: classify MODEL.onnx IMAGE\n");
        return 2;
    }
    error.message[0] = 0;
    enum tf2_status status = prepare(&c, argv[1], &error);
    if (status == TF2_OK && !takes_image(c.model))
        status = TF2_ERR_UNSUPPORTED;
    if (status == TF2_OK)
        status = classify(&c, argv[2], &n_classes, &error);
    if (status == TF2_OK)
        print_best(c.output, n_classes);
    else
        fprintf(stderr, "classify: %s\n", error.message[0] ? error.message : tf2_status_message(status));

    /* Everything that was made of an object goes before the object. */
    free(c.output);
    free(c.input);
    tf2_image_finish(&c.resized);
    tf2_image_finish(&c.picture);
    tf2_session_destroy(&c.session);
    tf2_devices_close(&c.devices);
    tf2_model_destroy(&c.model);
    return status == TF2_OK ? 0 : 1;
}
