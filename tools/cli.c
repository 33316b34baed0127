/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli.c: messages, numbers in options, JSON files and the progress line of the programs.
 */
#define _POSIX_C_SOURCE 200809L
#include "cli.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define MESSAGE_BYTES 4096

static void print_message(const char *format, va_list args, const char *end)
{
    char text[MESSAGE_BYTES];
    vsnprintf(text, sizeof(text), format, args);
    for (char *at = text; *at; at++) {
        if ((unsigned char)*at < ' ' || *at == 127)
            *at = '?';
    }
    cli_progress_clear();
    fflush(stdout);
    fprintf(stderr, "%s: %s%s\n", cli_program, text, end);
}

int cli_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_message(format, args, "");
    va_end(args);
    return 1;
}

int cli_usage(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_message(format, args, "; see --help");
    va_end(args);
    return 2;
}

int cli_bad_option(int option, char **argv)
{
    const char *word = argv[optind - 1];
    if (option == ':')
        return cli_usage("option %s needs a value", word);
    if (optopt > 0 && optopt < 256 && strncmp(word, "--", 2) != 0)
        return cli_usage("unknown option -%c", optopt);
    if (optopt != 0)
        return cli_usage("option %s takes no value", word);
    return cli_usage("unknown or ambiguous option %s", word);
}

int cli_finish_stdout(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    return cli_fail("standard output cannot be written: %s", strerror(errno));
}

static int print_help(const struct cli_options *options)
{
    fputs(options->help, stdout);
    if (options->more_help)
        options->more_help();
    return cli_finish_stdout();
}

static int print_version(void)
{
    printf("%s (libtf2) %s\n", cli_program, TF2_VERSION_STRING);
    return cli_finish_stdout();
}

int cli_take_options(const struct cli_options *options, int argc, char **argv, void *to)
{
    char short_options[16];
    int option;
    opterr = 0; /* messages are ours */
    snprintf(
        short_options, sizeof(short_options), ":h%s", options->short_options ? options->short_options : "");
    while ((option = getopt_long(argc, argv, short_options, options->long_options, NULL)) != -1) {
        if (option == 'h')
            return print_help(options);
        if (option == CLI_OPTION_VERSION)
            return print_version();
        int status = options->take(to, option, argv);
        if (status != 0)
            return status;
    }
    return CLI_GO_ON;
}

void *cli_alloc(size_t n, size_t size_bytes)
{
    void *ptr = calloc(n ? n : 1, size_bytes ? size_bytes : 1);
    if (!ptr)
        exit(cli_fail("out of memory: %zu times %zu bytes", n, size_bytes));
    return ptr;
}

char *cli_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(cli_alloc(size, 1), text, size);
}

bool cli_parse_long(const char *option, const char *text, long minimum, long maximum, long *value)
{
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    if (end == text || *end || errno || n < minimum || n > maximum) {
        if (maximum == LONG_MAX)
            cli_usage("%s %s: wanted a whole number from %ld", option, text, minimum);
        else
            cli_usage("%s %s: wanted a whole number from %ld to %ld", option, text, minimum, maximum);
        return false;
    }
    *value = n;
    return true;
}

bool cli_parse_double(const char *option, const char *text, double minimum, double maximum, double *value)
{
    char *end;
    double x = strtod(text, &end);
    if (end == text || *end || !(x >= minimum && x <= maximum)) {
        cli_usage("%s %s: wanted a number from %g to %g", option, text, minimum, maximum);
        return false;
    }
    *value = x;
    return true;
}

int cli_write_json(json_t *root, const char *path)
{
    const size_t flags = JSON_INDENT(2) | JSON_REAL_PRECISION(9);
    int result = 0;
    if (!root)
        return cli_fail("out of memory: JSON results");
    if (strcmp(path, "-") == 0) {
        if (json_dumpf(root, stdout, flags) != 0 || putchar('\n') == EOF)
            result = cli_fail("standard output: JSON results cannot be written");
    } else {
        FILE *file = fopen(path, "w");
        bool written = file && json_dumpf(root, file, flags) == 0 && fputc('\n', file) != EOF;
        int reason = errno;
        if (file && fclose(file) != 0 && written) {
            written = false;
            reason = errno;
        }
        if (!written)
            result = cli_fail("%s: JSON results cannot be written: %s", path, strerror(reason));
    }
    json_decref(root);
    return result;
}

json_t *cli_shape_json(const struct tf2_shape *shape)
{
    json_t *array = json_array();
    for (uint32_t d = 0; d < shape->n_dims; d++)
        json_array_append_new(array, json_integer(shape->dim[d]));
    return array;
}

/* File names need not be UTF-8; JSON strings must. */
json_t *cli_text_json(const char *text)
{
    json_t *string = text ? json_string(text) : json_null();
    if (!string) {
        char *safe = cli_strdup(text);
        for (char *at = safe; *at; at++) {
            if ((unsigned char)*at >= 128)
                *at = '_';
        }
        string = json_string(safe);
        free(safe);
    }
    return string ? string : json_null();
}

json_t *cli_real_json(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

void cli_progress(const char *format, ...)
{
    char text[256];
    va_list args;
    if (!isatty(STDERR_FILENO))
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    fprintf(stderr, "\r%.79s\033[K", text);
    fflush(stderr);
}

void cli_progress_clear(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

bool cli_has_extension(const char *path, const char *extension)
{
    size_t n = strlen(path), m = strlen(extension);
    return n > m && strcasecmp(path + n - m, extension) == 0;
}
