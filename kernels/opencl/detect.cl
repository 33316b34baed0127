/* SPDX-License-Identifier: Apache-2.0 */
/*
 * detect.cl: from a detector's predictions to boxes, fp32. What is computed is what src/transform/op/detection_output.c
 * defines, one rounding per operation, so that an overlap is above the threshold here when it is there.
 *
 * detect_classes finds the boxes of each class, detect_keep the best of all classes. In between they lie in scratch, per
 * image and class `room` words:
 *
 *     count | scores [n_candidates] | box numbers [n_candidates] | boxes [n_kept][4]
 *
 * The candidates of a class are a heap whose root is the worst; sorting it leaves the best first. Boxes that are kept
 * move to the front.
 */
#pragma OPENCL FP_CONTRACT OFF

#define CODE_CENTER_SIZE 0
#define CODE_CORNER      1

/* Whether candidate a comes behind candidate b. */
static inline bool is_worse(float score_a, int box_a, float score_b, int box_b)
{
    return score_a < score_b || (score_a == score_b && box_a > box_b);
}

/* Puts a candidate into the heap of n places whose root is free, and lets what is worse rise. */
static void sift_down(__global float *scores, __global int *boxes, int n, float score, int box)
{
    int at = 0;
    for (int child = 1; child < n; child = 2 * at + 1) {
        if (child + 1 < n && is_worse(scores[child + 1], boxes[child + 1], scores[child], boxes[child]))
            child++;
        if (!is_worse(scores[child], boxes[child], score, box))
            break;
        scores[at] = scores[child];
        boxes[at] = boxes[child];
        at = child;
    }
    scores[at] = score;
    boxes[at] = box;
}

static void sift_up(__global float *scores, __global int *boxes, int at, float score, int box)
{
    while (at > 0) {
        const int parent = (at - 1) / 2;
        if (!is_worse(score, box, scores[parent], boxes[parent]))
            break;
        scores[at] = scores[parent];
        boxes[at] = boxes[parent];
        at = parent;
    }
    scores[at] = score;
    boxes[at] = box;
}

/* The best `most` boxes with a score above the threshold, best first; returns how many. */
static int find_candidates(
    __global const float *from, int stride, int n_boxes, float confidence, int most, __global float *scores,
    __global int *boxes)
{
    int n = 0;
    for (int box = 0; box < n_boxes; box++) {
        const float score = from[box * stride];
        if (!(score > confidence))
            continue;
        if (n < most)
            sift_up(scores, boxes, n++, score, box);
        else if (is_worse(scores[0], boxes[0], score, box))
            sift_down(scores, boxes, n, score, box);
    }
    for (int last = n - 1; last > 0; last--) {
        const float score = scores[last];
        const int box = boxes[last];
        scores[last] = scores[0];
        boxes[last] = boxes[0];
        sift_down(scores, boxes, last, score, box);
    }
    return n;
}

static float4 decode(float4 prior, float4 offset, int code)
{
    const float2 size = prior.hi - prior.lo;
    if (code == CODE_CORNER)
        return prior + offset;
    if (code != CODE_CENTER_SIZE)
        return prior + offset * (float4)(size, size);
    const float2 center = offset.lo * size + (prior.lo + prior.hi) * 0.5f;
    const float2 half_size = exp(offset.hi) * size * 0.5f;
    return (float4)(center - half_size, center + half_size);
}

static float box_area(float4 box)
{
    return box.z < box.x || box.w < box.y ? 0.0f : (box.z - box.x) * (box.w - box.y);
}

static float overlap(float4 a, float4 b)
{
    const float2 size = fmin(a.hi, b.hi) - fmax(a.lo, b.lo);
    if (!(size.x > 0.0f && size.y > 0.0f))
        return 0.0f;
    const float both = size.x * size.y;
    return both / (box_area(a) + box_area(b) - both);
}

static float4 load4(__global const float *p, int stride)
{
    return (float4)(p[0], p[stride], p[2 * stride], p[3 * stride]);
}

/*
 * NDRange: dimension 0: images, dimension 1: classes.
 * t: strides of offsets, of scores: image, element; of priors: row, element.
 */
__kernel void detect_classes(
    __global const float *restrict offsets, const int offsets_at, __global const float *restrict scores,
    const int scores_at, __global const float *restrict priors, const int priors_at, __global float *arena,
    const int scratch_at, const int room, __global const int *restrict t, const int n_boxes, const int background,
    const int code, const int boxes_per_class, const int variance_in_offsets, const float confidence,
    const float nms_threshold, const float nms_eta, const int n_candidates, const int n_kept,
    const int n_classes PART_ARGS)
{
    const int image = ID0, class = ID1;
    __global float *part = arena + scratch_at + (size_t)(image * n_classes + class) * room;
    __global float *best = part + 1;
    __global int *chosen = (__global int *)(best + n_candidates);
    __global float *boxes = best + 2 * n_candidates;
    const int n_offsets = boxes_per_class ? n_classes : 1, of_class = boxes_per_class ? class : 0;
    float threshold = nms_threshold;
    int kept = 0, n = 0;
    offsets += offsets_at + image * t[0];
    scores += scores_at + image * t[2] + class * t[3];
    priors += priors_at;
    if (class != background)
        n = find_candidates(scores, n_classes * t[3], n_boxes, confidence, n_candidates, best, chosen);
    for (int i = 0; i < n && kept < n_kept; i++) {
        const int box = chosen[i];
        const float score = best[i];
        const float4 prior = load4(priors + box * 4 * t[5], t[5]);
        float4 offset = load4(offsets + (box * n_offsets + of_class) * 4 * t[1], t[1]);
        if (!variance_in_offsets)
            offset *= load4(priors + t[4] + box * 4 * t[5], t[5]);
        const float4 found = decode(prior, offset, code);
        bool covered = false;
        for (int j = 0; j < kept && !covered; j++)
            covered = overlap(found, vload4(j, boxes)) > threshold;
        if (covered)
            continue;
        vstore4(found, kept, boxes);
        best[kept++] = score;
        if (nms_eta > 0.0f && nms_eta < 1.0f && threshold > 0.5f)
            threshold *= nms_eta;
    }
    part[0] = as_float(kept);
}

/*
 * The best n_rows boxes of an image, in the order of classes. A class's best one that is not taken yet is its head; how
 * many of each are taken is counted in `taken`, an int per class and image behind the parts.
 * NDRange: dimension 0: images. y: rows of 7.
 */
__kernel void detect_keep(
    __global float *arena, const int scratch_at, const int room, const int taken_at, __global float *restrict y,
    const int y_at, const int y_image, const int y_row, const int y_column, const int n_classes,
    const int n_candidates, const int n_rows PART_ARGS)
{
    const int image = ID0;
    __global const float *parts = arena + scratch_at + (size_t)image * n_classes * room;
    __global int *taken = (__global int *)(arena + taken_at) + image * n_classes;
    int total = 0, row = 0;
    for (int class = 0; class < n_classes; class++) {
        taken[class] = as_int(parts[(size_t)class * room]);
        total += taken[class];
    }
    if (total > n_rows) {
        for (int class = 0; class < n_classes; class++)
            taken[class] = 0;
        for (int i = 0; i < n_rows; i++) {
            int first = -1;
            float best = 0.0f;
            for (int class = 0; class < n_classes; class++) {
                __global const float *part = parts + (size_t)class * room;
                if (taken[class] == as_int(part[0]) || (first >= 0 && !(part[1 + taken[class]] > best)))
                    continue;
                first = class;
                best = part[1 + taken[class]];
            }
            taken[first]++;
        }
    }
    y += y_at + image * y_image;
    for (int class = 0; class < n_classes; class++) {
        __global const float *part = parts + (size_t)class * room;
        for (int i = 0; i < taken[class]; i++, row++) {
            __global float *to = y + row * y_row;
            to[0] = 0.0f;
            to[y_column] = class;
            to[2 * y_column] = part[1 + i];
            for (int k = 0; k < 4; k++)
                to[(3 + k) * y_column] = part[1 + 2 * n_candidates + 4 * i + k];
        }
    }
    for (; row < n_rows; row++) {
        for (int k = 0; k < 7; k++)
            y[row * y_row + k * y_column] = k == 0 ? -1.0f : 0.0f;
    }
}
