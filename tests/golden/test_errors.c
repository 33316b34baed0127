/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_errors.c: damaged and hostile files: each gives the status and the one line that
 * tests/golden-errors/expect.txt says, from the library and from tf2-run.
 *
 * TF2_RUN says where the program is; without it that part is skipped.
 */
#define _POSIX_C_SOURCE 200809L
#include "golden.h"

#include <dirent.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define LINE_BYTES 512
#define PATH_BYTES 1024
#define TEXT_BYTES 16384

/* A line of expect.txt. */
struct expectation {
    char file[LINE_BYTES];
    char weights[LINE_BYTES]; /* "": none */
    char status[LINE_BYTES];
    char piece[LINE_BYTES];
};

static bool has_extension(const char *name, const char *extensions)
{
    const char *dot = strrchr(name, '.');
    return dot && dot[1] && strstr(extensions, dot);
}

/* Cuts the text at the first " | " and returns what comes behind. */
static char *cut(char *text)
{
    char *at = strstr(text, " | ");
    if (!at)
        fail_msg("expect.txt: \"%s\" should have another |", text);
    *at = 0;
    return at + 3;
}

/* False at the end of the file. */
static bool next_expectation(FILE *list, struct expectation *e)
{
    char line[LINE_BYTES];
    while (fgets(line, sizeof(line), list)) {
        char *status, *piece, *weights;
        assert_non_null(strchr(line, '\n'));
        *strchr(line, '\n') = 0;
        if (line[0] == 0 || line[0] == '#')
            continue;
        status = cut(line);
        piece = cut(status);
        weights = strchr(line, ' ');
        if (weights)
            *weights++ = 0;
        snprintf(e->file, sizeof(e->file), "%s", line);
        snprintf(e->weights, sizeof(e->weights), "%s", weights ? weights : "");
        snprintf(e->status, sizeof(e->status), "%s", status);
        snprintf(e->piece, sizeof(e->piece), "%s", piece);
        assert_true(piece[0] != 0);
        return true;
    }
    return false;
}

static FILE *open_list(void)
{
    FILE *list = fopen(golden_source("tests/golden-errors/expect.txt"), "r");
    assert_non_null(list);
    return list;
}

static void path_of(const char *name, char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%s/%s", golden_source("tests/golden-errors"), name);
}

/* Reads the file as what it pretends to be. */
static enum tf2_status load(const struct expectation *e, struct tf2_error *error)
{
    char path[PATH_BYTES], weights[PATH_BYTES];
    enum tf2_status status;
    path_of(e->file, path);
    path_of(e->weights, weights);
    if (has_extension(e->file, ".png.jpg.bmp.ppm")) {
        struct tf2_image image = {0};
        status = tf2_image_load(path, 0, NULL, &image, error);
        tf2_image_finish(&image);
    } else if (has_extension(e->file, ".npy")) {
        struct tf2_array array = {0};
        status = tf2_npy_load(path, NULL, &array, error);
        tf2_array_finish(&array);
    } else {
        struct tf2_model *model = NULL;
        status = tf2_model_import(path, e->weights[0] ? weights : NULL, NULL, &model, error);
        tf2_model_destroy(&model);
    }
    return status;
}

/* One line, printable, no full stop at its end, with the piece in it. */
static bool good_message(const char *message, const char *piece)
{
    size_t n = strlen(message);
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)message[i] < ' ' || message[i] == 127)
            return false;
    }
    return n > 0 && n < TF2_ERROR_MESSAGE_MAX && message[n - 1] != '.' && strstr(message, piece);
}

/* Every file is tried before the test fails, so that one run tells all. */
static void test_library(void **state)
{
    FILE *list = open_list();
    struct expectation e;
    int n = 0, n_bad = 0;
    (void)state;
    while (next_expectation(list, &e)) {
        struct tf2_error error = {.status = TF2_OK};
        enum tf2_status status = load(&e, &error);
        n++;
        if (strcmp(tf2_status_name(status), e.status) == 0 && error.status == status &&
            good_message(error.message, e.piece))
            continue;
        n_bad++;
        print_error(
            "%s %s: wanted %s with \"%s\", found %s (in the error %s): \"%s\"\n", e.file, e.weights, e.status,
            e.piece, tf2_status_name(status), tf2_status_name(error.status), error.message);
    }
    fclose(list);
    print_message("  %d files\n", n);
    assert_in_range(n, 100, 1000);
    assert_int_equal(n_bad, 0);
}

/* The same calls without a place for the error, which is allowed. */
static void test_library_without_error(void **state)
{
    FILE *list = open_list();
    struct expectation e;
    (void)state;
    while (next_expectation(list, &e))
        assert_string_equal(tf2_status_name(load(&e, NULL)), e.status);
    fclose(list);
}

/* Every file in the folder is in the list. */
static void test_list_is_complete(void **state)
{
    DIR *folder = opendir(golden_source("tests/golden-errors"));
    const struct dirent *entry;
    int n_bad = 0;
    (void)state;
    assert_non_null(folder);
    while ((entry = readdir(folder))) {
        FILE *list;
        struct expectation e;
        bool found = false;
        if (!has_extension(entry->d_name, ".onnx.prototxt.caffemodel.pb.png.jpg.bmp.ppm.npy"))
            continue;
        list = open_list();
        while (!found && next_expectation(list, &e))
            found = strcmp(e.file, entry->d_name) == 0 || strcmp(e.weights, entry->d_name) == 0;
        fclose(list);
        if (!found)
            print_error("%s is not in expect.txt\n", entry->d_name);
        n_bad += !found;
    }
    closedir(folder);
    assert_int_equal(n_bad, 0);
}

/* ---- tf2-run ---- */

struct program_result {
    int status; /* -1: not by exit */
    char out[TEXT_BYTES];
    char err[TEXT_BYTES];
};

static void read_and_close(int file, char text[TEXT_BYTES])
{
    size_t n = 0;
    ssize_t got;
    lseek(file, 0, SEEK_SET);
    while (n < TEXT_BYTES - 1 && (got = read(file, text + n, TEXT_BYTES - 1 - n)) > 0)
        n += (size_t)got;
    text[n] = 0;
    close(file);
}

/* An open file without a name. */
static int temporary(void)
{
    char path[] = "/tmp/tf2-errors-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    unlink(path);
    return file;
}

static void run_program(char **argv, struct program_result *result)
{
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int status, out = temporary(), err = temporary();
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out, 1);
    posix_spawn_file_actions_adddup2(&actions, err, 2);
    assert_int_equal(posix_spawn(&pid, argv[0], &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    result->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    read_and_close(out, result->out);
    read_and_close(err, result->err);
}

static bool program_failed_well(const struct program_result *result, const char *piece)
{
    static const char name[] = "tf2-run: ";
    const char *end = strchr(result->err, '\n');
    return result->status == 1 && result->out[0] == 0 && end && end[1] == 0 &&
           strncmp(result->err, name, sizeof(name) - 1) == 0 && strstr(result->err, piece);
}

/* The file as the model for a good image, or as the input for a good model. */
static void run_on_file(const struct expectation *e, struct program_result *result)
{
    char path[PATH_BYTES], weights[PATH_BYTES], good[PATH_BYTES], program[PATH_BYTES];
    bool is_input = has_extension(e->file, ".png.jpg.bmp.ppm.npy");
    char *argv[5] = {program};
    size_t n = 1;
    snprintf(program, sizeof(program), "%s", getenv("TF2_RUN"));
    path_of(e->file, path);
    path_of(e->weights, weights);
    snprintf(
        good, sizeof(good), "%s/%s", golden_source("models/digits"),
        is_input ? "digits.onnx" : "samples/sample_00_label_6.png");
    argv[n++] = is_input ? good : path;
    if (e->weights[0])
        argv[n++] = weights;
    argv[n++] = is_input ? path : good;
    run_program(argv, result);
}

static void test_program(void **state)
{
    static struct program_result result;
    FILE *list;
    struct expectation e;
    int n_bad = 0;
    (void)state;
    if (!getenv("TF2_RUN")) {
        print_message("skipped: TF2_RUN does not say where tf2-run is\n");
        skip();
    }
    list = open_list();
    while (next_expectation(list, &e)) {
        run_on_file(&e, &result);
        if (program_failed_well(&result, e.piece))
            continue;
        n_bad++;
        print_error(
            "%s %s: wanted \"%s\", exit status %d\nstdout: \"%s\"\nstderr: \"%s\"\n", e.file, e.weights,
            e.piece, result.status, result.out, result.err);
    }
    fclose(list);
    assert_int_equal(n_bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_library),
        cmocka_unit_test(test_library_without_error),
        cmocka_unit_test(test_list_is_complete),
        cmocka_unit_test(test_program),
    };
    return cmocka_run_group_tests_name("golden errors", tests, NULL, NULL);
}
