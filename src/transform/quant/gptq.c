/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gptq.c: rounding with second-order compensation (Frantar et al., "GPTQ", 2022; Hassibi and Stork, "Second order
 * derivatives for network pruning: Optimal Brain Surgeon", 1993).
 *
 * A layer is a matrix product of weights and patches of its input. With H the sum of x x^T over patches x, rounding the
 * weights of one column changes the output by something that the columns not yet rounded can partly undo; the best they
 * can do is given by the inverse of H. With H^-1 = U^T U, U upper triangular, and e the error of column j,
 *
 *     w[k] -= e / U[j][j] * U[j][k]    for k > j
 *
 * U is the inverse of the upper triangular R with H = R R^T, which is a Cholesky factorization from the last row up.
 * Columns go in order of falling energy: errors of large ones are made up for by many.
 *
 * Patches are sampled evenly. A matrix of more than BLOCK columns is cut into blocks of columns that do not make up for
 * each other: time grows with the cube.
 */
#include "transform/quant/gptq.h"

#include <math.h>

#include "transform/op/window.h"
#include "transform/quant/round.h"

#define BLOCK             1024
#define MAX_PATCHES       4096
#define PATCHES_PER_INPUT 160
#define DAMPING           0.01 /* of the mean of H's diagonal */

struct tf2__gptq {
    struct tf2_env env;
    const float *weights;
    struct tf2__weights_extents e;
    struct tf2_shape x;
    bool is_conv;
    uint32_t n_spatial;
    struct tf2__window_dim dim[TF2_MAX_SPATIAL];
    size_t n_inputs; /* shown so far */
    size_t n_patches;
    float *patches; /* [n_groups][MAX_PATCHES][n_k] */
};

/* One block's work space. */
struct block {
    int64_t n;
    double *h;      /* [n, n] H, then R, then U */
    int64_t *order; /* column at each place */
    double *row;    /* the weights of one output in that order */
};

enum tf2_status tf2__gptq_create(
    const struct tf2_graph *graph, const struct tf2__node *node, const struct tf2_env *env,
    struct tf2__gptq **gptq, struct tf2_error *error)
{
    *gptq = NULL;
    if (node->op->id == TF2_OP_CONV_TRANSPOSE)
        return TF2_OK; /* a patch differs from phase to phase; rounded to nearest instead */
    struct tf2__gptq *g = tf2__calloc(env, 1, sizeof(*g));
    if (!g)
        return tf2__fail_memory(error, sizeof(*g), "rounding");
    g->env = *env;
    g->weights = tf2__graph_constant_f32(graph, node->in[1]);
    g->e = tf2__scheme_extents(graph, node);
    g->x = graph->tensors[node->in[0]].shape;
    g->is_conv = node->op->id == TF2_OP_CONV;
    enum tf2_status status = TF2_OK;
    if (g->is_conv)
        status = tf2__conv_resolve(
            node->attr, &g->x, &graph->tensors[node->in[1]].shape, g->dim, &g->n_spatial, error);
    size_t n_bytes = 0;
    if (status == TF2_OK &&
        (!tf2__mul_size((size_t)(g->e.n_groups * g->e.n_k), MAX_PATCHES * sizeof(float), &n_bytes) ||
         n_bytes > (size_t)1 << 30)) {
        tf2__gptq_destroy(&g); /* rounded to nearest instead */
        return TF2_OK;
    }
    g->patches = status == TF2_OK ? tf2__alloc(env, n_bytes) : NULL;
    if (status == TF2_OK && !g->patches)
        status = tf2__fail_memory(error, n_bytes, "patches");
    if (status != TF2_OK) {
        tf2__gptq_destroy(&g);
        return status;
    }
    *gptq = g;
    return TF2_OK;
}

void tf2__gptq_destroy(struct tf2__gptq **gptq)
{
    if (!*gptq)
        return;
    struct tf2_env env = (*gptq)->env;
    tf2__free(&env, (*gptq)->patches);
    tf2__free(&env, *gptq);
    *gptq = NULL;
}

/* One channel of a patch: all taps of the window at `position`, zero in the padding. */
static void copy_channel(const struct tf2__gptq *g, const float *x, const int64_t *position, float *patch)
{
    int64_t tap[TF2_MAX_SPATIAL] = {0};
    for (int64_t i = 0; i < g->e.n_taps; i++) {
        int64_t offset = 0;
        bool inside = true;
        for (uint32_t d = 0; d < g->n_spatial; d++) {
            int64_t at = position[d] * g->dim[d].stride - g->dim[d].pad_begin + tap[d] * g->dim[d].dilation;
            inside &= at >= 0 && at < g->dim[d].in;
            offset = offset * g->dim[d].in + at;
        }
        patch[i] = inside ? x[offset] : 0;
        for (uint32_t d = g->n_spatial; d-- > 0 && ++tap[d] == g->dim[d].kernel;)
            tap[d] = 0;
    }
}

static void copy_patch(struct tf2__gptq *g, const float *x, int64_t image, int64_t position)
{
    int64_t index[TF2_MAX_SPATIAL] = {0}, n_pixels = 1;
    for (uint32_t d = g->n_spatial; d-- > 0;) {
        index[d] = position % g->dim[d].out;
        position /= g->dim[d].out;
        n_pixels *= g->dim[d].in;
    }
    x += image * g->e.n_groups * g->e.n_in * n_pixels;
    for (int64_t group = 0; group < g->e.n_groups; group++) {
        float *patch = g->patches + (group * MAX_PATCHES + (int64_t)g->n_patches) * g->e.n_k;
        for (int64_t c = 0; c < g->e.n_in; c++)
            copy_channel(g, x + (group * g->e.n_in + c) * n_pixels, index, patch + c * g->e.n_taps);
    }
    g->n_patches++;
}

void tf2__gptq_add(struct tf2__gptq *g, const float *x)
{
    int64_t n_positions = 1, n_images = g->is_conv ? g->x.dim[0] : tf2_shape_count(&g->x) / g->e.n_k;
    for (uint32_t d = 0; d < g->n_spatial; d++)
        n_positions *= g->dim[d].out;
    /* Another place each time: the golden section spreads them. */
    double shift = (double)g->n_inputs * 0.6180339887498949, whole;
    shift = modf(shift, &whole);
    g->n_inputs++;
    const int64_t n_all = n_positions * n_images, n = TF2__MIN(n_all, PATCHES_PER_INPUT);
    for (int64_t i = 0; i < n && g->n_patches < MAX_PATCHES; i++) {
        int64_t at = TF2__MIN((int64_t)(((double)i + shift) * (double)n_all / (double)n), n_all - 1);
        if (g->is_conv) {
            copy_patch(g, x, at / n_positions, at % n_positions);
            continue;
        }
        memcpy(
            g->patches + (int64_t)g->n_patches++ * g->e.n_k, x + at * g->e.n_k,
            (size_t)g->e.n_k * sizeof(*x));
    }
}

/* H of the columns first .. first + b->n - 1 of a group, in the order of falling energy. */
static void make_h(const struct tf2__gptq *g, int64_t group, int64_t first, struct block *b, double *energy)
{
    const float *patches = g->patches + group * MAX_PATCHES * g->e.n_k + first;
    double mean = 0;
    memset(energy, 0, (size_t)b->n * sizeof(*energy));
    for (size_t p = 0; p < g->n_patches; p++) {
        for (int64_t k = 0; k < b->n; k++)
            energy[k] += (double)patches[(int64_t)p * g->e.n_k + k] * patches[(int64_t)p * g->e.n_k + k];
    }
    for (int64_t k = 0; k < b->n; k++) {
        int64_t at = k;
        for (; at > 0 && energy[b->order[at - 1]] < energy[k]; at--)
            b->order[at] = b->order[at - 1];
        b->order[at] = k;
        mean += energy[k] / (double)b->n;
    }
    memset(b->h, 0, (size_t)(b->n * b->n) * sizeof(*b->h));
    for (size_t p = 0; p < g->n_patches; p++) {
        const float *x = patches + (int64_t)p * g->e.n_k;
        for (int64_t k = 0; k < b->n; k++)
            b->row[k] = x[b->order[k]];
        for (int64_t i = 0; i < b->n; i++) {
            const double xi = b->row[i];
            double *h = b->h + i * b->n;
            for (int64_t k = i; xi != 0 && k < b->n; k++)
                h[k] += xi * b->row[k];
        }
    }
    for (int64_t i = 0; i < b->n; i++)
        b->h[i * b->n + i] += mean > 0 ? DAMPING * mean : 1;
}

/* H = R R^T in place (upper half), from the last column: R is upper triangular. Damping keeps pivots positive. */
static void factor(const struct block *b)
{
    for (int64_t j = b->n; j-- > 0;) {
        double pivot = sqrt(fmax(b->h[j * b->n + j], 1e-300));
        b->h[j * b->n + j] = pivot;
        for (int64_t i = 0; i < j; i++)
            b->h[i * b->n + j] /= pivot;
        /* The rest without what column j explains. Kept by rows of the upper half. */
        for (int64_t i = 0; i < j; i++)
            b->row[i] = b->h[i * b->n + j];
        for (int64_t i = 0; i < j; i++) {
            const double r = b->row[i];
            double *h = b->h + i * b->n;
            for (int64_t k = i; k < j; k++)
                h[k] -= r * b->row[k];
        }
    }
}

/* U = R^-1 in place, row by row from the last: row i of U is e_i minus R's row times the rows of U below, over R[i][i]. */
static void invert(const struct block *b)
{
    for (int64_t i = b->n; i-- > 0;) {
        double *u = b->h + i * b->n;
        const double pivot = 1 / u[i];
        memcpy(b->row, u, (size_t)b->n * sizeof(*u));
        memset(u, 0, (size_t)b->n * sizeof(*u));
        u[i] = 1;
        for (int64_t j = i + 1; j < b->n; j++) {
            const double r = b->row[j];
            const double *below = b->h + j * b->n;
            for (int64_t k = j; k < b->n; k++)
                u[k] -= r * below[k];
        }
        for (int64_t k = i; k < b->n; k++)
            u[k] *= pivot;
    }
}

static void round_row(const struct block *b, const float *w, double scale, int8_t *q)
{
    for (int64_t k = 0; k < b->n; k++)
        b->row[k] = w[b->order[k]];
    for (int64_t j = 0; j < b->n; j++) {
        const double *u = b->h + j * b->n;
        double steps = tf2__nearest(tf2__clamp(b->row[j] / scale, -127, 127));
        double e = (b->row[j] - steps * scale) / u[j];
        q[b->order[j]] = (int8_t)steps;
        for (int64_t k = j + 1; k < b->n; k++)
            b->row[k] -= e * u[k];
    }
}

static void round_block(
    const struct tf2__gptq *g, int64_t group, int64_t first, struct block *b,
    struct tf2__int_weights *weights)
{
    const int64_t per_group = g->e.n_out / g->e.n_groups;
    make_h(g, group, first, b, b->row);
    factor(b);
    invert(b);
    for (int64_t o = group * per_group; o < (group + 1) * per_group; o++)
        round_row(b, g->weights + o * g->e.n_k + first, weights->scale[o], weights->q + o * g->e.n_k + first);
}

enum tf2_status
tf2__gptq_round(struct tf2__gptq *g, struct tf2__int_weights *weights, struct tf2_error *error)
{
    const int64_t n = TF2__MIN(g->e.n_k, BLOCK);
    struct block b = {0};
    enum tf2_status status = TF2_OK;
    b.h = tf2__calloc(&g->env, (size_t)(n * n), sizeof(*b.h));
    b.order = tf2__calloc(&g->env, (size_t)n, sizeof(*b.order));
    b.row = tf2__calloc(&g->env, (size_t)n, sizeof(*b.row));
    if (!b.h || !b.order || !b.row)
        status = tf2__fail_memory(error, (size_t)(n * n) * sizeof(*b.h), "rounding");
    for (int64_t group = 0; group < g->e.n_groups && status == TF2_OK; group++) {
        for (int64_t first = 0; first < g->e.n_k; first += n) {
            b.n = TF2__MIN(n, g->e.n_k - first);
            round_block(g, group, first, &b, weights);
        }
    }
    tf2__free(&g->env, b.h);
    tf2__free(&g->env, b.order);
    tf2__free(&g->env, b.row);
    return status;
}
