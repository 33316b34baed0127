/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quantize_mixed.c: mixed precision. Layers go back to float, those with the largest share of the output's error first,
 * until the model is good enough. How many it takes is found by doubling, then by halving the interval; each number is
 * tried for real, with biases corrected anew.
 */
#include "api/quantize.h"

struct ladder {
    struct tf2__quantizer *q;
    const struct tf2__attempt *first;
    uint32_t *order; /* nodes, the worst first */
    uint32_t n;
    bool *forced; /* per node */
};

/* Layers that compute: moving and pooling bytes in float between integer layers gains nothing. */
static bool is_candidate(const struct tf2__scheme *s, uint32_t node)
{
    const struct tf2__node *n = &s->graph->nodes[node];
    return s->on_int[node] &&
           (tf2__scheme_has_weights(n) || n->op->id == TF2_OP_ELTWISE || tf2__scheme_tables(s->graph, n) > 0);
}

static enum tf2_status order_nodes(struct ladder *l, const double *noise, struct tf2_error *error)
{
    const struct tf2__scheme *s = &l->first->scheme;
    const uint32_t n = s->graph->n_nodes;
    l->order = tf2__arena_alloc(&l->q->arena, n, sizeof(*l->order));
    l->forced = tf2__arena_alloc(&l->q->arena, n, sizeof(*l->forced));
    if (!l->order || !l->forced)
        return tf2__fail_memory(error, n * sizeof(*l->order), "mixed precision");
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = l->n;
        if (!is_candidate(s, i))
            continue;
        for (; at > 0 && noise[l->order[at - 1]] < noise[i]; at--)
            l->order[at] = l->order[at - 1];
        l->order[at] = i;
        l->n++;
    }
    return TF2_OK;
}

/* Parts of an attempt point to each other. */
static void move_attempt(struct tf2__attempt *to, const struct tf2__attempt *from)
{
    *to = *from;
    to->scheme.arena = &to->arena;
    to->sim.scheme = &to->scheme;
}

/* With the n worst nodes in float; *good: it keeps the limit, and *best is this attempt. */
static enum tf2_status
try_rung(struct ladder *l, uint32_t n, struct tf2__attempt *best, bool *good, struct tf2_error *error)
{
    struct tf2__quantizer *q = l->q;
    struct tf2__attempt attempt = {0};
    for (uint32_t i = 0; i < l->first->scheme.graph->n_nodes; i++)
        l->forced[i] = q->forced_float[i];
    for (uint32_t i = 0; i < n; i++)
        l->forced[l->order[i]] = true;
    enum tf2_status status = tf2__attempt_make(q, l->forced, &l->first->scheme, 0, &attempt, error);
    *good = status == TF2_OK && tf2__verdict_drop(&attempt.verdict) <= q->options.max_drop_percent;
    if (!*good) {
        tf2__attempt_finish(&attempt);
        return status;
    }
    tf2__attempt_finish(best);
    move_attempt(best, &attempt);
    return TF2_OK;
}

enum tf2_status tf2__quantizer_relax(
    struct tf2__quantizer *q, const double *noise, struct tf2__attempt *attempt, bool *fell_back,
    struct tf2_error *error)
{
    struct ladder l = {.q = q, .first = attempt};
    struct tf2__attempt best = {0};
    uint32_t bad = 0, enough = 0;
    bool good = false;
    TF2__TRY(order_nodes(&l, noise, error));
    enum tf2_status status = TF2_OK;
    for (uint32_t n = 1; !good && bad < l.n && status == TF2_OK; n *= 2) {
        n = TF2__MIN(n, l.n);
        status = try_rung(&l, n, &best, &good, error);
        *(good ? &enough : &bad) = n;
    }
    while (good && enough - bad > 1 && status == TF2_OK) {
        uint32_t middle = bad + (enough - bad) / 2;
        bool fits = false;
        status = try_rung(&l, middle, &best, &fits, error);
        *(fits ? &enough : &bad) = middle;
    }
    if (status == TF2_OK && !good)
        status = tf2__fail(
            error, TF2_ERR_VALUE, "no choice of float layers keeps the drop below %g per cent",
            (double)q->options.max_drop_percent);
    if (status != TF2_OK) {
        tf2__attempt_finish(&best);
        return status;
    }
    for (uint32_t i = 0; i < enough; i++)
        fell_back[l.order[i]] = true;
    move_attempt(attempt, &best); /* the caller has the first one elsewhere too */
    return TF2_OK;
}
