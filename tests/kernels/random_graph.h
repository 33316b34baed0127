/* SPDX-License-Identifier: Apache-2.0 */
/*
 * random_graph.h: networks of 3 to 25 random nodes.
 */
#ifndef TF2_TEST_RANDOM_GRAPH_H
#define TF2_TEST_RANDOM_GRAPH_H

#include "kcase.h"

/* A kbuild. Values stay within a few thousand, so that comparing in fp32 makes sense. */
void random_graph(struct kgraph *k);

#endif
