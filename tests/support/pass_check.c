/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "pass_check.h"
#include "reference_run.h"
#include "transform/pass/pass.h"

static const int64_t batches[] = {0, 1, 3};

static const struct tf2__pass *find_pass(const char *name)
{
    for (size_t i = 0; i < tf2__n_passes; i++) {
        if (strcmp(tf2__passes[i].name, name) == 0)
            return &tf2__passes[i];
    }
    fail_msg("no pass is called %s", name);
    return NULL;
}

static bool run_passes(struct tf2_graph *graph, const char *pass)
{
    struct tf2_error error = {0};
    bool changed = false, dropped = false;
    enum tf2_status status;
    if (pass)
        status = tf2__pass_run(find_pass(pass), graph, &changed, &error);
    else
        status = tf2__passes_run(graph, &error);
    if (status == TF2_OK)
        status = tf2__pass_run(find_pass("drop-dead"), graph, &dropped, &error);
    if (status == TF2_OK)
        status = tf2__graph_verify(graph, &error);
    if (status != TF2_OK)
        fail_msg("%s: %s", pass ? pass : "all passes", error.message);
    return changed;
}

bool pass_check(struct net *net, const char *pass, double tolerance)
{
    struct reference_outputs before[TF2__COUNT(batches)] = {0}, after[TF2__COUNT(batches)] = {0};
    enum tf2_status status[TF2__COUNT(batches)];
    struct tf2_error error = {0};
    for (size_t i = 0; i < TF2__COUNT(batches); i++)
        status[i] = reference_run_random(net->graph, batches[i], 7 + i, -1, 1, &before[i], &error);
    assert_int_equal(status[0], TF2_OK);

    bool changed = run_passes(net->graph, pass);
    for (size_t i = 0; i < TF2__COUNT(batches); i++) {
        if (status[i] != TF2_OK)
            continue;
        if (reference_run_random(net->graph, batches[i], 7 + i, -1, 1, &after[i], &error) != TF2_OK)
            fail_msg("batch %d runs before, but not after: %s", (int)batches[i], error.message);
        double difference = reference_difference(&before[i], &after[i]);
        if (!(difference <= tolerance))
            fail_msg("batch %d: outputs differ by %g", (int)batches[i], difference);
        reference_outputs_free(&before[i]);
        reference_outputs_free(&after[i]);
    }
    return changed;
}
