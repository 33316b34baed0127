/* SPDX-License-Identifier: Apache-2.0 */
/*
 * face.h: finds the faces in a photo, aligns them, and makes numbers of them that tell people apart.
 *
 *     photo ─ face_detect ─▶ boxes, scores, landmarks ─ face_embed ─▶ embeddings ─ face_cosine ─▶ similarity
 *
 * Detection is MTCNN (Zhang, Zhang, Li, Qiao 2016, "Joint face detection and alignment using multi-task
 * cascaded convolutional networks"): P-Net on every level of a pyramid, R-Net and O-Net on what is left, in
 * batches. The embedding is any network of one image input and one output. The code uses include/tf2 only:
 * copy the folder into a program of your own, or link the library that meson makes of it, as find_faces.c and
 * tools/tf2-faces.c do.
 *
 * Ownership and failure are as in tf2/tf2.h: create and load give the caller something to destroy, results
 * are written only on success. A runner, and what was made with it, belongs to one thread at a time; its own
 * threads keep all devices busy.
 */
#ifndef FACE_H
#define FACE_H

#include <tf2/tf2.h>

#define FACE_N_LANDMARKS   5
#define FACE_MAX_CHANNELS  3
#define FACE_N_STAGES      3
#define FACE_MAX_EMBEDDING 8192

/* Pixels of the photo; 0, 0 is the middle of the first pixel. */
struct face_point {
    float x, y;
};

struct face {
    float x1, y1, x2, y2; /* the box, pixels of the photo; it can reach over the photo's edges */
    float score;          /* 0 .. 1 */
    /* The eyes, the nose, the corners of the mouth; the left one of a pair, as the viewer sees it, is
     * first. */
    struct face_point landmarks[FACE_N_LANDMARKS];
};

/* Zero-initialize; face_list_finish frees. The best score is first. */
struct face_list {
    struct face *faces;
    size_t n_faces;
};

void face_list_finish(struct face_list *list);

/* Devices with a thread each, see face_runner.h. */
struct face_runner;

/* Takes all devices, which must outlive the runner. */
enum tf2_status
face_runner_create(struct tf2_devices *devices, struct face_runner **runner, struct tf2_error *error);
/* After everything that was made with it. Clears; NULL and a cleared handle are allowed. */
void face_runner_destroy(struct face_runner **runner);

/* How the files of a detector lay out their data; face_layout_name tells the names. */
enum face_layout {
    FACE_LAYOUT_AUTO = 0,       /* by the files, see docs/faces.md */
    FACE_LAYOUT_CAFFE = 1,      /* det1..3: spatial axes are (x, y), R, G, B */
    FACE_LAYOUT_ONNX = 2,       /* rows and columns, R, G, B */
    FACE_LAYOUT_TENSORFLOW = 3, /* rows and columns, B, G, R; y before x in boxes and landmarks */
    FACE_LAYOUT_FACENET = 4,    /* facenet_*.pb and .tflite: as Caffe */
};

/* "auto", "caffe" ...; NULL for a number that is none. */
const char *face_layout_name(enum face_layout layout);

enum face_precision {
    FACE_PRECISION_ANY = 0, /* the first file that is found */
    FACE_PRECISION_FP32 = 1,
    FACE_PRECISION_INT8 = 2, /* .tf2 files that tf2-convert --precision int8 made */
};

/* Zeros are the defaults. */
struct face_detector_options {
    enum face_layout layout;
    enum face_precision precision;
    double min_face; /* faces from so many pixels a side are found, some smaller ones too; from 12; 0: 20 */
    double factor;   /* from one level of the pyramid to the next, 0.1 .. 0.95; 0: 0.709 */
    double thresholds[FACE_N_STAGES]; /* scores that P-Net, R-Net and O-Net have to pass; 0: 0.6, 0.7, 0.7 */
};

struct face_detector;

/*
 * Reads the three networks of a folder: det1, det2, det3 or pnet, rnet, onet, each a .tf2, .onnx, .prototxt
 * with .caffemodel, .pb or .tflite file, the first that is there in this order. TF2_ERR_NOT_FOUND when one is
 * missing. options NULL: defaults.
 */
enum tf2_status face_detector_create(
    struct face_runner *runner, const char *folder, const struct face_detector_options *options,
    struct face_detector **detector, struct tf2_error *error);
void face_detector_destroy(struct face_detector **detector);
/* The layout in use; never AUTO. */
enum face_layout face_detector_layout(const struct face_detector *detector);

/* What a detection did, by stages: P-Net, R-Net, O-Net. */
struct face_stats {
    uint64_t stage_ns[FACE_N_STAGES];   /* pyramid or crops included */
    size_t n_candidates[FACE_N_STAGES]; /* that were left after the stage */
    size_t n_levels;
};

/* Finds the faces in an RGB image. stats NULL: not wanted. */
enum tf2_status face_detect(
    struct face_detector *detector, const struct tf2_image *image, struct face_list *list,
    struct face_stats *stats, struct tf2_error *error);

/*
 * Cuts a face out, turned and scaled so that its landmarks lie where recognition networks expect them (least
 * squares; bilinear, black outside the photo): RGB, width x height. TF2_ERR_VALUE when the landmarks are all
 * at one place. Release with tf2_image_finish.
 */
enum tf2_status face_align(
    const struct tf2_image *image, const struct face_point landmarks[FACE_N_LANDMARKS], int32_t width,
    int32_t height, struct tf2_image *aligned, struct tf2_error *error);

/* value = (pixel - mean) * scale, channels in the order of `channels`. */
struct face_pixels {
    enum tf2_channels channels;
    float mean[FACE_MAX_CHANNELS];
    float scale[FACE_MAX_CHANNELS];
};

struct face_embedder_options {
    enum face_precision precision;
    const struct face_pixels *pixels; /* NULL: what the file says (.tf2), or mean and deviation of ImageNet */
};

struct face_embedder;

/*
 * Reads a network with one RGB image input and one output of 1 .. FACE_MAX_EMBEDDING numbers; the weights of
 * a .prototxt lie beside it. options NULL: defaults.
 */
enum tf2_status face_embedder_create(
    struct face_runner *runner, const char *path, const struct face_embedder_options *options,
    struct face_embedder **embedder, struct tf2_error *error);
void face_embedder_destroy(struct face_embedder **embedder);
/* Numbers in an embedding. */
size_t face_embedder_size(const struct face_embedder *embedder);

/* Aligns and embeds n faces of an RGB image: n times face_embedder_size numbers, each embedding of length
 * 1. */
enum tf2_status face_embed(
    struct face_embedder *embedder, const struct tf2_image *image, const struct face *faces, size_t n,
    float *embeddings, struct tf2_error *error);
/* The same for images that are aligned already, all of the network's size. */
enum tf2_status face_embed_aligned(
    struct face_embedder *embedder, const struct tf2_image *aligned, size_t n, float *embeddings,
    struct tf2_error *error);

/* -1 .. 1; 0 when one is all zeros. */
double face_cosine(const float *a, const float *b, size_t n);

#endif
