/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nets_families.h: built-in networks that nets.c does not build itself, one file per family.
 */
#ifndef BENCH_NETS_FAMILIES_H
#define BENCH_NETS_FAMILIES_H

#include "net_builder.h"

#define BENCH_N_CLASSES 1000

/* nets_mobile.c */
void bench_net_mobilenet_v1(struct bench_net *net);
void bench_net_mobilenet_v2(struct bench_net *net);

/* nets_vgg.c */
void bench_net_alexnet(struct bench_net *net);
void bench_net_vgg16(struct bench_net *net);
void bench_net_c3d(struct bench_net *net);
/* The backbone up to a ReLU: VGG-16's first `n_stages` stages, pools between them but not behind the last. */
tf2_tensor_id bench_vgg_stages(struct bench_net *net, tf2_tensor_id x, int first, int n_stages);

/* nets_ssd.c */
void bench_net_ssd_vgg(struct bench_net *net);

#endif
