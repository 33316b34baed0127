/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf2/model.h: a trained network, read from a file or built as a graph, optimized and frozen.
 *
 * A model never changes after it was made; any number of threads and sessions may use it at once. It must
 * outlive its sessions.
 */
#ifndef TF2_MODEL_H
#define TF2_MODEL_H

#include <tf2/common.h>
#include <tf2/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tf2_model;

/* Order of colour channels in the network's input. */
enum tf2_channels {
    TF2_CHANNELS_RGB = 0,
    TF2_CHANNELS_BGR = 1, /* Caffe's custom */
};

/*
 * How 8-bit pixels become the network's input: value = (pixel - mean[channel]) * scale. Channels of `mean`
 * are in the order of `channels`. All zero (scale 0 means 1): pixels as they are, RGB. A network whose input
 * has one channel takes gray pixels: `channels` is ignored, mean[0] counts.
 */
struct tf2_preprocess {
    enum tf2_channels channels;
    float mean[4];
    float scale; /* 0: 1 */
};

struct tf2_named_shape {
    const char *name; /* an input's name; NULL or "": the only input */
    struct tf2_shape shape;
};

struct tf2_import_options {
    const struct tf2_env *env; /* NULL: defaults */

    /* Shapes for inputs whose file leaves them open or says something else. A batch left open is 1; so is that of a Caffe
     * definition, whatever number it has there. */
    const struct tf2_named_shape *input_shapes;
    size_t n_input_shapes;

    /* Tensors to be the outputs instead of the file's; what they do not need is not imported. */
    const char *const *outputs;
    size_t n_outputs;

    /* A definition without weights (a .prototxt alone) is an error unless this is set: then they are made up from
     * this seed (uniform, variance 2 / fan-in), for measuring speed. 0: an error. */
    uint64_t random_weights_seed;

    struct tf2_preprocess preprocess; /* kept with the model, for tf2_image_to_tensor (see tf2_model_info) */
    bool no_optimize;                 /* skip the passes: the graph as the file has it, for debugging */
};

/* All zero. */
TF2_API void tf2_import_options_defaults(struct tf2_import_options *options);

/*
 * Reads a network: a Caffe .prototxt with its .caffemodel in `weights_path`, or an .onnx, .tflite or .tf2 file or a
 * TensorFlow .pb (frozen graph or SavedModel, for which the directory will do too), with weights_path NULL. The format is
 * found by content, not by name. Everything in the file is checked; what the format
 * allows and the library does not support is refused, all such nodes in one message. options NULL: defaults. Of a .tf2
 * file the shapes and outputs are fixed: TF2_ERR_INVALID_ARGUMENT when the options give some; preprocess in the options
 * replaces the file's unless it is all zero. A quantized file becomes an int8 model with its own scales; where its input is
 * bytes, they are the pixels, and preprocess is set accordingly unless the options give some. On success *model is owned by
 * the caller.
 */
TF2_API enum tf2_status tf2_model_import(
    const char *path, const char *weights_path, const struct tf2_import_options *options,
    struct tf2_model **model, struct tf2_error *error);

/* The same from memory; `name` stands for the file in messages. Nothing of `data` is needed afterwards. */
TF2_API enum tf2_status tf2_model_import_memory(
    const char *name, const void *data, size_t size_bytes, const void *weights, size_t weights_bytes,
    const struct tf2_import_options *options, struct tf2_model **model, struct tf2_error *error);

/*
 * Makes a model of a graph, called `name`. On success the graph belongs to the model and *graph is cleared;
 * on failure it is still the caller's, possibly optimized in part: destroy it. Of the options only preprocess
 * and no_optimize count. options NULL: defaults.
 */
TF2_API enum tf2_status tf2_model_from_graph(
    struct tf2_graph **graph, const char *name, const struct tf2_import_options *options,
    struct tf2_model **model, struct tf2_error *error);

/*
 * Reads a .tf2 file, the library's own format (docs/model-format.md): nothing is imported or optimized again. Weights are
 * used where the file is mapped; the file must not be changed while the model exists. Everything is checked, checksums
 * included. env NULL: defaults. tf2_model_import takes .tf2 files too; this function does not need the importers.
 */
TF2_API enum tf2_status tf2_model_load(
    const char *path, const struct tf2_env *env, struct tf2_model **model, struct tf2_error *error);
/* The same from memory, which is copied; `name` stands for the file in messages. */
TF2_API enum tf2_status tf2_model_load_memory(
    const char *name, const void *data, size_t size_bytes, const struct tf2_env *env,
    struct tf2_model **model, struct tf2_error *error);

/* A remark that is kept with a model: where it came from, how it was calibrated. */
struct tf2_fact {
    const char *key;   /* "calibration.samples" */
    const char *value; /* "24" */
};

/* What a .tf2 file carries besides the network. */
struct tf2_save_options {
    const char *const *labels; /* names of the classes of the first output; n_labels 0: none */
    size_t n_labels;
    const struct tf2_fact *facts;
    size_t n_facts;
    /* An example for tf2_model_self_test: one buffer per input and output, float32, dense, of the model's own shapes, all
     * finite; the outputs as the model gives them. Both or none (NULL). Inputs made of 8-bit pixels by the model's
     * preprocessing take a byte each in the file, large areas of one colour much less. */
    const void *const *example_inputs;
    const void *const *example_outputs;
};

/*
 * Writes a .tf2 file: under another name first, then renamed, so that a failure leaves what was there. options NULL:
 * the model's own labels, facts and example, if it was loaded with some. The same model and options always give the
 * same bytes. TF2_ERR_VALUE: a name or text that is not UTF-8, or a name with control characters.
 */
TF2_API enum tf2_status tf2_model_save(
    const struct tf2_model *model, const char *path, const struct tf2_save_options *options,
    struct tf2_error *error);

/*
 * Writes an ONNX file (opset 13) of the same network: integer parts as QuantizeLinear and DequantizeLinear around float
 * operators, so that any ONNX runtime computes what the library computes, up to float rounding. TF2_ERR_UNSUPPORTED
 * when a node has no ONNX form; all such nodes are listed. Not in programs that only load .tf2: it needs protobuf.
 */
TF2_API enum tf2_status
tf2_model_export_onnx(const struct tf2_model *model, const char *path, struct tf2_error *error);

/* Frees the model and clears *model; NULL and a cleared handle are allowed. */
TF2_API void tf2_model_destroy(struct tf2_model **model);

/* An input or output. The strings live as long as the model. */
struct tf2_tensor_info {
    const char *name;
    enum tf2_dtype dtype;
    struct tf2_shape shape; /* in the order of the source framework: see layout */
    /* An input is NHWC when the first that the network does with it is to turn it to NCHW, an output when the last is to
     * turn it from NCHW; else, and with fewer than three dimensions, NCHW. */
    enum tf2_layout layout;
};

struct tf2_model_info {
    const char *name;
    size_t n_inputs;
    size_t n_outputs;
    size_t n_nodes;          /* after optimization */
    int64_t macs;            /* multiply-accumulates per run at the model's own shapes */
    size_t weights_bytes;    /* constants that the nodes read */
    struct tf2_preprocess preprocess;
    size_t n_int8_nodes;     /* of n_nodes: computed on integers */
    size_t n_labels;         /* names of classes that came with a .tf2 file */
    size_t n_facts;
    bool has_example;        /* tf2_model_self_test has something to compare with */
};

TF2_API void tf2_model_info(const struct tf2_model *model, struct tf2_model_info *info);
/* index < n_inputs / n_outputs; TF2_ERR_INVALID_ARGUMENT otherwise. */
TF2_API enum tf2_status
tf2_model_input(const struct tf2_model *model, size_t index, struct tf2_tensor_info *info);
TF2_API enum tf2_status
tf2_model_output(const struct tf2_model *model, size_t index, struct tf2_tensor_info *info);
/* The name of a class; NULL when index >= n_labels. */
TF2_API const char *tf2_model_label(const struct tf2_model *model, size_t index);
/* TF2_ERR_INVALID_ARGUMENT when index >= n_facts. The strings live as long as the model. */
TF2_API enum tf2_status
tf2_model_fact(const struct tf2_model *model, size_t index, struct tf2_fact *fact);

#ifdef __cplusplus
}
#endif

#endif
