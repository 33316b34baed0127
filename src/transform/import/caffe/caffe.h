/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caffe.h: one import of a Caffe network, shared by the files of this folder.
 *
 *     caffe.c           entry: probes, text and weights in, graph inputs and outputs out
 *     prototxt*.c       the text format
 *     caffe_net.c       the file's layers in one form; who reads whose blob; which layers are needed
 *     caffe_build.c     adding to the graph, under names that are unique
 *     caffe_weights.c   blobs of the .caffemodel (or made up) for a layer; caffe_weights_video.c C3D's form of it
 *     caffe_types.c     the table: layer type to function
 *     caffe_window.c, caffe_unary.c, caffe_scale.c, caffe_shape.c, caffe_detect.c   the functions
 *
 * A blob's name can stand for several tensors one after the other (layers that work in place), so layers are
 * wired by values: every top is a new value, and a name means the newest one.
 */
#ifndef TF2__IMPORT_CAFFE_H
#define TF2__IMPORT_CAFFE_H

#include "common/arena.h"
#include "common/strmap.h"
#include "transform/import/caffe/caffe.pb-c.h" /* generated from caffe.proto */
#include "transform/import/caffe/prototxt.h"
#include "transform/import/import.h"

#define TF2__CAFFE_NO_VALUE TF2__STRMAP_NONE
#define TF2__CAFFE_NO_LAYER UINT32_MAX
/* More layers than any network has: what costs time per pair of layers stays bounded. */
#define TF2__CAFFE_MAX_LAYERS 20000

struct tf2__caffe;
struct tf2__caffe_layer;

enum tf2__caffe_role {
    TF2__CAFFE_COMPUTE,
    TF2__CAFFE_INPUT,  /* its tops are inputs of the network */
    TF2__CAFFE_VIDEO,  /* reads videos: its tops are inputs of the network, the first a clip */
    TF2__CAFFE_DATA,   /* reads files: refused */
    TF2__CAFFE_LOSS,   /* training and testing only: left out */
    TF2__CAFFE_SILENCE /* consumes blobs that are to be no outputs */
};

/* A row of the table of layer types. */
struct tf2__caffe_type {
    const char *name;
    enum tf2__caffe_role role;
    uint32_t min_bottoms, max_bottoms;
    uint32_t max_tops; /* at least one */
    /* Adds the layer's nodes and sets its tops. *error's message is about the layer, without naming it. */
    enum tf2_status (*import)(
        struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error);
};

/* NULL for a type that is not supported. */
const struct tf2__caffe_type *tf2__caffe_type_find(const char *name);

/* A layer of the definition, V1 or new. */
struct tf2__caffe_layer {
    const char *name;                        /* maybe "" */
    const char *type;                        /* the new name: "Convolution" */
    const struct tf2__caffe_type *kind;      /* NULL: not supported */
    const Tf2__Caffe__LayerParameter *param; /* bottoms, tops, parameters; of a V1 layer a copy */
    const struct tf2__prototxt_place *place; /* in the text */
    uint32_t *in;                            /* values of the bottoms; TF2__CAFFE_NO_VALUE: there is none */
    uint32_t *out;                           /* values of the tops */
    bool needed;
    bool broken; /* a problem with it has been reported: it is not built */
};

/* What a blob's name stands for between two writers. */
struct tf2__caffe_value {
    const char *blob;
    uint32_t layer;                   /* that makes it; TF2__CAFFE_NO_LAYER: an input of the network */
    const struct tf2_shape *declared; /* inputs: as the file says, extents below 1 are open; NULL: not said */
    bool consumed;
    bool needed;
    tf2_tensor_id tensor; /* TF2_NO_TENSOR until it is built */
};

struct tf2__caffe_weights;

struct tf2__caffe {
    struct tf2_env env;
    const struct tf2__source *source;
    const struct tf2_import_options *options;
    struct tf2_graph *graph;
    struct tf2__arena arena; /* of the import */
    struct tf2__report report;
    struct tf2__prototxt text;
    const Tf2__Caffe__NetParameter *net; /* text.message */
    struct tf2__caffe_layer *layers;     /* without those that rules or their type leave out */
    uint32_t n_layers;
    struct tf2__caffe_value *values;
    uint32_t n_values, cap_values;
    struct tf2__strmap blobs;    /* name → newest value */
    struct tf2__strmap suffixes; /* tensor name that was taken → number to try next */
    uint32_t *outputs;           /* values */
    const char **output_names;
    uint32_t n_outputs;
    int64_t file_batch;                 /* batch of the first input in the file, 0: not said */
    struct tf2__caffe_weights *weights; /* NULL: no weights file */
    uint64_t random_state;
    int64_t n_made_up;    /* weights so far that are not the file's */
    bool weights_missing; /* a layer needs weights, and there are none at all */
};

/* --- caffe_net.c --- */

/*
 * Layers, values, outputs, what is needed, from caffe->net. Problems go to the report; TF2_ERR_NO_MEMORY is
 * the only failure.
 */
enum tf2_status tf2__caffe_net_read(struct tf2__caffe *caffe, struct tf2_error *error);
/* Reports a problem with a layer: "layer 'conv1' (Convolution, line 7): ...". The layer will not be built. */
void tf2__caffe_layer_problem(
    struct tf2__caffe *caffe, struct tf2__caffe_layer *layer, enum tf2_status status, const char *format, ...)
    TF2_PRINTF(4, 5);

/* --- caffe_build.c: for the layers' functions --- */

tf2_tensor_id
tf2__caffe_in(const struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, uint32_t bottom);
/* The shape of a bottom; valid until a node is added. */
const struct tf2_shape *
tf2__caffe_in_shape(const struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, uint32_t bottom);
void tf2__caffe_set_top(
    struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, uint32_t top, tf2_tensor_id tensor);
/* A name for a tensor: the layer's (part NULL), or "layer.part", made unique. NULL: out of memory. */
const char *
tf2__caffe_tensor_name(struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, const char *part);
/* A node called after the layer (part NULL) or "layer.part". */
enum tf2_status tf2__caffe_node(
    struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, const char *part, enum tf2_op op,
    const void *attr, const tf2_tensor_id *in, size_t n_in, tf2_tensor_id *out, struct tf2_error *error);
/* The node of a layer that is one node: its result is top 0. */
enum tf2_status tf2__caffe_whole_node(
    struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, enum tf2_op op, const void *attr,
    const tf2_tensor_id *in, size_t n_in, struct tf2_error *error);
/* A layer that is an element-wise function of bottom 0. */
enum tf2_status tf2__caffe_activation(
    struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, enum tf2_activation_kind kind,
    float alpha, float beta, struct tf2_error *error);
/* All bottoms of a layer that may have many. */
enum tf2_status tf2__caffe_bottoms(
    const struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer,
    tf2_tensor_id in[TF2_MAX_NODE_INPUTS], struct tf2_error *error);
/* A parameter that is used as it is must be finite. */
enum tf2_status tf2__caffe_finite(double value, const char *what, struct tf2_error *error);
/* Caffe's axis (negative: from the end) as a number below `rank`. */
enum tf2_status tf2__caffe_axis(int32_t axis, uint32_t rank, uint32_t *canonical, struct tf2_error *error);

/* Declares `variable`: the layer's parameters of that kind, or their defaults. */
#define TF2__CAFFE_PARAM(variable, struct_name, INIT, field)                                                 \
    static const struct_name variable##_defaults = INIT;                                                     \
    const struct_name *variable = layer->param->field ? layer->param->field : &variable##_defaults

/* --- caffe_weights_video.c --- */

/* A weights file of C3D 1.0 in the usual form; NULL: it is none, or `allocator` failed. */
Tf2__Caffe__WeightsNet *
tf2__caffe_weights_unpack_video(ProtobufCAllocator *allocator, const uint8_t *data, size_t size_bytes);

/* --- caffe_weights.c --- */

enum tf2__caffe_fill {
    TF2__CAFFE_FILL_RANDOM, /* uniform, variance 2 / fan_in */
    TF2__CAFFE_FILL_VALUE,
};

/* A blob that a layer needs, and how it is made up without a weights file. */
struct tf2__caffe_blob {
    const char *what; /* "weights" */
    struct tf2_shape shape;
    enum tf2__caffe_fill fill;
    float value;
    int64_t fan_in;
};

enum tf2_status tf2__caffe_weights_open(struct tf2__caffe *caffe, struct tf2_error *error);
void tf2__caffe_weights_close(struct tf2__caffe *caffe);
/*
 * The data of a layer's blobs, all of them, in the order of the file: data[i] is dense and lies in the
 * graph's arena. Blobs that do not fit are reported here, and the layer is built with others, so that later
 * layers are checked too. TF2_ERR_NOT_FOUND with caffe->weights_missing set: there are no weights at all,
 * which is told once.
 */
enum tf2_status tf2__caffe_blobs(
    struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, const struct tf2__caffe_blob *blobs,
    uint32_t n_blobs, float **data, struct tf2_error *error);
/* Makes such data a constant called "layer.what". */
enum tf2_status tf2__caffe_constant(
    struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, const char *what,
    const struct tf2_shape *shape, const float *data, tf2_tensor_id *tensor, struct tf2_error *error);
/* Fails when the weights file has blobs for a layer that takes none. */
enum tf2_status tf2__caffe_check_no_blobs(
    const struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error);
/* Logs what of the weights file was not used. */
void tf2__caffe_weights_log_unused(const struct tf2__caffe *caffe);

/* --- layer functions --- */

#define TF2__CAFFE_DECLARE(name)                                                                             \
    enum tf2_status tf2__caffe_##name(                                                                       \
        struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error);
TF2__CAFFE_DECLARE(absval)
TF2__CAFFE_DECLARE(batch_norm)
TF2__CAFFE_DECLARE(bias)
TF2__CAFFE_DECLARE(clip)
TF2__CAFFE_DECLARE(concat)
TF2__CAFFE_DECLARE(convolution)
TF2__CAFFE_DECLARE(convolution3d)
TF2__CAFFE_DECLARE(crop)
TF2__CAFFE_DECLARE(deconvolution)
TF2__CAFFE_DECLARE(depthwise)
TF2__CAFFE_DECLARE(detection_output)
TF2__CAFFE_DECLARE(dropout)
TF2__CAFFE_DECLARE(eltwise)
TF2__CAFFE_DECLARE(elu)
TF2__CAFFE_DECLARE(exp)
TF2__CAFFE_DECLARE(flatten)
TF2__CAFFE_DECLARE(inner_product)
TF2__CAFFE_DECLARE(log)
TF2__CAFFE_DECLARE(lrn)
TF2__CAFFE_DECLARE(normalize)
TF2__CAFFE_DECLARE(permute)
TF2__CAFFE_DECLARE(pooling)
TF2__CAFFE_DECLARE(pooling3d)
TF2__CAFFE_DECLARE(power)
TF2__CAFFE_DECLARE(prelu)
TF2__CAFFE_DECLARE(prior_box)
TF2__CAFFE_DECLARE(relu)
TF2__CAFFE_DECLARE(relu6)
TF2__CAFFE_DECLARE(reshape)
TF2__CAFFE_DECLARE(scale)
TF2__CAFFE_DECLARE(sigmoid)
TF2__CAFFE_DECLARE(slice)
TF2__CAFFE_DECLARE(softmax)
TF2__CAFFE_DECLARE(split)
TF2__CAFFE_DECLARE(swish)
TF2__CAFFE_DECLARE(tanh)
#undef TF2__CAFFE_DECLARE

#endif
