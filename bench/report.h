/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.h: a measurement as text, JSON and a trace.
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "cli.h"
#include "driver.h"
#include "peak.h"

struct bench_report {
    const char *model; /* as it was asked for */
    bool random;       /* the weights are made up, from setup->seed */
    const char *precision;
    const struct bench_setup *setup;
    const struct bench_result *result;
    struct bench_peak peaks[BENCH_PEAK_UNITS]; /* of one core of this machine */
};

void bench_print(const struct bench_report *report);
/* The steps, slowest share told; needs setup->load.profile. */
void bench_print_profile(const struct bench_report *report);
json_t *bench_json(const struct bench_report *report);

#endif
