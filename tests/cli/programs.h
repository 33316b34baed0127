/* SPDX-License-Identifier: Apache-2.0 */
/*
 * programs.h: starts the programs as a user does, and looks at what they say and write.
 *
 * TF2_RUN, TF2_BENCH and the like say where the programs are; TF2_SOURCE_ROOT where models/digits is.
 */
#ifndef TESTS_CLI_PROGRAMS_H
#define TESTS_CLI_PROGRAMS_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>

extern char work_dir[64];      /* for files, see make_work_dir */
extern char out_text[1 << 20]; /* of the last program */
extern char err_text[1 << 16];

/* Group setup and teardown: the directory for files. */
int make_work_dir(void **state);
int remove_work_dir(void **state);

/* Paths in the work directory, the source and ../shared (or TF2_SHARED; NULL when it is not there). The last so many
 * stay valid. */
const char *at_work(const char *name);
const char *source(const char *name);
const char *shared(const char *name);
const char *digits(void); /* the model of models/digits */

/* Starts a program; its output lands in out_text and err_text. The arguments end with NULL. */
int run(const char *variable, ...);
/* The one line that a failing program writes: its name, then what is told here somewhere. */
void assert_message(const char *name, const char *message);

#define FAILS(variable, name, status, message, ...)                                                          \
    do {                                                                                                     \
        int failed_with = run(variable, __VA_ARGS__, NULL);                                                  \
        if (failed_with != (status))                                                                         \
            fail_msg("exit status %d, wanted %d: %s", failed_with, status, err_text);                        \
        assert_message(name, message);                                                                       \
    } while (0)

#define WORKS(variable, ...)                                                                                 \
    do {                                                                                                     \
        int failed_with = run(variable, __VA_ARGS__, NULL);                                                  \
        if (failed_with != 0)                                                                                \
            fail_msg("exit status %d: %s", failed_with, err_text);                                           \
    } while (0)

void write_file(const char *path, const void *data, size_t size);
/* Fails unless two .npy files of float32 agree. */
void compare_arrays(const char *a_path, const char *b_path, float tolerance);
json_t *load_json(const char *path);
/* Values of an object; they fail the test when they are missing or of another type. */
double number(const json_t *object, const char *key);
const char *string(const json_t *object, const char *key);
const json_t *list(const json_t *object, const char *key);

#endif
