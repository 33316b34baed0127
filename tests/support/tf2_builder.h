/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf2_builder.h: a .tf2 file put together from docs/model-format.md, not by the library's writer, with one
 * field changed. Include after cmocka.h.
 */
#ifndef TF2_TEST_TF2_BUILDER_H
#define TF2_TEST_TF2_BUILDER_H

#include "tf2_file.h"

#define BUILDER_MAX_BYTES 8192

/* What is different. field: its name, and behind a '#' which one of that name, from 0 on. */
struct change {
    const char *field;
    uint64_t value;
    const char *text; /* for texts */
};

struct builder {
    unsigned char data[BUILDER_MAX_BYTES];
    size_t n;
    const struct change *change;
    unsigned n_seen; /* fields of the change's name */
    bool done;
};

void builder_put(struct builder *b, const void *data, size_t n);

/* A section. */
struct part {
    uint32_t id;
    uint32_t flags;
    void (*put)(struct builder *);
};

/* GRAPH, PREPROCESS, LABELS, FACTS, EXAMPLE, WEIGHTS of the small network in tf2_builder.c. */
#define N_PARTS 6
extern const struct part builder_parts[N_PARTS];

/* A file of these sections; what is in `change` comes before the checksums. NULL: nothing. Freed by the
 * caller. */
struct tf2_file_bytes build_parts(const struct part *list, size_t n_parts, const struct change *change);
/* The whole file. */
struct tf2_file_bytes build(const struct change *change);

#endif
