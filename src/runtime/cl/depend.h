/* SPDX-License-Identifier: Apache-2.0 */
/*
 * depend.h: which launches have to wait for earlier ones, see depend.c.
 */
#ifndef TF2__CL_DEPEND_H
#define TF2__CL_DEPEND_H

#include "runtime/cl/internal.h"

/* Bytes first .. last - 1 of the arena that a launch uses. */
struct tf2__cl_access {
    uint32_t tensor; /* TF2_NO_TENSOR: scratch */
    bool writes;
    bool halo;    /* nothing but the border of the tensor */
    bool divided; /* all parts have a share in the launch, not part 0 alone */
    int64_t first, last;
};

/* What was used since all parts have met. */
struct tf2__cl_pending {
    struct tf2__cl_access *access; /* room for tf2__cl_pending_most of them */
    uint32_t n;
};

size_t tf2__cl_pending_most(const struct tf2__executable *exe);
/* The next launch, one of the step's. True: all have to meet before it. */
bool tf2__cl_pending_add(
    struct tf2__cl_pending *pending, const struct tf2__plan *plan, const struct tf2__step *step, bool divided);

#endif
