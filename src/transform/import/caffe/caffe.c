/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caffe.c: imports a Caffe network: a definition in protobuf's text format (.prototxt) and, apart from it,
 * the weights in protobuf's binary format (.caffemodel).
 *
 * The definition is read, wired and checked (caffe_net.c), then the layers that the outputs need are built in
 * the order of the file. Problems are collected: a layer with one is not built, nor, silently, what depends
 * on it, so that one report tells them all. Everything but the graph lives until the import is done.
 *
 * The batch in the file is only a suggestion of whoever wrote it (training, benchmarks): inputs get batch 1
 * unless the caller gives their shape.
 */
#include "transform/import/caffe/caffe.h"

#include "transform/import/caffe/prototxt_lex.h"

/*
 * Fields that nothing depends on at inference; the definition's descriptors do not have them. Sorted.
 * Everything else that is unknown is a problem.
 */
static const char *const ignored_fields[] = {
    "accuracy_param",          /* of layers that are left out */
    "bias_filler",             /* initial values */
    "blob_share_mode",         /* sharing while training */
    "blobs_lr",                /* learning rates */
    "debug_info",              /* logging */
    "engine",                  /* CAFFE or CUDNN */
    "filler",                  /* initial values */
    "force_backward",          /* training */
    "force_nd_im2col",         /* a choice of algorithm */
    "loss_param",              /* of layers that are left out */
    "loss_weight",             /* training */
    "moving_average_fraction", /* training of BatchNorm */
    "param",                   /* learning rates, names for sharing */
    "phase",                   /* set by Caffe itself */
    "propagate_down",          /* training */
    "save_output_param",       /* files that a detector writes */
    "scale_filler",            /* initial values */
    "stable_prod_grad",        /* gradients of Eltwise */
    "weight_decay",            /* training */
    "weight_filler",           /* initial values */
};

/* --- probes --- */

/* A definition starts with one of these fields. */
static bool probe(const unsigned char *data, size_t size_bytes)
{
    static const char *const starts[] = {"debug_info", "force_backward", "input", "input_dim", "input_shape",
                                         "layer",      "layers",         "name",  "state"};
    struct tf2__lex lex;
    struct tf2__lex_token first, second;
    tf2__lex_start(&lex, (const char *)data, TF2__MIN(size_bytes, (size_t)1 << 20));
    tf2__lex_next(&lex, &first);
    tf2__lex_next(&lex, &second);
    if (first.kind != TF2__LEX_NAME || second.kind != TF2__LEX_PUNCTUATION || !memchr(":{<", *second.text, 3))
        return false;
    for (size_t i = 0; i < TF2__COUNT(starts); i++) {
        if (first.n == strlen(starts[i]) && memcmp(first.text, starts[i], first.n) == 0)
            return true;
    }
    return false;
}

/* A protobuf varint; false at the end of the data. */
static bool read_varint(const unsigned char **at, const unsigned char *end, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
        unsigned char byte = *(*at)++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

/* NetParameter's fields with their wire types, as far as a look at the first few tells; there has to be a
 * layer. */
static bool probe_weights(const unsigned char *data, size_t size_bytes)
{
    const unsigned char *at = data, *end = data + size_bytes;
    int n_layers = 0, n_names = 0;
    uint64_t key, value;
    for (int i = 0; i < 64 && at < end; i++) {
        if (!read_varint(&at, end, &key) || !read_varint(&at, end, &value))
            return false;
        uint64_t field = key >> 3;
        bool is_length = (key & 7) == 2;
        bool is_number = (key & 7) == 0 && (field == 4 || field == 5 || field == 7);
        if (!is_number && !(is_length && (field <= 4 || field == 6 || field == 8 || field == 100) && field))
            return false;
        n_layers += field == 2 || field == 100;
        n_names += field == 1;
        if (n_names > 1)
            return false;
        if (is_length && value > (uint64_t)(end - at))
            break; /* cut, but it was one */
        at += is_length ? value : 0;
    }
    return n_layers > 0;
}

/* --- checks before building --- */

static void report_unknown(
    struct tf2__caffe *caffe, const struct tf2__prototxt_unknown *unknown,
    const struct tf2__caffe_layer *layer)
{
    int name_bytes = (int)TF2__MIN(unknown->name_bytes, (size_t)60);
    int value_bytes = (int)TF2__MIN(unknown->value_bytes, (size_t)60);
    if (unknown->value)
        tf2__report_add(
            &caffe->report, TF2_ERR_UNSUPPORTED, "line %u, column %u: %.*s cannot be '%.*s'", unknown->line,
            unknown->column, name_bytes, unknown->name, value_bytes, unknown->value);
    else if (layer)
        tf2__report_add(
            &caffe->report, TF2_ERR_UNSUPPORTED,
            "line %u, column %u: unknown field '%.*s' in layer '%.60s' (%.40s)", unknown->line,
            unknown->column, name_bytes, unknown->name, layer->name, layer->type);
    else
        tf2__report_add(
            &caffe->report, TF2_ERR_UNSUPPORTED, "line %u, column %u: unknown field '%.*s'", unknown->line,
            unknown->column, name_bytes, unknown->name);
}

/* Unknown fields outside of layers. */
static void check_file_fields(struct tf2__caffe *caffe)
{
    const struct tf2__prototxt *text = &caffe->text;
    for (size_t i = 0; i < text->n_unknown; i++) {
        if (text->unknown[i].at_top)
            report_unknown(caffe, &text->unknown[i], NULL);
    }
    for (size_t i = 0; i < text->n_places; i++) {
        const struct tf2__prototxt_place *place = &text->places[i];
        bool is_layer = place->message->descriptor == &tf2__caffe__layer_parameter__descriptor ||
                        place->message->descriptor == &tf2__caffe__v1_layer_parameter__descriptor;
        for (uint32_t k = 0; k < place->n_unknown && !is_layer; k++)
            report_unknown(caffe, &text->unknown[place->first_unknown + k], NULL);
    }
}

static void check_counts(struct tf2__caffe *caffe, struct tf2__caffe_layer *layer)
{
    const struct tf2__caffe_type *kind = layer->kind;
    size_t n_bottom = layer->param->n_bottom, n_top = layer->param->n_top;
    if (n_bottom < kind->min_bottoms || n_bottom > kind->max_bottoms)
        tf2__caffe_layer_problem(
            caffe, layer, TF2_ERR_UNSUPPORTED,
            kind->min_bottoms == kind->max_bottoms ? "%zu bottoms, wanted %u"
                                                   : "%zu bottoms, wanted at least %u",
            n_bottom, n_bottom > kind->max_bottoms ? kind->max_bottoms : kind->min_bottoms);
    if (n_top > kind->max_tops)
        tf2__caffe_layer_problem(
            caffe, layer, TF2_ERR_UNSUPPORTED, "%zu tops, at most %u supported", n_top, kind->max_tops);
    for (size_t i = 0; i < n_bottom; i++) {
        if (layer->in[i] == TF2__CAFFE_NO_VALUE)
            tf2__caffe_layer_problem(
                caffe, layer, TF2_ERR_GRAPH, "bottom '%.60s' is not made by an earlier layer",
                layer->param->bottom[i]);
    }
}

/* A layer type that cannot be imported, and where it is used. */
struct refused_type {
    const struct tf2__caffe_layer *first;
    uint32_t n_layers;
};

static void report_refused(struct tf2__caffe *caffe, const struct refused_type *refused)
{
    const struct tf2__caffe_layer *first = refused->first;
    const char *what = first->kind ? "reads its own data, use an Input layer (a deploy definition) instead"
                                   : "is not supported";
    if (refused->n_layers == 1)
        tf2__report_add(
            &caffe->report, TF2_ERR_UNSUPPORTED, "layer type %.40s %s (layer '%.60s', line %u)", first->type,
            what, first->name, first->place->line);
    else
        tf2__report_add(
            &caffe->report, TF2_ERR_UNSUPPORTED,
            "layer type %.40s %s (%u layers, the first is '%.60s', line %u)", first->type, what,
            refused->n_layers, first->name, first->place->line);
}

/* Every type that cannot be imported, once. */
static enum tf2_status check_types(struct tf2__caffe *caffe, struct tf2_error *error)
{
    enum tf2_status status = TF2_OK;
    struct tf2__strmap numbers;
    uint32_t n_refused = 0;
    struct refused_type *refused = tf2__arena_alloc(&caffe->arena, caffe->n_layers, sizeof(*refused));
    if (!refused)
        return tf2__fail_memory(error, caffe->n_layers * sizeof(*refused), "layer types");
    tf2__strmap_init(&numbers, &caffe->env);
    for (uint32_t i = 0; i < caffe->n_layers && status == TF2_OK; i++) {
        const struct tf2__caffe_layer *layer = &caffe->layers[i];
        if (!layer->needed || (layer->kind && layer->kind->role != TF2__CAFFE_DATA))
            continue;
        uint32_t number = tf2__strmap_get(&numbers, layer->type);
        if (number == TF2__STRMAP_NONE) {
            number = n_refused++;
            refused[number].first = layer;
            if (!tf2__strmap_set(&numbers, layer->type, number))
                status = tf2__fail_memory(error, sizeof(*refused), "layer types");
        }
        refused[number].n_layers++;
    }
    tf2__strmap_finish(&numbers);
    for (uint32_t i = 0; i < n_refused; i++)
        report_refused(caffe, &refused[i]);
    return status;
}

static enum tf2_status check(struct tf2__caffe *caffe, struct tf2_error *error)
{
    check_file_fields(caffe);
    for (uint32_t i = 0; i < caffe->n_layers; i++) {
        struct tf2__caffe_layer *layer = &caffe->layers[i];
        if (!layer->needed) {
            tf2__log(
                &caffe->env, TF2_LOG_INFO, "%s: layer '%s' (%s) is not needed for the outputs",
                caffe->source->name, layer->name, layer->type);
            continue;
        }
        if (!layer->kind || layer->kind->role == TF2__CAFFE_DATA || layer->kind->role == TF2__CAFFE_VIDEO)
            continue; /* their own fields say where data is read */
        if (layer->kind->role == TF2__CAFFE_COMPUTE)
            check_counts(caffe, layer);
        if (layer->kind->role == TF2__CAFFE_SILENCE)
            tf2__caffe_layer_problem(caffe, layer, TF2_ERR_FORMAT, "it has tops");
        for (uint32_t k = 0; k < layer->place->n_unknown; k++) {
            report_unknown(caffe, &caffe->text.unknown[layer->place->first_unknown + k], layer);
            layer->broken = true;
        }
    }
    return check_types(caffe, error);
}

/* --- inputs, layers, outputs --- */

/* The shape to import an input with; false when it is unclear, which is reported. */
static bool choose_shape(
    struct tf2__caffe *caffe, const struct tf2__caffe_value *input, bool only, struct tf2_shape *shape)
{
    const struct tf2_shape *wanted = tf2__import_wanted_shape(caffe->options, input->blob, only);
    if (!wanted && !input->declared) {
        tf2__report_add(
            &caffe->report, TF2_ERR_SHAPE, "input '%.60s': the file does not say its shape: give one",
            input->blob);
        return false;
    }
    if (wanted && input->declared && wanted->n_dims != input->declared->n_dims) {
        tf2__report_add(
            &caffe->report, TF2_ERR_SHAPE,
            "input '%.60s': a shape of %u dimensions is given, the file has %u", input->blob, wanted->n_dims,
            input->declared->n_dims);
        return false;
    }
    *shape = wanted ? *wanted : *input->declared;
    if (!wanted)
        shape->dim[0] = 1;
    for (uint32_t d = 0; d < shape->n_dims && !wanted; d++) {
        if (shape->dim[d] >= 1)
            continue;
        tf2__report_add(
            &caffe->report, TF2_ERR_SHAPE,
            "input '%.60s': the file leaves dimension %u open (%lld): give a shape", input->blob, d,
            (long long)shape->dim[d]);
        return false;
    }
    return true;
}

static void add_inputs(struct tf2__caffe *caffe)
{
    uint32_t n_needed = 0;
    for (uint32_t i = 0; i < caffe->n_values; i++)
        n_needed += caffe->values[i].layer == TF2__CAFFE_NO_LAYER && caffe->values[i].needed;
    for (uint32_t i = 0; i < caffe->n_values; i++) {
        struct tf2__caffe_value *input = &caffe->values[i];
        struct tf2_shape shape;
        struct tf2_error error;
        if (input->layer != TF2__CAFFE_NO_LAYER)
            continue;
        if (!input->needed) {
            tf2__log(
                &caffe->env, TF2_LOG_INFO, "%s: input '%s' is not needed for the outputs",
                caffe->source->name, input->blob);
            continue;
        }
        if (!caffe->file_batch && input->declared && input->declared->n_dims && input->declared->dim[0] > 0)
            caffe->file_batch = input->declared->dim[0];
        if (!choose_shape(caffe, input, n_needed == 1, &shape))
            continue;
        if (tf2_graph_add_input(caffe->graph, input->blob, TF2_DTYPE_F32, &shape, &input->tensor, &error) !=
            TF2_OK)
            tf2__report_add(&caffe->report, error.status, "input %s", error.message);
    }
}

/* Whether all that a layer reads has been built. */
static bool is_ready(const struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer)
{
    for (size_t i = 0; i < layer->param->n_bottom; i++) {
        if (layer->in[i] == TF2__CAFFE_NO_VALUE || caffe->values[layer->in[i]].tensor == TF2_NO_TENSOR)
            return false;
    }
    return true;
}

static enum tf2_status build_layers(struct tf2__caffe *caffe, struct tf2_error *error)
{
    for (uint32_t i = 0; i < caffe->n_layers; i++) {
        struct tf2__caffe_layer *layer = &caffe->layers[i];
        struct tf2_error problem = {0};
        if (!layer->needed || layer->broken || !layer->kind || layer->kind->role != TF2__CAFFE_COMPUTE ||
            !is_ready(caffe, layer))
            continue;
        bool missing_before = caffe->weights_missing;
        enum tf2_status status = layer->kind->import(caffe, layer, &problem);
        if (status == TF2_OK)
            status = tf2__caffe_check_no_blobs(caffe, layer, &problem);
        if (status == TF2_ERR_NO_MEMORY)
            return tf2__fail(error, status, "%s: %s", caffe->source->name, problem.message);
        if (status == TF2_OK)
            continue;
        if (status == TF2_ERR_NOT_FOUND && caffe->weights_missing) {
            if (!missing_before)
                tf2__report_add(
                    &caffe->report, TF2_ERR_INVALID_ARGUMENT,
                    "a Caffe definition has no weights: give the .caffemodel that belongs to it (layer '%.60s', "
                    "line %u, is the first that needs some)",
                    layer->name, layer->place->line);
            continue;
        }
        tf2__caffe_layer_problem(caffe, layer, status, "%s", problem.message);
    }
    return TF2_OK;
}

static enum tf2_status add_outputs(struct tf2__caffe *caffe, struct tf2_error *error)
{
    for (uint32_t i = 0; i < caffe->n_outputs; i++)
        TF2__TRY(tf2_graph_add_output(
            caffe->graph, caffe->values[caffe->outputs[i]].tensor, caffe->output_names[i], error));
    return TF2_OK;
}

/* --- entry --- */

static enum tf2_status build(struct tf2__caffe *caffe, struct tf2_error *error)
{
    struct tf2_error problem = {0};
    enum tf2_status status = tf2__caffe_weights_open(caffe, &problem);
    if (status == TF2_ERR_NO_MEMORY)
        return tf2__fail(error, status, "%s", problem.message);
    if (status != TF2_OK) {
        tf2__report_add(&caffe->report, status, "%s", problem.message);
        return TF2_OK;
    }
    add_inputs(caffe);
    return build_layers(caffe, error);
}

static enum tf2_status run(struct tf2__caffe *caffe, struct tf2_error *error)
{
    const struct tf2__source *source = caffe->source;
    TF2__TRY(tf2__prototxt_parse(
        &caffe->env, (const char *)source->data, source->size_bytes, &tf2__caffe__net_parameter__descriptor,
        ignored_fields, TF2__COUNT(ignored_fields), &caffe->text, &caffe->report, error));
    caffe->net = (const Tf2__Caffe__NetParameter *)caffe->text.message;
    bool readable = caffe->report.n_problems == 0;
    if (!caffe->text.cut) {
        TF2__TRY(tf2__caffe_net_read(caffe, error));
        TF2__TRY(check(caffe, error));
    }
    /* Wrong values would only lead to other problems. */
    if (readable && caffe->n_outputs)
        TF2__TRY(build(caffe, error));
    TF2__TRY(tf2__report_finish(&caffe->report, source->name, error));
    tf2__caffe_weights_log_unused(caffe);
    return add_outputs(caffe, error);
}

static enum tf2_status import(
    const struct tf2__source *source, const struct tf2_import_options *options, struct tf2_graph *graph,
    struct tf2_error *error)
{
    struct tf2__caffe *caffe = tf2__calloc(&graph->arena.env, 1, sizeof(*caffe));
    if (!caffe)
        return tf2__fail_memory(error, sizeof(*caffe), "a Caffe import");
    caffe->env = graph->arena.env;
    caffe->source = source;
    caffe->options = options;
    caffe->graph = graph;
    caffe->random_state = options->random_weights_seed;
    tf2__arena_init(&caffe->arena, &caffe->env);
    tf2__strmap_init(&caffe->blobs, &caffe->env);
    tf2__strmap_init(&caffe->suffixes, &caffe->env);

    enum tf2_status status = run(caffe, error);

    tf2__caffe_weights_close(caffe);
    tf2__strmap_finish(&caffe->suffixes);
    tf2__strmap_finish(&caffe->blobs);
    tf2__prototxt_finish(&caffe->text);
    tf2__arena_finish(&caffe->arena);
    tf2__free(&graph->arena.env, caffe);
    return status;
}

const struct tf2__importer tf2__importer_caffe = {
    .name = "Caffe",
    .files = "a Caffe .prototxt",
    .takes_weights = true,
    .probe = probe,
    .probe_weights = probe_weights,
    .import = import,
};
