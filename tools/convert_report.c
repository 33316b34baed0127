/* SPDX-License-Identifier: Apache-2.0 */
/*
 * convert_report.c: what tf2-convert tells when it is done, as text and as JSON.
 */
#include "convert.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define EXACT_DB 200 /* the library's number for no noise at all */

/* "12.3", or "-" for what was not measured. */
static const char *number(double value, const char *format, char text[32])
{
    snprintf(text, 32, isfinite(value) ? format : "-", value);
    return text;
}

static const char *decibels(double value, char text[32])
{
    return value >= EXACT_DB ? "exact" : number(value, "%.1f", text);
}

static void print_size(size_t bytes)
{
    if (bytes < 10000)
        printf("%zu bytes", bytes);
    else if (bytes < 1000000)
        printf("%.1f kB", (double)bytes / 1e3);
    else
        printf("%.2f MB", (double)bytes / 1e6);
}

static size_t longest_name(const struct tf2_quantize_report *report)
{
    size_t longest = strlen("layer");
    for (size_t i = 0; i < report->n_layers; i++) {
        size_t n = strlen(report->layers[i].name);
        longest = n > longest ? n : longest;
    }
    return longest < 48 ? longest : 48;
}

/* The end of a long name tells more than its beginning. */
static const char *name_end(const char *name, size_t width)
{
    size_t n = strlen(name);
    return n > width ? name + (n - width) : name;
}

static void print_layer(const struct tf2_quantize_layer *layer, int width)
{
    char sqnr[32], own[32], share[32], scale[32] = "-", zero[32] = "-";
    if (layer->scale > 0) {
        snprintf(scale, sizeof(scale), "%.4g", layer->scale);
        snprintf(zero, sizeof(zero), "%d", (int)layer->zero_point);
    }
    printf(
        "  %-*s  %-10s  %-5s  %10.4g  %10.4g  %9s  %4s  %7s  %7s  %7s%s\n", width,
        name_end(layer->name, (size_t)width), layer->op, layer->is_int8 ? "int8" : "fp32", layer->min,
        layer->max, scale, zero, decibels(layer->sqnr_db, sqnr), decibels(layer->own_sqnr_db, own),
        number(layer->share < 0 ? NAN : 100 * layer->share, "%.2f", share),
        layer->fell_back ? "  fell back" : "");
}

static void print_layers(const struct tf2_quantize_report *report)
{
    int width = (int)longest_name(report);
    printf(
        "\n  %-*s  %-10s  %-5s  %10s  %10s  %9s  %4s  %7s  %7s  %7s\n", width, "layer", "op", "prec", "min",
        "max", "scale", "zero", "SQNR dB", "own dB", "share %");
    for (size_t i = 0; i < report->n_layers; i++)
        print_layer(&report->layers[i], width);
}

static void print_quality(const struct convert_result *result)
{
    const struct tf2_quantize_report *q = result->report;
    char sqnr[32];
    printf(
        "  against float32 on %zu %ssample%s: SQNR %s%s, cosine %.6f at worst", q->n_samples,
        result->options->n_calibrate ? "" : "random ", q->n_samples == 1 ? "" : "s",
        decibels(q->sqnr_db, sqnr), q->sqnr_db >= EXACT_DB ? "" : " dB", q->cosine);
    if (q->same_class_percent >= 0)
        printf(", same class %.1f %%", q->same_class_percent);
    putchar('\n');
    if (q->n_fell_back > 0)
        printf(
            "  %zu node%s fell back to float32 for --max-drop\n", q->n_fell_back,
            q->n_fell_back == 1 ? "" : "s");
}

static void print_result(const struct convert_result *result)
{
    struct tf2_model_info info;
    tf2_model_info(convert_model(result), &info);
    printf("%s: ", result->options->out_path);
    print_size(result->size_bytes);
    if (info.n_int8_nodes > 0)
        printf(
            ", int8: %zu nodes on integers, %zu float32", info.n_int8_nodes,
            info.n_nodes - info.n_int8_nodes);
    else
        printf(", fp32: %zu node%s", info.n_nodes, info.n_nodes == 1 ? "" : "s");
    if (!result->options->to_onnx) {
        if (result->task->labels.n_labels > 0)
            printf(", %zu labels", result->task->labels.n_labels);
        printf(result->has_example ? ", with example" : ", no example");
        if (result->no_example_reason)
            printf(" (%s)", result->no_example_reason);
    }
    putchar('\n');
    if (!result->report)
        return;
    print_quality(result);
    if (result->options->report)
        print_layers(result->report);
}

static json_t *layer_json(const struct tf2_quantize_layer *layer)
{
    json_t *object = json_object();
    json_object_set_new(object, "name", cli_text_json(layer->name));
    json_object_set_new(object, "op", cli_text_json(layer->op));
    json_object_set_new(object, "precision", json_string(layer->is_int8 ? "int8" : "fp32"));
    json_object_set_new(object, "fell_back", json_boolean(layer->fell_back));
    json_object_set_new(object, "min", cli_real_json(layer->min));
    json_object_set_new(object, "max", cli_real_json(layer->max));
    json_object_set_new(object, "scale", layer->scale > 0 ? cli_real_json(layer->scale) : json_null());
    json_object_set_new(
        object, "zero_point", layer->scale > 0 ? json_integer(layer->zero_point) : json_null());
    json_object_set_new(object, "sqnr_db", cli_real_json(layer->sqnr_db));
    json_object_set_new(object, "own_sqnr_db", cli_real_json(layer->own_sqnr_db));
    json_object_set_new(object, "share", layer->share < 0 ? json_null() : cli_real_json(layer->share));
    return object;
}

static json_t *quality_json(const struct convert_result *result)
{
    const struct tf2_quantize_report *q = result->report;
    json_t *object = json_object();
    json_object_set_new(object, "samples", json_integer((json_int_t)q->n_samples));
    json_object_set_new(object, "random", json_boolean(result->options->n_calibrate == 0));
    json_object_set_new(object, "fell_back", json_integer((json_int_t)q->n_fell_back));
    json_object_set_new(object, "sqnr_db", cli_real_json(q->sqnr_db));
    json_object_set_new(object, "cosine", cli_real_json(q->cosine));
    json_object_set_new(
        object, "same_class_percent",
        q->same_class_percent >= 0 ? cli_real_json(q->same_class_percent) : json_null());
    return object;
}

static json_t *facts_json(const struct convert_result *result)
{
    json_t *object = json_object();
    for (size_t i = 0; i < result->n_facts; i++)
        json_object_set_new(object, result->facts[i].key, cli_text_json(result->facts[i].value));
    return object;
}

static json_t *result_json(const struct convert_result *result)
{
    struct tf2_model_info info;
    json_t *root = json_object();
    tf2_model_info(convert_model(result), &info);
    json_object_set_new(root, "input", cli_text_json(result->options->run.model.path));
    json_object_set_new(root, "output", cli_text_json(result->options->out_path));
    json_object_set_new(root, "format", json_string(result->options->to_onnx ? "onnx" : "tf2"));
    json_object_set_new(root, "size_bytes", json_integer((json_int_t)result->size_bytes));
    json_object_set_new(root, "precision", json_string(info.n_int8_nodes ? "int8" : "fp32"));
    json_object_set_new(root, "nodes", json_integer((json_int_t)info.n_nodes));
    json_object_set_new(root, "int8_nodes", json_integer((json_int_t)info.n_int8_nodes));
    json_object_set_new(root, "macs", json_integer(info.macs));
    json_object_set_new(root, "weights_bytes", json_integer((json_int_t)info.weights_bytes));
    json_object_set_new(root, "labels", json_integer((json_int_t)result->task->labels.n_labels));
    json_object_set_new(root, "example", json_boolean(result->has_example));
    json_object_set_new(root, "facts", facts_json(result));
    if (!result->report)
        return root;
    json_object_set_new(root, "accuracy", quality_json(result));
    json_t *layers = json_array();
    for (size_t i = 0; i < result->report->n_layers; i++)
        json_array_append_new(layers, layer_json(&result->report->layers[i]));
    json_object_set_new(root, "layers", layers);
    return root;
}

int convert_report(const struct convert_result *result)
{
    const char *json_path = result->options->run.json_path;
    if (!json_path || strcmp(json_path, "-") != 0)
        print_result(result);
    return json_path ? cli_write_json(result_json(result), json_path) : 0;
}
