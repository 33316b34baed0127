/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caffe_net.c: reads the definition as Caffe's Net::Init does: old layers become new ones, phase rules drop
 * layers, names of blobs become values, and from the outputs back it is found which layers are needed.
 *
 * The network that is imported is the one of phase TEST, level and stages as the file's `state` says. An
 * output is a blob that no layer reads, in the order of the file (or what the caller asks for). Layers that
 * only make losses or statistics, and layers without tops, are left out and read nothing.
 */
#include "transform/import/caffe/caffe.h"

#include <stdio.h>

void tf2__caffe_layer_problem(
    struct tf2__caffe *caffe, struct tf2__caffe_layer *layer, enum tf2_status status, const char *format, ...)
{
    char message[384];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    layer->broken = true;
    tf2__report_add(
        &caffe->report, status, "layer '%.60s' (%.40s, line %u): %s", layer->name, layer->type,
        layer->place->line, message);
}

/* --- phase rules (Caffe's Net::StateMeetsRule and FilterNet) --- */

static bool has_string(char *const *strings, size_t n, const char *string)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(strings[i], string) == 0)
            return true;
    }
    return false;
}

static bool meets_rule(const Tf2__Caffe__NetState *state, const Tf2__Caffe__NetStateRule *rule)
{
    if (rule->has_phase && rule->phase != TF2__CAFFE__PHASE__TEST)
        return false;
    if ((rule->has_min_level && state->level < rule->min_level) ||
        (rule->has_max_level && state->level > rule->max_level))
        return false;
    for (size_t i = 0; i < rule->n_stage; i++) {
        if (!has_string(state->stage, state->n_stage, rule->stage[i]))
            return false;
    }
    for (size_t i = 0; i < rule->n_not_stage; i++) {
        if (has_string(state->stage, state->n_stage, rule->not_stage[i]))
            return false;
    }
    return true;
}

static bool is_included(const Tf2__Caffe__NetParameter *net, const Tf2__Caffe__LayerParameter *param)
{
    static const Tf2__Caffe__NetState defaults = TF2__CAFFE__NET_STATE__INIT;
    const Tf2__Caffe__NetState *state = net->state ? net->state : &defaults;
    for (size_t i = 0; i < param->n_include; i++) {
        if (meets_rule(state, param->include[i]))
            return true;
    }
    for (size_t i = 0; i < param->n_exclude && !param->n_include; i++) {
        if (meets_rule(state, param->exclude[i]))
            return false;
    }
    return !param->n_include;
}

/* --- layers in one form --- */

static const char *v1_type(const Tf2__Caffe__V1LayerParameter *v1)
{
    static const char *const names[] = {
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__NONE] = "none",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__ACCURACY] = "Accuracy",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__BNLL] = "BNLL",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__CONCAT] = "Concat",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__CONVOLUTION] = "Convolution",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__DATA] = "Data",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__DROPOUT] = "Dropout",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__EUCLIDEAN_LOSS] = "EuclideanLoss",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__FLATTEN] = "Flatten",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__HDF5_DATA] = "HDF5Data",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__HDF5_OUTPUT] = "HDF5Output",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__IM2COL] = "Im2col",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__IMAGE_DATA] = "ImageData",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__INFOGAIN_LOSS] = "InfogainLoss",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__INNER_PRODUCT] = "InnerProduct",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__LRN] = "LRN",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__MULTINOMIAL_LOGISTIC_LOSS] = "MultinomialLogisticLoss",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__POOLING] = "Pooling",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__RELU] = "ReLU",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__SIGMOID] = "Sigmoid",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__SOFTMAX] = "Softmax",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__SOFTMAX_LOSS] = "SoftmaxWithLoss",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__SPLIT] = "Split",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__TANH] = "TanH",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__WINDOW_DATA] = "WindowData",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__ELTWISE] = "Eltwise",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__POWER] = "Power",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__SIGMOID_CROSS_ENTROPY_LOSS] = "SigmoidCrossEntropyLoss",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__HINGE_LOSS] = "HingeLoss",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__MEMORY_DATA] = "MemoryData",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__ARGMAX] = "ArgMax",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__THRESHOLD] = "Threshold",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__DUMMY_DATA] = "DummyData",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__SLICE] = "Slice",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__MVN] = "MVN",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__ABSVAL] = "AbsVal",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__SILENCE] = "Silence",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__CONTRASTIVE_LOSS] = "ContrastiveLoss",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__EXP] = "Exp",
        [TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__DECONVOLUTION] = "Deconvolution",
    };
    static const char *const fork_names[] = {"Convolution3D", "Pooling3D", "VideoData"};
    const unsigned type =
        v1->has_type ? (unsigned)v1->type : TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__NONE;
    const unsigned first_of_fork = TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__CONVOLUTION3D;
    if (type >= first_of_fork && type - first_of_fork < TF2__COUNT(fork_names))
        return fork_names[type - first_of_fork];
    return type < TF2__COUNT(names) ? names[type] : "none";
}

/* The type of a V1 layer that is not in Caffe's enumeration, as the text has it; NULL: none. */
static const char *fork_type(struct tf2__caffe *caffe, const struct tf2__prototxt_place *place)
{
    for (uint32_t i = 0; i < place->n_unknown; i++) {
        const struct tf2__prototxt_unknown *u = &caffe->text.unknown[place->first_unknown + i];
        if (!u->value || u->name_bytes != 4 || memcmp(u->name, "type", 4) != 0)
            continue;
        char *type = tf2__arena_alloc(&caffe->arena, u->value_bytes + 1, 1);
        if (type)
            memcpy(type, u->value, u->value_bytes);
        return type;
    }
    return NULL;
}

/* A V1 layer as a new one: the parts are shared, and stay the old message's. NULL: out of memory. */
static Tf2__Caffe__LayerParameter *from_v1(struct tf2__caffe *caffe, const Tf2__Caffe__V1LayerParameter *v1)
{
    Tf2__Caffe__LayerParameter *param = tf2__arena_alloc(&caffe->arena, 1, sizeof(*param));
    if (!param)
        return NULL;
    tf2__caffe__layer_parameter__init(param);
    param->name = v1->name;
    param->n_bottom = v1->n_bottom;
    param->bottom = v1->bottom;
    param->n_top = v1->n_top;
    param->top = v1->top;
    param->n_include = v1->n_include;
    param->include = v1->include;
    param->n_exclude = v1->n_exclude;
    param->exclude = v1->exclude;
    param->concat_param = v1->concat_param;
    param->convolution_param = v1->convolution_param;
    param->dropout_param = v1->dropout_param;
    param->eltwise_param = v1->eltwise_param;
    param->exp_param = v1->exp_param;
    param->video_data_param = v1->image_data_param;
    param->inner_product_param = v1->inner_product_param;
    param->lrn_param = v1->lrn_param;
    param->pooling_param = v1->pooling_param;
    param->power_param = v1->power_param;
    param->relu_param = v1->relu_param;
    param->slice_param = v1->slice_param;
    param->softmax_param = v1->softmax_param;
    return param;
}

/* Whether a layer of the TEST phase computes something; if not, says so to the log. */
static bool is_wanted(const struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer)
{
    const char *why = NULL;
    if (!is_included(caffe->net, layer->param))
        why = "it is not part of the TEST phase";
    else if (layer->kind && layer->kind->role == TF2__CAFFE_LOSS)
        why = "it only measures";
    else if (layer->param->n_top == 0 && (!layer->kind || layer->kind->role != TF2__CAFFE_SILENCE))
        why = "it has no tops";
    if (why)
        tf2__log(
            &caffe->env, TF2_LOG_INFO, "%s: layer '%s' (%s) is left out: %s", caffe->source->name,
            layer->name, layer->type, why);
    return !why;
}

/* Adds layer number i of the file, if it counts. False: out of memory. */
static bool read_layer(struct tf2__caffe *caffe, size_t i, const struct tf2__prototxt_place *place)
{
    struct tf2__caffe_layer *layer = &caffe->layers[caffe->n_layers];
    memset(layer, 0, sizeof(*layer));
    layer->place = place;
    if (caffe->net->n_layer) {
        layer->param = caffe->net->layer[i];
        layer->type = layer->param->type ? layer->param->type : "none";
    } else {
        const Tf2__Caffe__V1LayerParameter *v1 = caffe->net->layers[i];
        layer->param = from_v1(caffe, v1);
        layer->type = v1->has_type ? NULL : fork_type(caffe, place);
        if (!layer->type)
            layer->type = v1_type(v1);
    }
    if (!layer->param)
        return false;
    layer->name = layer->param->name ? layer->param->name : "";
    layer->kind = tf2__caffe_type_find(layer->type);
    layer->in = tf2__arena_alloc(&caffe->arena, layer->param->n_bottom, sizeof(*layer->in));
    layer->out = tf2__arena_alloc(&caffe->arena, layer->param->n_top, sizeof(*layer->out));
    if (is_wanted(caffe, layer))
        caffe->n_layers++;
    return layer->in && layer->out;
}

/* Whether the list of layers can be read at all. */
static bool check_layers(struct tf2__caffe *caffe)
{
    const Tf2__Caffe__NetParameter *net = caffe->net;
    if (net->n_layer && net->n_layers) {
        tf2__report_add(
            &caffe->report, TF2_ERR_FORMAT, "both old 'layers' (%zu) and new 'layer' (%zu) in one file",
            net->n_layers, net->n_layer);
        return false;
    }
    if (net->n_layer + net->n_layers > TF2__CAFFE_MAX_LAYERS) {
        tf2__report_add(
            &caffe->report, TF2_ERR_UNSUPPORTED, "%zu layers, at most %d are supported",
            net->n_layer + net->n_layers, TF2__CAFFE_MAX_LAYERS);
        return false;
    }
    for (size_t i = 0; i < net->n_layers; i++) {
        if (!net->layers[i]->layer)
            continue;
        tf2__report_add(
            &caffe->report, TF2_ERR_UNSUPPORTED,
            "this is a V0 definition ('layers { layer { ... } }'), which is not supported: upgrade it with "
            "Caffe's "
            "upgrade_net_proto_text");
        return false;
    }
    return true;
}

static enum tf2_status read_layers(struct tf2__caffe *caffe, struct tf2_error *error)
{
    const Tf2__Caffe__NetParameter *net = caffe->net;
    size_t n = net->n_layer + net->n_layers;
    size_t place = 0;
    caffe->layers = tf2__arena_alloc(&caffe->arena, n + 1, sizeof(*caffe->layers));
    if (!caffe->layers)
        return tf2__fail_memory(error, n * sizeof(*caffe->layers), "layers");
    for (size_t i = 0; i < n; i++) {
        const void *message = net->n_layer ? (void *)net->layer[i] : (void *)net->layers[i];
        while (caffe->text.places[place].message != message)
            place++;
        if (!read_layer(caffe, i, &caffe->text.places[place]))
            return tf2__fail_memory(error, sizeof(*caffe->layers), "a layer");
    }
    return TF2_OK;
}

/* --- values --- */

/* A new value, which `blob` means from now on. */
static enum tf2_status
add_value(struct tf2__caffe *caffe, const char *blob, uint32_t layer, uint32_t *id, struct tf2_error *error)
{
    if (caffe->n_values == caffe->cap_values) {
        uint32_t cap = caffe->cap_values ? 2 * caffe->cap_values : 64;
        struct tf2__caffe_value *grown = tf2__arena_alloc(&caffe->arena, cap, sizeof(*grown));
        if (!grown)
            return tf2__fail_memory(error, cap * sizeof(*grown), "blobs");
        if (caffe->n_values)
            memcpy(grown, caffe->values, caffe->n_values * sizeof(*grown));
        caffe->values = grown;
        caffe->cap_values = cap;
    }
    *id = caffe->n_values++;
    caffe->values[*id] = (struct tf2__caffe_value){.blob = blob, .layer = layer, .tensor = TF2_NO_TENSOR};
    if (!tf2__strmap_set(&caffe->blobs, blob, *id))
        return tf2__fail_memory(error, sizeof(*caffe->values), "blobs");
    return TF2_OK;
}

/* What the file says of an input's shape. False: out of memory. */
static bool declare_shape(struct tf2__caffe *caffe, uint32_t value, const int64_t *dim, size_t n_dims)
{
    const char *blob = caffe->values[value].blob;
    if (n_dims > TF2_MAX_DIMS) {
        tf2__report_add(
            &caffe->report, TF2_ERR_UNSUPPORTED, "input '%.60s': %zu dimensions, at most %d are supported",
            blob, n_dims, TF2_MAX_DIMS);
        return true;
    }
    struct tf2_shape *shape = tf2__arena_alloc(&caffe->arena, 1, sizeof(*shape));
    if (!shape)
        return false;
    shape->n_dims = (uint32_t)n_dims;
    for (size_t d = 0; d < n_dims; d++)
        shape->dim[d] = dim[d];
    caffe->values[value].declared = shape;
    return true;
}

/* input:, with input_shape { } or four input_dim: each. */
static enum tf2_status read_net_inputs(struct tf2__caffe *caffe, struct tf2_error *error)
{
    const Tf2__Caffe__NetParameter *net = caffe->net;
    if (net->n_input_shape && net->n_input_dim)
        tf2__report_add(&caffe->report, TF2_ERR_FORMAT, "both input_shape and input_dim are given");
    else if (net->n_input_shape && net->n_input_shape != net->n_input)
        tf2__report_add(
            &caffe->report, TF2_ERR_FORMAT, "%zu of input_shape for %zu of input", net->n_input_shape,
            net->n_input);
    else if (net->n_input_dim && net->n_input_dim != 4 * net->n_input)
        tf2__report_add(
            &caffe->report, TF2_ERR_FORMAT, "%zu of input_dim for %zu of input, wanted 4 for each",
            net->n_input_dim, net->n_input);
    for (size_t i = 0; i < net->n_input; i++) {
        uint32_t id = TF2__CAFFE_NO_VALUE;
        bool ok = true;
        if (tf2__strmap_get(&caffe->blobs, net->input[i]) != TF2__CAFFE_NO_VALUE) {
            tf2__report_add(&caffe->report, TF2_ERR_FORMAT, "two inputs are called '%.60s'", net->input[i]);
            continue;
        }
        TF2__TRY(add_value(caffe, net->input[i], TF2__CAFFE_NO_LAYER, &id, error));
        if (net->n_input_shape == net->n_input) {
            ok = declare_shape(caffe, id, net->input_shape[i]->dim, net->input_shape[i]->n_dim);
        } else if (net->n_input_dim == 4 * net->n_input) {
            const int32_t *d = &net->input_dim[4 * i];
            ok = declare_shape(caffe, id, (const int64_t[]){d[0], d[1], d[2], d[3]}, 4);
        }
        if (!ok)
            return tf2__fail_memory(error, sizeof(struct tf2_shape), "an input's shape");
    }
    return TF2_OK;
}

/* A bottom that nobody makes is TF2__CAFFE_NO_VALUE: a problem only when the layer turns out to be needed. */
static void wire_bottoms(struct tf2__caffe *caffe, struct tf2__caffe_layer *layer)
{
    for (size_t i = 0; i < layer->param->n_bottom; i++) {
        layer->in[i] = tf2__strmap_get(&caffe->blobs, layer->param->bottom[i]);
        if (layer->in[i] != TF2__CAFFE_NO_VALUE)
            caffe->values[layer->in[i]].consumed = true;
    }
}

/* A top may only replace a blob that the layer reads at the same place (in place). */
static bool
is_replaced_wrongly(const struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, size_t top)
{
    const Tf2__Caffe__LayerParameter *param = layer->param;
    if (tf2__strmap_get(&caffe->blobs, param->top[top]) == TF2__CAFFE_NO_VALUE)
        return false;
    return top >= param->n_bottom || strcmp(param->bottom[top], param->top[top]) != 0;
}

static enum tf2_status
wire_tops(struct tf2__caffe *caffe, struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    bool is_input =
        layer->kind && (layer->kind->role == TF2__CAFFE_INPUT || layer->kind->role == TF2__CAFFE_VIDEO);
    for (size_t i = 0; i < layer->param->n_top; i++) {
        uint32_t index = (uint32_t)(layer - caffe->layers);
        if (is_replaced_wrongly(caffe, layer, i))
            tf2__caffe_layer_problem(
                caffe, layer, TF2_ERR_GRAPH, "top '%.60s' is made by an earlier layer too",
                layer->param->top[i]);
        TF2__TRY(add_value(
            caffe, layer->param->top[i], is_input ? TF2__CAFFE_NO_LAYER : index, &layer->out[i], error));
    }
    return TF2_OK;
}

/* The tops of an Input layer: one shape for all, or one each. */
static enum tf2_status
read_input_layer(struct tf2__caffe *caffe, struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    TF2__CAFFE_PARAM(input, Tf2__Caffe__InputParameter, TF2__CAFFE__INPUT_PARAMETER__INIT, input_param);
    size_t n = input->n_shape;
    if (layer->param->n_bottom)
        tf2__caffe_layer_problem(caffe, layer, TF2_ERR_FORMAT, "an input layer with bottoms");
    if (n > 1 && n != layer->param->n_top)
        tf2__caffe_layer_problem(
            caffe, layer, TF2_ERR_FORMAT, "%zu shapes for %zu tops", n, layer->param->n_top);
    for (size_t i = 0; i < layer->param->n_top && n && (n == 1 || n == layer->param->n_top); i++) {
        const Tf2__Caffe__BlobShape *shape = input->shape[n == 1 ? 0 : i];
        if (!declare_shape(caffe, layer->out[i], shape->dim, shape->n_dim))
            return tf2__fail_memory(error, sizeof(struct tf2_shape), "an input's shape");
    }
    return TF2_OK;
}

/*
 * The first top of a layer that reads videos: clips of new_length frames, cut to crop_size. What the file does not say
 * stays open.
 */
static enum tf2_status
read_video_layer(struct tf2__caffe *caffe, struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    TF2__CAFFE_PARAM(
        video, Tf2__Caffe__VideoDataParameter, TF2__CAFFE__VIDEO_DATA_PARAMETER__INIT, video_data_param);
    TF2__CAFFE_PARAM(
        transform, Tf2__Caffe__TransformationParameter, TF2__CAFFE__TRANSFORMATION_PARAMETER__INIT,
        transform_param);
    const uint32_t crop = video->crop_size ? video->crop_size : transform->crop_size;
    const int64_t dim[] = {
        video->batch_size, 3, video->new_length, crop ? crop : video->new_height,
        crop ? crop : video->new_width};
    if (layer->param->n_top && !declare_shape(caffe, layer->out[0], dim, TF2__COUNT(dim)))
        return tf2__fail_memory(error, sizeof(struct tf2_shape), "an input's shape");
    return TF2_OK;
}

static enum tf2_status wire(struct tf2__caffe *caffe, struct tf2_error *error)
{
    for (uint32_t i = 0; i < caffe->n_layers; i++) {
        struct tf2__caffe_layer *layer = &caffe->layers[i];
        wire_bottoms(caffe, layer);
        TF2__TRY(wire_tops(caffe, layer, error));
        if (layer->kind && layer->kind->role == TF2__CAFFE_INPUT)
            TF2__TRY(read_input_layer(caffe, layer, error));
        else if (layer->kind && layer->kind->role == TF2__CAFFE_VIDEO)
            TF2__TRY(read_video_layer(caffe, layer, error));
    }
    return TF2_OK;
}

/* --- outputs --- */

/* The value that the caller means by `name`: a blob, or else a layer with one top. */
static uint32_t find_output(struct tf2__caffe *caffe, const char *name)
{
    uint32_t value = tf2__strmap_get(&caffe->blobs, name);
    for (uint32_t i = 0; i < caffe->n_layers && value == TF2__CAFFE_NO_VALUE; i++) {
        const struct tf2__caffe_layer *layer = &caffe->layers[i];
        if (strcmp(layer->name, name) == 0 && layer->param->n_top == 1)
            value = layer->out[0];
    }
    if (value == TF2__CAFFE_NO_VALUE)
        tf2__report_add(
            &caffe->report, TF2_ERR_NOT_FOUND,
            "output '%.60s': no blob and no layer with one top has this name", name);
    return value;
}

static void add_output(struct tf2__caffe *caffe, uint32_t value, const char *name)
{
    caffe->outputs[caffe->n_outputs] = value;
    caffe->output_names[caffe->n_outputs++] = name;
    caffe->values[value].needed = true;
}

/* Whether a value that nobody reads is a result: not an input, and nothing that a data layer makes beside. */
static bool is_result(const struct tf2__caffe *caffe, const struct tf2__caffe_value *value)
{
    if (value->consumed || value->layer == TF2__CAFFE_NO_LAYER)
        return false;
    const struct tf2__caffe_type *kind = caffe->layers[value->layer].kind;
    return !kind || kind->role == TF2__CAFFE_COMPUTE;
}

static enum tf2_status find_outputs(struct tf2__caffe *caffe, struct tf2_error *error)
{
    size_t wanted = caffe->options->n_outputs;
    size_t n = TF2__MAX(wanted, caffe->n_values);
    caffe->outputs = tf2__arena_alloc(&caffe->arena, n, sizeof(*caffe->outputs));
    caffe->output_names = tf2__arena_alloc(&caffe->arena, n, sizeof(*caffe->output_names));
    if (!caffe->outputs || !caffe->output_names)
        return tf2__fail_memory(error, n * sizeof(*caffe->outputs), "outputs");
    for (size_t i = 0; i < wanted; i++) {
        const char *name = caffe->options->outputs[i] ? caffe->options->outputs[i] : "";
        uint32_t value = find_output(caffe, name);
        if (value != TF2__CAFFE_NO_VALUE)
            add_output(caffe, value, name);
    }
    for (uint32_t i = 0; i < caffe->n_values && !wanted; i++) {
        if (is_result(caffe, &caffe->values[i]))
            add_output(caffe, i, caffe->values[i].blob);
    }
    if (caffe->n_outputs == 0 && caffe->report.n_problems == 0)
        tf2__report_add(
            &caffe->report, TF2_ERR_GRAPH, "the network has no layer whose result nobody else reads");
    return TF2_OK;
}

/* From the outputs back: a layer stands before all that read it. */
static void mark_needed(struct tf2__caffe *caffe)
{
    for (uint32_t i = caffe->n_layers; i-- > 0;) {
        struct tf2__caffe_layer *layer = &caffe->layers[i];
        for (size_t k = 0; k < layer->param->n_top; k++)
            layer->needed = layer->needed || caffe->values[layer->out[k]].needed;
        for (size_t k = 0; k < layer->param->n_bottom && layer->needed; k++) {
            if (layer->in[k] != TF2__CAFFE_NO_VALUE)
                caffe->values[layer->in[k]].needed = true;
        }
    }
}

enum tf2_status tf2__caffe_net_read(struct tf2__caffe *caffe, struct tf2_error *error)
{
    if (!check_layers(caffe))
        return TF2_OK;
    TF2__TRY(read_layers(caffe, error));
    TF2__TRY(read_net_inputs(caffe, error));
    TF2__TRY(wire(caffe, error));
    TF2__TRY(find_outputs(caffe, error));
    mark_needed(caffe);
    return TF2_OK;
}
