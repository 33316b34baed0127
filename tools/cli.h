/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli.h: what the programs have in common: messages, numbers and shapes in options, importing a model with
 * its options, JSON files, a progress line.
 *
 * Exit status: 0 done, 1 it failed, 2 wrong usage. Errors are one line on stderr.
 */
#ifndef TF2_TOOLS_CLI_H
#define TF2_TOOLS_CLI_H

#include <getopt.h>
#include <stdlib.h>

#include <jansson.h>
#include <tf2/tf2.h>

/* Each program defines its name. */
extern const char cli_program[];

/* Print "program: message" on stderr; control characters become '?'. Return 1. */
int cli_fail(const char *format, ...) TF2_PRINTF(1, 2);
/* The same with "; see --help", returns 2. */
int cli_usage(const char *format, ...) TF2_PRINTF(1, 2);
/* A message about an option that a program does not take, or what getopt_long did not like ('?' or ':');
 * returns 2. */
int cli_bad_option(int option, char **argv);

/* What a program's options are. */
struct cli_options {
    const char *help;
    void (*more_help)(void);           /* prints what comes behind the help; NULL: nothing */
    const char *short_options;         /* as for getopt, behind -h; NULL: no others */
    const struct option *long_options; /* CLI_COMMON_LONG_OPTIONS come last */
    /* Takes one, with its value in optarg, into `to`: 0, or the exit status after a message. */
    int (*take)(void *to, int option, char **argv);
};

#define CLI_GO_ON (-1)

/* Reads all options; optind is then the first argument. CLI_GO_ON, or else the exit status: help or version
 * was wanted and is printed, or there was a message. */
int cli_take_options(const struct cli_options *options, int argc, char **argv, void *to);
/* Flushes stdout: 0, or 1 after a message when it could not be written. */
int cli_finish_stdout(void);

/* Zeroed memory; ends the program (status 1) when there is none. */
void *cli_alloc(size_t n, size_t size_bytes);
char *cli_strdup(const char *text);

/* Zeroed memory for n_new things, the first n_used from `old`, which is freed. */
void *cli_grow(void *old, size_t n_used, size_t n_new, size_t size_bytes);

/* Whole-text numbers within bounds; false after a usage message that names the option. */
bool cli_parse_long(const char *option, const char *text, long minimum, long maximum, long *value);
bool cli_parse_double(const char *option, const char *text, double minimum, double maximum, double *value);

/* "path" or "-" for stdout; 0, or 1 after a message. Steals `root`. */
int cli_write_json(json_t *root, const char *path);

/* "1x3x227x227" as a JSON array. */
json_t *cli_shape_json(const struct tf2_shape *shape);
/* null for NULL; what is not UTF-8 becomes '_'. */
json_t *cli_text_json(const char *text);
/* null for NaN and infinities, which JSON has not. */
json_t *cli_real_json(double value);

/* Rewrites one line on stderr when that is a terminal; does nothing otherwise. */
void cli_progress(const char *format, ...) TF2_PRINTF(1, 2);
void cli_progress_clear(void);

/* A model and the options that say how to read it. Zero-initialize; finish frees what the options allocated.
 */
#define CLI_MAX_NAMED 64

struct cli_model {
    const char *path;
    const char *weights_path; /* NULL: none */
    struct tf2_import_options import;
    struct tf2_named_shape shapes[CLI_MAX_NAMED];
    const char *outputs[CLI_MAX_NAMED];
    size_t n_means;     /* numbers in --mean; 0: not given */
    bool has_channels;  /* --channels was given */
    bool shapes_at_run; /* a .tf2 file gets --input's shapes when it is run, see cli_session_options */
};

enum cli_model_option {
    CLI_OPTION_INPUT = 1000,
    CLI_OPTION_OUTPUT,
    CLI_OPTION_MEAN,
    CLI_OPTION_SCALE,
    CLI_OPTION_CHANNELS,
    CLI_OPTION_VERSION,
    CLI_OPTION_FIRST_OWN, /* programs number their own long options from here */
};

/* Entries of a table of struct option; the last ends it. */
/* clang-format off */
#define CLI_MODEL_LONG_OPTIONS                                                                               \
    {"input", required_argument, NULL, CLI_OPTION_INPUT},                                                    \
    {"output", required_argument, NULL, CLI_OPTION_OUTPUT}
#define CLI_PREPROCESS_LONG_OPTIONS                                                                          \
    {"mean", required_argument, NULL, CLI_OPTION_MEAN},                                                      \
    {"scale", required_argument, NULL, CLI_OPTION_SCALE},                                                    \
    {"channels", required_argument, NULL, CLI_OPTION_CHANNELS}
#define CLI_COMMON_LONG_OPTIONS                                                                              \
    {"help", no_argument, NULL, 'h'},                                                                        \
    {"version", no_argument, NULL, CLI_OPTION_VERSION},                                                      \
    {NULL, 0, NULL, 0}
/* clang-format on */

#define CLI_MODEL_HELP                                                                                       \
    "  --input NAME:SHAPE   shape of an input, such as data:1,3,227,227 (a lone SHAPE: the only input)\n"    \
    "  --output NAME        take this tensor as output, not the file's outputs; may be repeated\n"

#define CLI_PREPROCESS_HELP                                                                                  \
    "  --mean M[,M,M]       subtracted from pixels, in the order of --channels\n"                            \
    "  --scale S            pixels are multiplied by it after that (default 1)\n"                            \
    "  --channels ORDER     rgb (default) or bgr: the order in the network's input\n"

/* Takes an option of enum cli_model_option. True when `option` was one of them and good; false after a
 * message. */
bool cli_model_take(struct cli_model *model, int option, const char *value);
/* Is this option of enum cli_model_option cli_model_take's? */
bool cli_model_owns(int option);
void cli_model_finish(struct cli_model *model);

/* Was --mean, --scale or --channels given? */
bool cli_model_has_preprocess(const struct cli_model *model);

/* Does the file begin like a .tf2 file? False also when it cannot be read. */
bool cli_is_tf2(const char *path);
/* 0, or 2 after a message: it is a .tf2 file, and there are weights or options that only an import takes. */
int cli_model_check(const struct cli_model *model);

/*
 * Imports, or loads a .tf2 file, whose preprocessing the options change. When the file has no weights and
 * random_seed is not 0, they are made up from it, and *random (NULL allowed) is set.
 */
enum tf2_status cli_model_import(
    struct cli_model *options, uint64_t random_seed, struct tf2_model **model, bool *random,
    struct tf2_error *error);

/*
 * The batch of a session: what --batch said, or when it was not given (0) 1, except that shapes of --input
 * are kept. Models with an input that has no batch axis (fewer than two dimensions) are left alone: 0.
 */
int64_t cli_batch(const struct cli_model *options, const struct tf2_model *model, long wanted);

/* Session options by cli_batch; shapes of --input for a .tf2 file go here, the import took the others. */
void cli_session_options(
    const struct cli_model *options, const struct tf2_model *model, long batch,
    struct tf2_session_options *session);

/* Names of classes. Zero-initialize; finish frees. */
struct cli_labels {
    char **labels;
    size_t n_labels;
    size_t capacity;
};

/* Adds the lines of a file; a line end at the file's end makes no empty label. 0, or 1 after a message. */
int cli_labels_read(struct cli_labels *labels, const char *path);
/* Adds those that came with a .tf2 file. */
void cli_labels_of_model(struct cli_labels *labels, const struct tf2_model *model);
void cli_labels_finish(struct cli_labels *labels);

/* A list of paths, each malloc'ed. Zero-initialize; finish frees. */
struct cli_paths {
    char **paths;
    size_t n;
};

typedef bool cli_wants_path(const char *path);

/* Takes `path` over. */
void cli_paths_keep(struct cli_paths *paths, char *path);
/* Adds what is wanted of a directory, sorted by bytes, hidden files aside; 0, or 1 after a message. */
int cli_paths_scan(struct cli_paths *paths, const char *directory, cli_wants_path *wants);
void cli_paths_finish(struct cli_paths *paths);

bool cli_is_directory(const char *path);
/* By its extension. */
bool cli_is_picture(const char *path);
/* A path's last part without extension, malloc'ed. */
char *cli_stem(const char *path);

/* Whether the file's first n_bytes are these; false also when it cannot be read. Does not wait for a pipe. */
bool cli_begins_with(const char *path, const void *bytes, size_t n_bytes);

/* True for a path whose name ends in `extension` (".caffemodel"), in any case. */
bool cli_has_extension(const char *path, const char *extension);

#endif
