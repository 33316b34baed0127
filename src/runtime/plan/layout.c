/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout.c: gives every tensor strides, and makes views of what need not be computed.
 *
 *  1. What halo each tensor's convolutions read, handed on through channel slices and concats.
 *  2. Concats claim their inputs, last concat first: a claimed input is written straight into its part.
 *  3. In step order: slices, reshapes, transposes and copies to outputs become views where strides can say it;
 *     everything else becomes a root with strides of its own.
 *
 * Steps that became views are dropped; concat inputs that could not be claimed are copied into their part.
 */
#include "runtime/plan/plan.h"

#include "transform/op/window.h"

struct need {
    int64_t begin[TF2_MAX_DIMS];
    int64_t end[TF2_MAX_DIMS];
};

struct claim {
    uint32_t parent; /* TF2_NO_TENSOR: none */
    uint32_t axis;
    int64_t start;
};

struct layout {
    struct tf2__plan *plan;
    struct need *need;   /* per tensor */
    struct claim *claim; /* per tensor */
    uint32_t *producer;  /* per tensor: its step + 1, 0 for none */
    bool *computed_with; /* per tensor: read by more than copies and transposes, which take any order */
    bool *dropped;       /* per step */
};

static bool raise_to(int64_t *value, int64_t other)
{
    if (other <= *value)
        return false;
    *value = other;
    return true;
}

static bool raise_need(struct need *need, const struct need *other)
{
    bool changed = false;
    for (uint32_t d = 0; d < TF2_MAX_DIMS; d++) {
        changed |= raise_to(&need->begin[d], other->begin[d]);
        changed |= raise_to(&need->end[d], other->end[d]);
    }
    return changed;
}

static bool has_need(const struct need *need)
{
    static const struct need none;
    return memcmp(need, &none, sizeof(none)) != 0;
}

static uint32_t normalize_axis(int32_t axis, uint32_t n_dims)
{
    return (uint32_t)(axis < 0 ? axis + (int32_t)n_dims : axis);
}

/* What a convolution reads beyond the borders of its input. */
static enum tf2_status conv_need(struct layout *l, const struct tf2__step *step, struct tf2_error *error)
{
    const struct tf2__plan_tensor *tensors = l->plan->tensors;
    struct tf2__window_dim dims[TF2_MAX_SPATIAL];
    uint32_t n;
    struct need need = {0};
    TF2__TRY(tf2__conv_resolve(
        step->node->attr, &tensors[step->in[0]].shape, &tensors[step->in[1]].shape, dims, &n, error));
    for (uint32_t d = 0; d < n; d++) {
        int64_t reach = (dims[d].out - 1) * dims[d].stride + (dims[d].kernel - 1) * dims[d].dilation + 1;
        need.begin[2 + d] = dims[d].pad_begin;
        need.end[2 + d] = TF2__MAX(reach - dims[d].pad_begin - dims[d].in, 0);
    }
    raise_need(&l->need[step->in[0]], &need);
    return TF2_OK;
}

/* The same of a transposed convolution: at the end also what no output takes, so that all phases read a whole map. */
static enum tf2_status deconv_need(struct layout *l, const struct tf2__step *step, struct tf2_error *error)
{
    const struct tf2__plan_tensor *tensors = l->plan->tensors;
    struct tf2__window_dim dims[TF2_MAX_SPATIAL];
    uint32_t n;
    struct need need = {0};
    TF2__TRY(tf2__conv_transpose_resolve(
        step->node->attr, &tensors[step->in[0]].shape, &tensors[step->in[1]].shape, dims, &n, error));
    for (uint32_t d = 0; d < n; d++) {
        int64_t reach = (dims[d].kernel - 1) * dims[d].dilation - dims[d].pad_begin;
        int64_t last = (dims[d].out - 1 + dims[d].pad_begin) / dims[d].stride;
        need.begin[2 + d] = TF2__MAX(reach, 0) / dims[d].stride;
        need.end[2 + d] = TF2__MAX(last - (dims[d].in - 1), 0);
    }
    raise_need(&l->need[step->in[0]], &need);
    return TF2_OK;
}

/* Whether the part that a slice takes spans all dimensions but N and C. */
static bool slices_channels_only(const struct tf2__plan *plan, const struct tf2__step *step)
{
    const struct tf2_shape *in = &plan->tensors[step->in[0]].shape;
    const struct tf2_shape *out = &plan->tensors[step->out].shape;
    for (uint32_t d = 2; d < in->n_dims; d++) {
        if (in->dim[d] != out->dim[d])
            return false;
    }
    return true;
}

static bool step_is(const struct tf2__step *step, enum tf2_op op)
{
    return step->kind == TF2__STEP_NODE && step->node->op->id == op;
}

static enum tf2_status find_needs(struct layout *l, struct tf2_error *error)
{
    struct tf2__plan *plan = l->plan;
    if (!plan->policy.halo)
        return TF2_OK;
    for (uint32_t i = 0; i < plan->n_steps; i++) {
        if (step_is(&plan->steps[i], TF2_OP_CONV))
            TF2__TRY(conv_need(l, &plan->steps[i], error));
        else if (step_is(&plan->steps[i], TF2_OP_CONV_TRANSPOSE))
            TF2__TRY(deconv_need(l, &plan->steps[i], error));
    }
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = plan->n_steps; i-- > 0;) {
            const struct tf2__step *step = &plan->steps[i];
            if (step_is(step, TF2_OP_SLICE) && slices_channels_only(plan, step))
                changed |= raise_need(&l->need[step->in[0]], &l->need[step->out]);
            if (!step_is(step, TF2_OP_CONCAT))
                continue;
            for (uint32_t k = 0; k < step->n_in; k++) {
                if (l->claim[step->in[k]].parent == step->out && l->claim[step->in[k]].axis <= 1)
                    changed |= raise_need(&l->need[step->out], &l->need[step->in[k]]);
            }
        }
    }
    return TF2_OK;
}

static bool may_claim(const struct layout *l, const struct tf2__step *concat, uint32_t k, uint32_t axis)
{
    uint32_t id = concat->in[k];
    const struct tf2__plan_tensor *tensor = &l->plan->tensors[id];
    const struct tf2__plan_tensor *joint = &l->plan->tensors[concat->out];
    if (tensor->data || tensor->dense || tensor->planar || !l->producer[id] ||
        l->claim[id].parent != TF2_NO_TENSOR || !tf2__quant_equal(&tensor->quant, &joint->quant))
        return false;
    for (uint32_t other = 0; other < concat->n_in; other++) {
        if (other != k && concat->in[other] == id)
            return false;
    }
    return axis <= 1 || !has_need(&l->need[id]);
}

static void claim_inputs(struct layout *l)
{
    for (uint32_t i = l->plan->n_steps; i-- > 0;) {
        const struct tf2__step *step = &l->plan->steps[i];
        if (!step_is(step, TF2_OP_CONCAT))
            continue;
        const struct tf2_axis_attr *attr = step->node->attr;
        uint32_t axis = normalize_axis(attr->axis, l->plan->tensors[step->out].shape.n_dims);
        int64_t start = 0;
        for (uint32_t k = 0; k < step->n_in; k++) {
            if (may_claim(l, step, k, axis))
                l->claim[step->in[k]] = (struct claim){.parent = step->out, .axis = axis, .start = start};
            start += l->plan->tensors[step->in[k]].shape.dim[axis];
        }
    }
}

/*
 * A part of a concat along a spatial axis cannot have a halo of its own. Needs that came to light through the
 * claims themselves give such claims up again.
 */
static bool give_up_claims(struct layout *l)
{
    bool any = false;
    for (uint32_t i = 0; i < l->plan->n_tensors; i++) {
        if (l->claim[i].parent == TF2_NO_TENSOR || l->claim[i].axis <= 1 || !has_need(&l->need[i]))
            continue;
        l->claim[i].parent = TF2_NO_TENSOR;
        any = true;
    }
    return any;
}

/* --- strides --- */

/* Order of dimensions in memory, outermost first. */
static void memory_order(const struct tf2__plan *plan, const struct tf2__plan_tensor *t, uint32_t *order)
{
    uint32_t n = t->shape.n_dims;
    bool channels_last = plan->policy.channels_last && !t->dense && !t->planar && n >= 3;
    for (uint32_t d = 0; d < n; d++)
        order[d] = d;
    if (!channels_last)
        return;
    for (uint32_t d = 1; d + 1 < n; d++)
        order[d] = d + 1;
    order[n - 1] = 1;
}

/* Unused lanes that make a pixel whole vectors: worth it once a vector is at least half full. */
static int64_t pad_lanes(const struct tf2__plan *plan, const struct tf2__plan_tensor *t)
{
    int64_t lanes = t->dtype == TF2_DTYPE_U8 ? plan->policy.lanes_u8 : plan->policy.lanes;
    if (!plan->policy.channels_last || t->dense || t->planar || t->shape.n_dims < 3 || lanes < 2)
        return 0;
    int64_t channels = t->shape.dim[1];
    return 2 * channels >= lanes ? tf2__round_up(channels, lanes) - channels : 0;
}

static enum tf2_status make_root(struct layout *l, uint32_t id, struct tf2_error *error)
{
    struct tf2__plan_tensor *t = &l->plan->tensors[id];
    uint32_t order[TF2_MAX_DIMS];
    int64_t stride = 1;
    memory_order(l->plan, t, order);
    t->root = id;
    t->offset = 0;
    t->room = pad_lanes(l->plan, t);
    for (uint32_t i = t->shape.n_dims; i-- > 0;) {
        uint32_t d = order[i];
        t->halo_begin[d] = t->dense ? 0 : l->need[id].begin[d];
        t->halo_end[d] = t->dense ? 0 : l->need[id].end[d];
        t->has_halo |= t->halo_begin[d] || t->halo_end[d];
        t->stride[d] = stride;
        t->offset += t->halo_begin[d] * stride;
        int64_t extent = t->shape.dim[d] + t->halo_begin[d] + t->halo_end[d];
        if (d == 1)
            extent += t->room;
        if (!tf2__mul_i64(stride, extent, &stride) || stride > INT32_MAX)
            return tf2__fail(error, TF2_ERR_SHAPE, "%s: with its padding above 2^31 elements", t->name);
    }
    t->n_elements = stride;
    if (t->reversed) {
        t->stride[1] = -t->stride[1];
        t->offset += t->shape.dim[1] - 1;
    }
    t->laid_out = true;
    return TF2_OK;
}

static void make_view(struct layout *l, uint32_t id, uint32_t of, int64_t shift, const int64_t *stride)
{
    struct tf2__plan_tensor *t = &l->plan->tensors[id];
    const struct tf2__plan_tensor *base = &l->plan->tensors[of];
    t->room = 0;
    t->root = base->root;
    t->offset = base->offset + shift;
    memcpy(t->stride, stride, sizeof(t->stride));
    t->laid_out = true;
}

/* A claimed tensor is a view of its concat's output, which may be claimed itself. */
static enum tf2_status lay_out(struct layout *l, uint32_t id, struct tf2_error *error)
{
    struct tf2__plan_tensor *tensors = l->plan->tensors;
    uint32_t chain[64];
    uint32_t n = 0;
    while (!tensors[id].laid_out && l->claim[id].parent != TF2_NO_TENSOR && n < TF2__COUNT(chain)) {
        chain[n++] = id;
        id = l->claim[id].parent;
    }
    if (!tensors[id].laid_out) {
        l->claim[id].parent = TF2_NO_TENSOR; /* only ever cut in a chain of more than 64 concats */
        TF2__TRY(make_root(l, id, error));
    }
    while (n-- > 0) {
        const struct claim *claim = &l->claim[chain[n]];
        const struct tf2__plan_tensor *parent = &tensors[claim->parent];
        make_view(l, chain[n], claim->parent, claim->start * parent->stride[claim->axis], parent->stride);
        /* The last part of a pixel, or one that spans all of its channels, has the pixel's padding behind it. */
        struct tf2__plan_tensor *part = &tensors[chain[n]];
        if (claim->axis != 1 || claim->start + part->shape.dim[1] == parent->shape.dim[1])
            part->room = parent->room;
    }
    return TF2_OK;
}

/* --- views --- */

/* Vector kernels want neighbouring channels in neighbouring elements. */
static bool
channels_adjacent(const struct tf2__plan *plan, const struct tf2_shape *shape, const int64_t *stride)
{
    if (!plan->policy.channels_last || shape->n_dims < 2)
        return true;
    return shape->dim[1] == 1 || stride[1] == 1;
}

/* A halo can only be the root's own: a view that needs one spans the root's spatial dimensions, stride by stride. */
static bool halo_fits(const struct layout *l, uint32_t id, uint32_t of, const int64_t *stride)
{
    const struct tf2__plan_tensor *root = &l->plan->tensors[l->plan->tensors[of].root];
    const struct need *need = &l->need[id];
    if (!has_need(need))
        return true;
    if (root->shape.n_dims != l->plan->tensors[id].shape.n_dims)
        return false;
    for (uint32_t d = 2; d < root->shape.n_dims; d++) {
        if (root->shape.dim[d] != l->plan->tensors[id].shape.dim[d] || root->stride[d] != stride[d] ||
            need->begin[d] > root->halo_begin[d] || need->end[d] > root->halo_end[d])
            return false;
    }
    return true;
}

static bool view_slice(struct layout *l, const struct tf2__step *step)
{
    const struct tf2_slice_attr *attr = step->node->attr;
    const struct tf2__plan_tensor *in = &l->plan->tensors[step->in[0]];
    const struct tf2_shape *out = &l->plan->tensors[step->out].shape;
    int64_t stride[TF2_MAX_DIMS] = {0};
    int64_t shift = 0;
    if (in->data || in->planar)
        return false;
    for (uint32_t d = 0; d < in->shape.n_dims; d++) {
        int64_t step_d = attr->step[d] ? attr->step[d] : 1;
        int64_t begin = attr->begin[d] < 0 ? attr->begin[d] + in->shape.dim[d] : attr->begin[d];
        if (step_d < 0)
            return false;
        begin = TF2__MIN(TF2__MAX(begin, 0), in->shape.dim[d] - 1);
        stride[d] = out->dim[d] == 1 ? in->stride[d] : in->stride[d] * step_d;
        shift += begin * in->stride[d];
    }
    if (!channels_adjacent(l->plan, out, stride) || !halo_fits(l, step->out, step->in[0], stride))
        return false;
    make_view(l, step->out, step->in[0], shift, stride);
    return true;
}

/*
 * Strides for `out` over the same elements as (in, in_stride) in the same logical order, if there are any:
 * runs of input dimensions that are dense among themselves are matched with runs of output dimensions of the
 * same product.
 */
static bool reshape_strides(
    const struct tf2_shape *in, const int64_t *in_stride, const struct tf2_shape *out, int64_t *out_stride)
{
    uint32_t i = 0, o = 0;
    while (i < in->n_dims || o < out->n_dims) {
        uint32_t i_end = i, o_end = o;
        int64_t i_count = 1, o_count = 1;
        do { /* take dimensions until both products agree */
            if (i_count <= o_count && i_end < in->n_dims)
                i_count *= in->dim[i_end++];
            else if (o_end < out->n_dims)
                o_count *= out->dim[o_end++];
            else if (i_end < in->n_dims)
                i_count *= in->dim[i_end++];
            else
                return false;
        } while (i_count != o_count);
        int64_t inner = 0,
                next = 0; /* stride of the run's innermost dimension; what the next outer one must be */
        for (uint32_t d = i_end; d-- > i;) {
            if (in->dim[d] == 1)
                continue;
            if (inner == 0)
                inner = in_stride[d];
            else if (in_stride[d] != next)
                return false;
            next = in_stride[d] * in->dim[d];
        }
        int64_t stride = inner ? inner : 1;
        for (uint32_t d = o_end; d-- > o;) {
            out_stride[d] = stride;
            stride *= out->dim[d];
        }
        i = i_end;
        o = o_end;
    }
    return true;
}

static bool strides_are_dense(const struct tf2_shape *shape, const int64_t *stride)
{
    int64_t wanted = 1;
    for (uint32_t d = shape->n_dims; d-- > 0;) {
        if (shape->dim[d] != 1 && stride[d] != wanted)
            return false;
        wanted *= shape->dim[d];
    }
    return true;
}

static bool view_copy(struct layout *l, const struct tf2__step *step)
{
    const struct tf2__plan_tensor *in = &l->plan->tensors[step->in[0]];
    struct tf2__plan_tensor *out = &l->plan->tensors[step->out];
    int64_t stride[TF2_MAX_DIMS] = {0};
    if (in->data || in->planar != out->planar || in->reversed != out->reversed || in->dtype != out->dtype ||
        !(tf2__plan_copies_pixels(step) || tf2__quant_equal(&in->quant, &out->quant)))
        return false;
    if (tf2_shape_equal(&in->shape, &out->shape))
        memcpy(stride, in->stride, sizeof(stride));
    else if (!reshape_strides(&in->shape, in->stride, &out->shape, stride))
        return false;
    if (out->dense ? !strides_are_dense(&out->shape, stride)
                   : !out->reversed && !channels_adjacent(l->plan, &out->shape, stride))
        return false;
    if (!halo_fits(l, step->out, step->in[0], stride))
        return false;
    make_view(l, step->out, step->in[0], 0, stride);
    return true;
}

/* Strides in another order say it all, where the readers can do without neighbouring channels. */
static bool view_transpose(struct layout *l, const struct tf2__step *step)
{
    const struct tf2_transpose_attr *attr = step->node->attr;
    const struct tf2__plan_tensor *in = &l->plan->tensors[step->in[0]];
    struct tf2__plan_tensor *out = &l->plan->tensors[step->out];
    int64_t stride[TF2_MAX_DIMS] = {0};
    if (in->data || in->planar || in->reversed || step->node->activation.kind != TF2_ACTIVATION_NONE ||
        !tf2__quant_equal(&in->quant, &out->quant))
        return false;
    for (uint32_t d = 0; d < attr->n_dims; d++)
        stride[d] = in->stride[attr->perm[d]];
    if (!channels_adjacent(l->plan, &out->shape, stride) && l->computed_with[step->out])
        return false;
    if (!halo_fits(l, step->out, step->in[0], stride))
        return false;
    out->planar = false;
    make_view(l, step->out, step->in[0], 0, stride);
    return true;
}

static bool try_view(struct layout *l, const struct tf2__step *step)
{
    if (l->claim[step->out].parent != TF2_NO_TENSOR || l->plan->tensors[step->out].laid_out)
        return false;
    if (step_is(step, TF2_OP_SLICE))
        return view_slice(l, step);
    if (step_is(step, TF2_OP_TRANSPOSE))
        return view_transpose(l, step);
    return step->kind == TF2__STEP_COPY && view_copy(l, step);
}

/* --- the new list of steps --- */

/* The part of a concat's output that belongs to an input which could not be claimed. */
static uint32_t
add_part(struct layout *l, const struct tf2__step *concat, uint32_t k, uint32_t axis, int64_t start)
{
    struct tf2__plan *plan = l->plan;
    uint32_t id = plan->n_tensors++;
    assert(id < plan->cap_tensors);
    plan->tensors[id] = (struct tf2__plan_tensor){
        .name = plan->tensors[concat->out].name,
        .dtype = plan->tensors[concat->out].dtype,
        .shape = plan->tensors[concat->in[k]].shape,
        .quant = plan->tensors[concat->out].quant};
    const int64_t *stride = plan->tensors[concat->out].stride;
    make_view(l, id, concat->out, start * stride[axis], stride);
    return id;
}

static enum tf2_status
copy_unclaimed(struct layout *l, const struct tf2__step *concat, struct tf2_error *error)
{
    const struct tf2_axis_attr *attr = concat->node->attr;
    uint32_t axis = normalize_axis(attr->axis, l->plan->tensors[concat->out].shape.n_dims);
    int64_t start = 0;
    for (uint32_t k = 0; k < concat->n_in; k++) {
        uint32_t id = concat->in[k];
        if (l->claim[id].parent != concat->out || l->claim[id].start != start) {
            uint32_t part = add_part(l, concat, k, axis, start);
            struct tf2__step *step = tf2__plan_add_step(l->plan, TF2__STEP_COPY, concat->name, &id, 1, part);
            if (!step)
                return tf2__fail_memory(error, sizeof(*step), "a step");
            step->node = concat->node;
        }
        start += l->plan->tensors[id].shape.dim[axis];
    }
    return TF2_OK;
}

static enum tf2_status rebuild_steps(struct layout *l, struct tf2_error *error)
{
    struct tf2__plan *plan = l->plan;
    struct tf2__step *old = plan->steps;
    uint32_t n_old = plan->n_steps;
    plan->steps = NULL;
    plan->n_steps = plan->cap_steps = 0;
    for (uint32_t i = 0; i < n_old; i++) {
        if (l->dropped[i])
            continue;
        if (step_is(&old[i], TF2_OP_CONCAT)) {
            TF2__TRY(copy_unclaimed(l, &old[i], error));
            continue;
        }
        struct tf2__step *step =
            tf2__plan_add_step(plan, old[i].kind, old[i].name, old[i].in, old[i].n_in, old[i].out);
        if (!step)
            return tf2__fail_memory(error, sizeof(*step), "a step");
        step->node = old[i].node;
        step->macs = old[i].macs;
    }
    return TF2_OK;
}

/* Room for the parts that copy_unclaimed may add. */
static bool reserve_parts(struct tf2__plan *plan)
{
    uint32_t n_parts = 0;
    for (uint32_t i = 0; i < plan->n_steps; i++)
        n_parts += step_is(&plan->steps[i], TF2_OP_CONCAT) ? plan->steps[i].n_in : 0;
    struct tf2__plan_tensor *tensors =
        tf2__arena_alloc(&plan->arena, plan->cap_tensors + n_parts, sizeof(*tensors));
    if (!tensors)
        return false;
    memcpy(tensors, plan->tensors, plan->n_tensors * sizeof(*tensors));
    plan->tensors = tensors;
    plan->cap_tensors += n_parts;
    return true;
}

static bool init(struct layout *l, struct tf2__plan *plan)
{
    l->plan = plan;
    if (!reserve_parts(plan))
        return false;
    l->need = tf2__arena_alloc(&plan->arena, plan->cap_tensors, sizeof(*l->need));
    l->claim = tf2__arena_alloc(&plan->arena, plan->cap_tensors, sizeof(*l->claim));
    l->producer = tf2__arena_alloc(&plan->arena, plan->cap_tensors, sizeof(*l->producer));
    l->computed_with = tf2__arena_alloc(&plan->arena, plan->cap_tensors, sizeof(*l->computed_with));
    l->dropped = tf2__arena_alloc(&plan->arena, plan->n_steps, sizeof(*l->dropped));
    if (!l->need || !l->claim || !l->producer || !l->computed_with || !l->dropped)
        return false;
    for (uint32_t i = 0; i < plan->cap_tensors; i++)
        l->claim[i].parent = TF2_NO_TENSOR;
    for (uint32_t i = 0; i < plan->n_steps; i++) {
        const struct tf2__step *step = &plan->steps[i];
        l->producer[step->out] = i + 1;
        for (uint32_t k = 0; k < step->n_in; k++) {
            if (step->in[k] != TF2_NO_TENSOR && step->kind != TF2__STEP_COPY && !step_is(step, TF2_OP_TRANSPOSE))
                l->computed_with[step->in[k]] = true;
        }
    }
    return true;
}

enum tf2_status tf2__plan_layout(struct tf2__plan *plan, struct tf2_error *error)
{
    struct layout l;
    if (!init(&l, plan))
        return tf2__fail_memory(error, plan->cap_tensors * sizeof(*l.need), "tensor layouts");
    TF2__TRY(find_needs(&l, error));
    claim_inputs(&l);
    do
        TF2__TRY(find_needs(&l, error)); /* again, now through the claims */
    while (give_up_claims(&l));

    for (uint32_t i = 0; i < plan->graph->n_inputs; i++)
        TF2__TRY(lay_out(&l, plan->inputs[i], error));
    for (uint32_t i = 0; i < plan->n_steps; i++) {
        if (try_view(&l, &plan->steps[i]))
            l.dropped[i] = true;
        else
            TF2__TRY(lay_out(&l, plan->steps[i].out, error));
    }
    return rebuild_steps(&l, error);
}
