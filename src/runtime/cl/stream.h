/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.h: weights that do not fit the device come in pieces, while it computes.
 *
 *     stream.c   which weights stay on the device, and how a run's other ones are cut into pieces
 *     reader.c   a thread that sends one piece after the other, run after run
 */
#ifndef TF2__CL_STREAM_H
#define TF2__CL_STREAM_H

#include "runtime/cl/internal.h"

#define TF2__CL_MIN_SLOTS 2
#define TF2__CL_MAX_SLOTS 3

/* Bytes of a buffer, and where they go in a slot. */
struct tf2__cl_copy {
    uint32_t buffer;
    size_t from_bytes, size_bytes, to_bytes;
};

/* What one slot holds: copies first_copy .. up to the next piece's. Piece p goes to slot p % n_slots. */
struct tf2__cl_piece {
    uint32_t first_copy;
};

struct tf2__cl_stream {
    uint32_t n_pieces;
    struct tf2__cl_piece *pieces; /* and one behind */
    struct tf2__cl_copy *copies;
    uint32_t n_copies, cap_pieces, cap_copies;
    uint32_t n_slots;
    size_t slot_bytes;
    size_t resident_bytes; /* of weights that stay on the device */
    bool *resident;        /* per buffer that comes in blocks */
};

/*
 * Decides what is streamed when tasks may have the plan's budget of weights on the device, and replaces *tasks by tasks
 * of which each reads one piece at most. n_pieces 0: everything stays. TF2_ERR_NO_MEMORY: the budget is too small; the
 * message says the least. Zero-initialize *stream.
 */
enum tf2_status tf2__cl_stream_plan(
    const struct tf2__executable *exe, struct tf2__arena *arena, struct tf2__cl_tasks *tasks,
    struct tf2__cl_stream *stream, struct tf2_error *error);

struct tf2__cl_reader;

/* Starts sending at once. The stream and the executable outlive the reader. */
enum tf2_status tf2__cl_reader_start(
    const struct tf2__executable *exe, const struct tf2__cl_stream *stream, struct tf2__cl_reader **reader,
    struct tf2_error *error);
/* Nothing that reads a slot may be under way. NULL is allowed. */
void tf2__cl_reader_stop(struct tf2__cl_reader **reader);
/* Where a piece is when it is there. */
cl_mem tf2__cl_reader_slot(const struct tf2__cl_reader *reader, uint32_t piece);

/*
 * Waits until the piece is there. Pieces are used in order, each once per run; after a run that broke off the pieces up to
 * this one are skipped (what `queue` has under way is waited for then).
 */
enum tf2_status tf2__cl_reader_acquire(
    struct tf2__cl_reader *reader, cl_command_queue queue, uint32_t piece, struct tf2_error *error);
/* The acquired piece has been used when last_use, which is taken over, is complete. NULL: already. */
void tf2__cl_reader_release(struct tf2__cl_reader *reader, cl_event last_use);

/* Adds to the three figures of the stream. */
void tf2__cl_reader_stats(const struct tf2__cl_reader *reader, struct tf2__device_stats *stats);

#endif
