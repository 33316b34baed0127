/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quantize_sim.c: the quantized network beside the float one, layer by layer, on the kept samples.
 *
 * Each node is run alone: once on the float network's values, once on the quantized network's, which are u8 wherever the
 * scheme says so. Sums of products are computed in float from the numbers that the integers stand for; that differs from
 * the integer arithmetic by float rounding only, and it runs on every device at the speed of float.
 *
 * So when a layer is looked at everything before it is final, and what the layer really gets and what it should give are
 * both there for all samples. That is what bias correction (Nagel et al. 2019, section 4.2, by measurement) and rounding
 * with compensation (gptq.c) need, in one pass over the network. Values are dropped after their last reader.
 */
#include "api/quantize.h"

#include <math.h>

#include "transform/quant/gptq.h"
#include "transform/quant/round.h"

/* One tensor, for every sample. */
struct value {
    float **ref;     /* the float network's */
    float **f32;     /* the quantized network's float form, where the tensor is no integer node's u8 output */
    uint8_t **u8;    /* its u8 form */
    size_t n;        /* elements */
    uint32_t n_uses; /* nodes still to read it, and 1 for an output */
};

struct state {
    struct tf2__sim *sim;
    const struct tf2__quantizer *q;
    const struct tf2__scheme *s;
    const struct tf2_graph *graph;
    size_t n_samples;
    struct value *values; /* per tensor */
    float **scratch;      /* one buffer per distinct input of a node */
    size_t scratch_n;     /* elements of each */
};

double tf2__fidelity_db(const struct tf2__fidelity *f)
{
    if (!isfinite(f->noise) || !isfinite(f->signal))
        return -200;
    if (!(f->noise > f->signal * 1e-20))
        return 200;
    return fmax(10 * log10(f->signal / f->noise), -200);
}

void tf2__fidelity_add(struct tf2__fidelity *f, const float *wanted, const float *found, size_t n)
{
    double signal = 0, noise = 0;
    for (size_t i = 0; i < n; i++) {
        double e = (double)wanted[i] - found[i];
        signal += (double)wanted[i] * wanted[i];
        noise += e * e;
    }
    f->signal += signal;
    f->noise += noise;
}

tf2_tensor_id tf2__quantizer_judged(const struct tf2_graph *graph, uint32_t index)
{
    tf2_tensor_id t = graph->outputs[index].tensor;
    uint32_t producer = graph->tensors[t].producer;
    if (producer == TF2__NO_NODE || graph->nodes[producer].op->id != TF2_OP_SOFTMAX)
        return t;
    return graph->nodes[producer].in[0];
}

/* ---- memory ---- */

static enum tf2_status
alloc_buffers(const struct state *st, size_t n_bytes, void ***buffers, struct tf2_error *error)
{
    *buffers = tf2__calloc(&st->q->env, st->n_samples, sizeof(**buffers));
    for (size_t s = 0; *buffers && s < st->n_samples; s++) {
        (*buffers)[s] = tf2__alloc(&st->q->env, n_bytes);
        if (!(*buffers)[s])
            return tf2__fail_memory(error, n_bytes, "a tensor");
    }
    return *buffers ? TF2_OK : tf2__fail_memory(error, st->n_samples * sizeof(**buffers), "tensors");
}

#define ALLOC_BUFFERS(st, value, what, error)                                                                \
    alloc_buffers(st, (value)->n * sizeof(**(value)->what), (void ***)&(value)->what, error)

static void free_buffers(const struct state *st, void ***buffers)
{
    for (size_t s = 0; *buffers && s < st->n_samples; s++)
        tf2__free(&st->q->env, (*buffers)[s]);
    tf2__free(&st->q->env, *buffers);
    *buffers = NULL;
}

static void free_value(const struct state *st, struct value *v)
{
    free_buffers(st, (void ***)&v->ref);
    free_buffers(st, (void ***)&v->f32);
    free_buffers(st, (void ***)&v->u8);
}

/* ---- between floats and u8 ---- */

/* Channels of one image, and elements of a channel, for zero points per channel. */
static void channel_extents(const struct tf2_shape *shape, int64_t *n_channels, int64_t *n_inner)
{
    *n_channels = shape->n_dims >= 2 ? shape->dim[1] : 1;
    *n_inner =
        shape->n_dims >= 2 ? tf2_shape_count(shape) / shape->dim[0] / *n_channels : tf2_shape_count(shape);
}

static void to_u8(const struct state *st, tf2_tensor_id t, const float *x, uint8_t *q)
{
    const struct tf2__quant *quant = &st->s->quant[t];
    const float *offset = st->s->offset[t];
    const double inverse = 1 / (double)quant->scale;
    int64_t n_channels, n_inner, n = tf2_shape_count(&st->graph->tensors[t].shape);
    channel_extents(&st->graph->tensors[t].shape, &n_channels, &n_inner);
    for (int64_t first = 0; first < n; first += n_inner) {
        int64_t c = first / n_inner % n_channels;
        int32_t zero_point = quant->channel_zero_point ? quant->channel_zero_point[c] : quant->zero_point;
        double shift = offset ? offset[c] : 0;
        for (int64_t i = first; i < first + n_inner; i++)
            q[i] = tf2__to_u8(x[i] - shift, inverse, zero_point);
    }
}

/* Without the offset: the readers' biases have it. */
static void from_u8(const struct state *st, tf2_tensor_id t, const uint8_t *q, float *x)
{
    const struct tf2__quant *quant = &st->s->quant[t];
    int64_t n_channels, n_inner, n = tf2_shape_count(&st->graph->tensors[t].shape);
    channel_extents(&st->graph->tensors[t].shape, &n_channels, &n_inner);
    for (int64_t first = 0; first < n; first += n_inner) {
        int64_t c = first / n_inner % n_channels;
        int32_t zero_point = quant->channel_zero_point ? quant->channel_zero_point[c] : quant->zero_point;
        for (int64_t i = first; i < first + n_inner; i++)
            x[i] = (float)(q[i] - zero_point) * quant->scale;
    }
}

/* ---- running one node ---- */

enum source {
    FLOAT_VALUES,     /* the float network's */
    QUANTIZED_VALUES, /* the quantized network's */
    ALONE,            /* the float network's, rounded to u8 where the node reads u8 */
};

/* What node `index` reads of tensor t; made in `scratch` if it is not there as floats. */
static const float *fetch(
    const struct state *st, uint32_t index, tf2_tensor_id t, size_t sample, enum source source,
    float *scratch)
{
    const struct value *v = &st->values[t];
    if (source == FLOAT_VALUES)
        return v->ref[sample];
    if (source == QUANTIZED_VALUES && !st->s->on_int[index] && v->f32)
        return v->f32[sample];
    if (source == QUANTIZED_VALUES) {
        from_u8(st, t, v->u8[sample], scratch);
        return scratch;
    }
    if (!st->s->on_int[index])
        return v->ref[sample];
    uint8_t *q = (uint8_t *)(scratch + v->n); /* room for it is behind the floats */
    to_u8(st, t, v->ref[sample], q);
    from_u8(st, t, q, scratch);
    return scratch;
}

/* The distinct data inputs, in the order of tf2__quant_isolate. */
static uint32_t find_inputs(const struct state *st, const struct tf2__node *node, tf2_tensor_id *inputs)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < node->n_in; k++) {
        bool known = !tf2__scheme_is_data(st->graph, node, k);
        for (uint32_t i = 0; i < n && !known; i++)
            known = inputs[i] == node->in[k];
        if (!known)
            inputs[n++] = node->in[k];
    }
    return n;
}

static enum tf2_status run_sample(
    const struct state *st, uint32_t index, struct tf2__runner *runner, enum source source, size_t sample,
    float *out, struct tf2_error *error)
{
    tf2_tensor_id tensors[TF2_MAX_NODE_INPUTS];
    const void *inputs[TF2_MAX_NODE_INPUTS] = {&(float){0}};
    uint32_t n = find_inputs(st, &st->graph->nodes[index], tensors);
    for (uint32_t i = 0; i < n; i++)
        inputs[i] = fetch(st, index, tensors[i], sample, source, st->scratch[i]);
    return tf2_session_run(runner->session, inputs, (void *const[]){out}, error);
}

static enum tf2_status open_node(
    const struct state *st, uint32_t index, bool integers, struct tf2__runner *runner,
    struct tf2_error *error)
{
    const struct tf2__node *node = &st->graph->nodes[index];
    struct tf2_graph *graph;
    bool weights = integers && st->s->on_int[index] && tf2__scheme_has_weights(node);
    TF2__TRY(tf2__quant_isolate(st->graph, node, weights ? &st->s->weights[index] : NULL, &graph, error));
    return tf2__runner_open(st->q, &graph, runner, error);
}

/* All samples; outs[sample] is before the activation. */
static enum tf2_status run_node(
    const struct state *st, uint32_t index, struct tf2__runner *runner, enum source source, size_t n_samples,
    float *const *outs, struct tf2_error *error)
{
    enum tf2_status status = TF2_OK;
    for (size_t s = 0; s < n_samples && status == TF2_OK; s++)
        status = run_sample(st, index, runner, source, s, outs[s], error);
    return status;
}

/* The tables of an element-wise node, from u8 to u8. */
static void run_table(const struct state *st, uint32_t index, const uint8_t *x, uint8_t *y)
{
    const struct tf2__node *node = &st->graph->nodes[index];
    const int64_t n_tables = tf2__scheme_tables(st->graph, node);
    int64_t n_channels, n_inner, n = tf2_shape_count(&st->graph->tensors[node->out].shape);
    uint8_t table[256];
    channel_extents(&st->graph->tensors[node->out].shape, &n_channels, &n_inner);
    for (int64_t c = 0; c < n_channels; c++) {
        if (c == 0 || n_tables > 1)
            tf2__scheme_table(
                st->graph, node, c, &st->s->quant[node->in[0]], &st->s->quant[node->out], table);
        for (int64_t first = c * n_inner; first < n; first += n_channels * n_inner) {
            for (int64_t i = first; i < first + n_inner; i++)
                y[i] = table[x[i]];
        }
    }
}

/* ---- corrections ---- */

/* Per channel: sums over all samples and positions, to fit the float network's results to the quantized one's. */
struct moments {
    double ref, out, ref_out, out_out;
};

static void add_moments(
    const struct tf2_shape *shape, uint32_t dim, const float *ref, const float *out, struct moments *m)
{
    int64_t n_inner = 1, n = tf2_shape_count(shape), n_channels = shape->dim[dim];
    for (uint32_t d = dim + 1; d < shape->n_dims; d++)
        n_inner *= shape->dim[d];
    for (int64_t first = 0; first < n; first += n_inner) {
        struct moments *at = &m[first / n_inner % n_channels];
        for (int64_t i = first; i < first + n_inner; i++) {
            at->ref += ref[i];
            at->out += out[i];
            at->ref_out += (double)ref[i] * out[i];
            at->out_out += (double)out[i] * out[i];
        }
    }
}

/* x = factor * x + shift per channel. */
static void
transform(const struct tf2_shape *shape, uint32_t dim, const double *factor, const double *shift, float *x)
{
    int64_t n_inner = 1, n = tf2_shape_count(shape), n_channels = shape->dim[dim];
    for (uint32_t d = dim + 1; d < shape->n_dims; d++)
        n_inner *= shape->dim[d];
    for (int64_t first = 0; first < n; first += n_inner) {
        int64_t c = first / n_inner % n_channels;
        for (int64_t i = first; i < first + n_inner; i++)
            x[i] = (float)(factor[c] * x[i] + shift[c]);
    }
}

/*
 * Fits every channel to the float network's by least squares: a shift, which goes into the bias, and a factor, which
 * goes into the weights' scale (not where a residual is added: it cannot be scaled). Rounding and cutting off make the
 * quantized network's values smaller or larger on average; later layers would see that as a change of contrast.
 */
static enum tf2_status correct_bias(
    const struct state *st, uint32_t index, float *const *ref, float *const *out, struct tf2_error *error)
{
    const struct tf2__node *node = &st->graph->nodes[index];
    const struct tf2_shape *shape = &st->graph->tensors[node->out].shape;
    const uint32_t dim = tf2__scheme_bias_dim(st->graph, node);
    const size_t n_channels = (size_t)shape->dim[dim];
    const double n = (double)st->n_samples * (double)tf2_shape_count(shape) / (double)n_channels;
    const bool scalable = node->n_in < 4 || node->in[3] == TF2_NO_TENSOR;
    struct tf2__int_weights *w = &st->s->weights[index];
    struct moments *m = tf2__arena_alloc(st->s->arena, n_channels, sizeof(*m));
    double *factor = tf2__arena_alloc(st->s->arena, n_channels, sizeof(*factor));
    double *shift = tf2__arena_alloc(st->s->arena, n_channels, sizeof(*shift));
    if (!m || !factor || !shift)
        return tf2__fail_memory(error, n_channels * sizeof(*m), "means of channels");
    for (size_t s = 0; s < st->n_samples; s++)
        add_moments(shape, dim, ref[s], out[s], m);
    for (size_t c = 0; c < n_channels; c++) {
        double variance = m[c].out_out / n - m[c].out / n * (m[c].out / n);
        double covariance = m[c].ref_out / n - m[c].ref / n * (m[c].out / n);
        factor[c] = 1;
        if (scalable && variance > 1e-12 * m[c].out_out / n && n >= 16)
            factor[c] = fmin(fmax(covariance / variance, 0.9), 1.1);
        float scale = (float)(w->scale[c] * factor[c]);
        factor[c] = scale / (double)w->scale[c];
        shift[c] = (m[c].ref - factor[c] * m[c].out) / n;
        w->scale[c] = scale;
        w->bias[c] = factor[c] * w->bias[c] + shift[c];
    }
    for (size_t s = 0; s < st->n_samples; s++)
        transform(shape, dim, factor, shift, out[s]);
    return TF2_OK;
}

/* ---- one node in all forms ---- */

static void activate(const struct tf2_activation *a, float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (a->kind == TF2_ACTIVATION_RELU)
            x[i] = x[i] > 0 ? x[i] : 0;
        else
            x[i] = (float)tf2__activation_value(a, x[i]);
    }
}

static void
activate_all(const struct state *st, const struct tf2__node *node, float *const *x, size_t n_samples)
{
    for (size_t s = 0; node->activation.kind != TF2_ACTIVATION_NONE && s < n_samples; s++)
        activate(&node->activation, x[s], st->values[node->out].n);
}

/* What the node's output is for its readers in the end, as floats. */
static const float *settled(const struct state *st, tf2_tensor_id t, size_t sample, float *scratch)
{
    const struct value *v = &st->values[t];
    if (v->f32)
        return v->f32[sample];
    from_u8(st, t, v->u8[sample], scratch);
    return scratch;
}

static void measure(const struct state *st, tf2_tensor_id t)
{
    const struct value *v = &st->values[t];
    for (size_t s = 0; s < st->n_samples; s++)
        tf2__fidelity_add(&st->sim->tensors[t], v->ref[s], settled(st, t, s, st->scratch[0]), v->n);
}

/* Runs the node alone on what the float network gives it: own_noise gets its results, before the activation. */
static enum tf2_status
run_alone(const struct state *st, uint32_t index, struct tf2__runner *runner, struct tf2_error *error)
{
    struct tf2__sim *sim = st->sim;
    const struct value *v = &st->values[st->graph->nodes[index].out];
    for (size_t s = 0; s < TF2__MIN(sim->n_own, st->n_samples); s++) {
        float **own = &sim->own_noise[index * sim->n_own + s];
        *own = tf2__arena_alloc(st->s->arena, v->n, sizeof(**own));
        if (!*own)
            return tf2__fail_memory(error, v->n * sizeof(**own), "a layer's own error");
        if (runner->session)
            TF2__TRY(run_sample(st, index, runner, ALONE, s, *own, error));
    }
    return TF2_OK;
}

/* From there to the error that the node makes when all others are float. The reference has its activation. */
static void measure_alone(const struct state *st, uint32_t index)
{
    struct tf2__sim *sim = st->sim;
    const struct tf2__node *node = &st->graph->nodes[index];
    const struct value *v = &st->values[node->out];
    const bool table = tf2__scheme_tables(st->graph, node) > 0;
    uint8_t *q = (uint8_t *)(st->scratch[0] + v->n);
    for (size_t s = 0; s < TF2__MIN(sim->n_own, st->n_samples); s++) {
        float *own = sim->own_noise[index * sim->n_own + s];
        if (table) {
            to_u8(st, node->in[0], st->values[node->in[0]].ref[s], q);
            run_table(st, index, q, q);
        } else {
            activate(&node->activation, own, v->n);
        }
        if (st->s->as_u8[node->out]) {
            if (!table)
                to_u8(st, node->out, own, q);
            from_u8(st, node->out, q, own);
        }
        tf2__fidelity_add(&sim->own[index], v->ref[s], own, v->n);
        for (size_t i = 0; i < v->n; i++)
            own[i] -= v->ref[s][i];
    }
}

/* From the quantized network's float result to the forms that the scheme wants. */
static enum tf2_status settle(const struct state *st, uint32_t index, struct tf2_error *error)
{
    const struct tf2__node *node = &st->graph->nodes[index];
    struct value *v = &st->values[node->out];
    if (!st->s->as_u8[node->out])
        return TF2_OK;
    TF2__TRY(ALLOC_BUFFERS(st, v, u8, error));
    for (size_t s = 0; s < st->n_samples; s++)
        to_u8(st, node->out, v->f32[s], v->u8[s]);
    if (st->s->on_int[index])
        free_buffers(st, (void ***)&v->f32);
    return TF2_OK;
}

static enum tf2_status simulate_table(const struct state *st, uint32_t index, struct tf2_error *error)
{
    const struct tf2__node *node = &st->graph->nodes[index];
    struct value *v = &st->values[node->out];
    TF2__TRY(ALLOC_BUFFERS(st, v, u8, error));
    for (size_t s = 0; s < st->n_samples; s++)
        run_table(st, index, st->values[node->in[0]].u8[s], v->u8[s]);
    return TF2_OK;
}

/* Rounds the layer's weights again, making up for errors with what the layer really reads. */
static enum tf2_status compensate(const struct state *st, uint32_t index, struct tf2_error *error)
{
    const struct tf2__node *node = &st->graph->nodes[index];
    struct tf2__gptq *gptq;
    TF2__TRY(tf2__gptq_create(st->graph, node, &st->q->env, &gptq, error));
    for (size_t s = 0; gptq && s < st->n_samples; s++)
        tf2__gptq_add(gptq, fetch(st, index, node->in[0], s, QUANTIZED_VALUES, st->scratch[0]));
    enum tf2_status status = gptq ? tf2__gptq_round(gptq, &st->s->weights[index], error) : TF2_OK;
    tf2__gptq_destroy(&gptq);
    return status;
}

/* The layer with integer weights. */
static enum tf2_status simulate_layer(const struct state *st, uint32_t index, struct tf2_error *error)
{
    const struct tf2__node *node = &st->graph->nodes[index];
    struct value *v = &st->values[node->out];
    struct tf2__runner runner = {0};
    if (st->sim->gptq)
        TF2__TRY(compensate(st, index, error));
    TF2__TRY(open_node(st, index, true, &runner, error));
    enum tf2_status status = run_node(st, index, &runner, QUANTIZED_VALUES, st->n_samples, v->f32, error);
    if (status == TF2_OK && st->sim->n_own)
        status = run_alone(st, index, &runner, error);
    tf2__runner_close(&runner);
    if (status == TF2_OK && st->sim->correct) /* the layer's own error is measured without it */
        status = correct_bias(st, index, v->ref, v->f32, error);
    activate_all(st, node, v->ref, st->n_samples);
    activate_all(st, node, v->f32, st->n_samples);
    if (status == TF2_OK && st->sim->n_own)
        measure_alone(st, index);
    return status == TF2_OK ? settle(st, index, error) : status;
}

static enum tf2_status
simulate_other(const struct state *st, uint32_t index, struct tf2__runner *runner, struct tf2_error *error)
{
    const struct tf2__node *node = &st->graph->nodes[index];
    struct value *v = &st->values[node->out];
    const bool table = st->s->on_int[index] && tf2__scheme_tables(st->graph, node) > 0;
    activate_all(st, node, v->ref, st->n_samples);
    if (table) {
        TF2__TRY(simulate_table(st, index, error));
    } else {
        TF2__TRY(ALLOC_BUFFERS(st, v, f32, error));
        TF2__TRY(run_node(st, index, runner, QUANTIZED_VALUES, st->n_samples, v->f32, error));
        activate_all(st, node, v->f32, st->n_samples);
    }
    if (st->sim->n_own && st->s->on_int[index]) {
        TF2__TRY(run_alone(st, index, table ? &(struct tf2__runner){0} : runner, error));
        measure_alone(st, index);
    }
    return table ? TF2_OK : settle(st, index, error);
}

static enum tf2_status simulate_node(const struct state *st, uint32_t index, struct tf2_error *error)
{
    const struct tf2__node *node = &st->graph->nodes[index];
    struct value *v = &st->values[node->out];
    struct tf2__runner runner = {0};
    const bool layer = st->s->on_int[index] && tf2__scheme_has_weights(node);
    TF2__TRY(ALLOC_BUFFERS(st, v, ref, error));
    if (layer)
        TF2__TRY(ALLOC_BUFFERS(st, v, f32, error));
    TF2__TRY(open_node(st, index, false, &runner, error));
    enum tf2_status status = run_node(st, index, &runner, FLOAT_VALUES, st->n_samples, v->ref, error);
    if (status == TF2_OK && !layer)
        status = simulate_other(st, index, &runner, error);
    tf2__runner_close(&runner);
    if (status == TF2_OK && layer)
        status = simulate_layer(st, index, error);
    if (status == TF2_OK)
        measure(st, node->out);
    return status;
}

/* ---- the whole network ---- */

static enum tf2_status load_inputs(const struct state *st, struct tf2_error *error)
{
    const uint32_t n_inputs = st->graph->n_inputs;
    for (uint32_t i = 0; i < n_inputs; i++) {
        tf2_tensor_id t = st->graph->inputs[i];
        struct value *v = &st->values[t];
        const bool u8 = st->s->as_u8[t];
        TF2__TRY(ALLOC_BUFFERS(st, v, ref, error));
        TF2__TRY(ALLOC_BUFFERS(st, v, f32, error));
        if (u8)
            TF2__TRY(ALLOC_BUFFERS(st, v, u8, error));
        for (size_t s = 0; s < st->n_samples; s++) {
            memcpy(v->ref[s], st->q->samples[s * n_inputs + i], v->n * sizeof(float));
            memcpy(v->f32[s], v->ref[s], v->n * sizeof(float));
            if (u8)
                to_u8(st, t, v->ref[s], v->u8[s]);
        }
        measure(st, t);
    }
    return TF2_OK;
}

static void release_inputs(const struct state *st, const struct tf2__node *node)
{
    for (uint32_t k = 0; k < node->n_in; k++) {
        if (tf2__scheme_is_data(st->graph, node, k) && --st->values[node->in[k]].n_uses == 0)
            free_value(st, &st->values[node->in[k]]);
    }
    if (st->values[node->out].n_uses == 0)
        free_value(st, &st->values[node->out]);
}

static void judge(const struct state *st)
{
    for (uint32_t i = 0; i < st->graph->n_outputs; i++) {
        tf2_tensor_id t = tf2__quantizer_judged(st->graph, i);
        st->sim->outputs.signal += st->sim->tensors[t].signal;
        st->sim->outputs.noise += st->sim->tensors[t].noise;
    }
}

static enum tf2_status init_state(struct state *st, struct tf2_error *error)
{
    const struct tf2_graph *graph = st->graph;
    struct tf2__sim *sim = st->sim;
    struct tf2__arena *arena = st->s->arena;
    uint32_t most_inputs = 1;
    size_t largest = 1;
    st->values = tf2__arena_alloc(arena, graph->n_tensors, sizeof(*st->values));
    sim->tensors = tf2__arena_alloc(arena, graph->n_tensors, sizeof(*sim->tensors));
    sim->own = tf2__arena_alloc(arena, graph->n_nodes, sizeof(*sim->own));
    sim->own_noise = tf2__arena_alloc(arena, graph->n_nodes * sim->n_own, sizeof(*sim->own_noise));
    if (!st->values || !sim->tensors || !sim->own || !sim->own_noise)
        return tf2__fail_memory(error, graph->n_tensors * sizeof(*st->values), "a simulation");
    for (uint32_t t = 0; t < graph->n_tensors; t++) {
        st->values[t].n = (size_t)tf2_shape_count(&graph->tensors[t].shape);
        if (!graph->tensors[t].data)
            largest = TF2__MAX(largest, st->values[t].n);
    }
    for (uint32_t i = 0; i < graph->n_nodes; i++) {
        const struct tf2__node *node = &graph->nodes[i];
        most_inputs = TF2__MAX(most_inputs, node->n_in);
        for (uint32_t k = 0; k < node->n_in; k++) {
            if (tf2__scheme_is_data(graph, node, k))
                st->values[node->in[k]].n_uses++;
        }
    }
    st->scratch = tf2__arena_alloc(arena, most_inputs, sizeof(*st->scratch));
    for (uint32_t k = 0; st->scratch && k < most_inputs; k++) {
        st->scratch[k] = tf2__arena_alloc(arena, largest, sizeof(float) + 1);
        if (!st->scratch[k])
            return tf2__fail_memory(error, largest * sizeof(float), "a tensor");
    }
    return st->scratch ? TF2_OK : tf2__fail_memory(error, sizeof(*st->scratch), "tensors");
}

enum tf2_status tf2__sim_run(struct tf2__sim *sim, struct tf2_error *error)
{
    struct state st = {
        .sim = sim, .q = sim->q, .s = sim->scheme, .graph = sim->scheme->graph, .n_samples = sim->q->n_kept};
    enum tf2_status status = init_state(&st, error);
    sim->outputs = (struct tf2__fidelity){0};
    if (status == TF2_OK)
        status = load_inputs(&st, error);
    for (uint32_t i = 0; i < st.graph->n_nodes && status == TF2_OK; i++) {
        tf2__quantizer_progress(sim->q, sim->stage, i, st.graph->n_nodes);
        status = simulate_node(&st, i, error);
        if (status == TF2_OK)
            release_inputs(&st, &st.graph->nodes[i]);
    }
    if (status == TF2_OK) {
        tf2__quantizer_progress(sim->q, sim->stage, st.graph->n_nodes, st.graph->n_nodes);
        judge(&st);
    }
    for (uint32_t t = 0; st.values && t < st.graph->n_tensors; t++)
        free_value(&st, &st.values[t]);
    return status;
}
