/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pass_check.h: runs passes on a graph and compares what it computes before and after.
 */
#ifndef TF2_TEST_PASS_CHECK_H
#define TF2_TEST_PASS_CHECK_H

#include "net.h"

/*
 * Runs the named pass (NULL: all of them), then drops dead nodes. Compares the outputs before and after, for
 * the graph's own batch and for batch 3, within `tolerance` of each output's largest magnitude. A batch that
 * the graph takes before it has to take after. Makes the test fail on a difference; returns whether the pass
 * changed anything.
 */
bool pass_check(struct net *net, const char *pass, double tolerance);

#endif
