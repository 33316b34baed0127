/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pnm.c: binary PPM (P6) and PGM (P5), of any maximum up to 65535.
 *
 * Not by stb_image: up to 2.27 it does not notice a short file, ignores the maximum, and swaps the bytes of
 * 16-bit samples. After the header's maximum comes exactly one white space, then the samples, 16-bit ones
 * with the high byte first. What follows them (further images) is left alone.
 */
#include "api/pnm.h"

#include "api/stb.h"

struct pnm {
    const unsigned char *data;
    size_t size_bytes;
    size_t at;
    int32_t channels;
    int64_t width;
    int64_t height;
    int64_t maximum;
};

static bool is_space(unsigned char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* White space and comments, which run from # to the end of the line. */
static void skip_space(struct pnm *p)
{
    bool comment = false;
    for (; p->at < p->size_bytes; p->at++) {
        unsigned char c = p->data[p->at];
        if (comment)
            comment = c != '\n' && c != '\r';
        else if (c == '#')
            comment = true;
        else if (!is_space(c))
            break;
    }
}

static bool read_number(struct pnm *p, int64_t *value)
{
    size_t start = p->at;
    int64_t n = 0;
    skip_space(p);
    if (p->at == start)
        return false;
    for (start = p->at; p->at < p->size_bytes; p->at++) {
        unsigned char c = p->data[p->at];
        if (c < '0' || c > '9' || n > 1000000000)
            break;
        n = n * 10 + (c - '0');
    }
    *value = n;
    return p->at > start;
}

static enum tf2_status read_header(const char *name, struct pnm *p, struct tf2_error *error)
{
    p->channels = p->data[1] == '6' ? 3 : 1;
    p->at = 2;
    if (!read_number(p, &p->width) || !read_number(p, &p->height) || !read_number(p, &p->maximum) ||
        p->at >= p->size_bytes || !is_space(p->data[p->at]))
        return tf2__fail(
            error, TF2_ERR_FORMAT, "%s: broken PPM header at byte %zu, wanted width, height and maximum",
            name, p->at);
    p->at++;
    if (p->maximum < 1 || p->maximum > 65535)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "%s: PPM of maximum %lld, wanted 1 to 65535", name, (long long)p->maximum);
    TF2__TRY(tf2__image_check_size(name, p->width, p->height, error));
    size_t wanted = (size_t)(p->width * p->height * p->channels) * (p->maximum > 255 ? 2 : 1);
    if (p->size_bytes - p->at < wanted)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "%s: PPM is cut short: %zu bytes of pixels, wanted %zu", name,
            p->size_bytes - p->at, wanted);
    return TF2_OK;
}

/* n samples to 8 bits. */
static void read_samples(const struct pnm *p, size_t n, uint8_t *out)
{
    const unsigned char *in = p->data + p->at;
    uint32_t maximum = (uint32_t)p->maximum;
    if (maximum == 255) {
        memcpy(out, in, n);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t v = maximum > 255 ? (uint32_t)in[2 * i] << 8 | in[2 * i + 1] : in[i];
        out[i] = (uint8_t)((TF2__MIN(v, maximum) * 255 + maximum / 2) / maximum);
    }
}

static void gray_to_rgb(const uint8_t *gray, size_t n, uint8_t *rgb)
{
    for (size_t i = 0; i < n; i++)
        rgb[3 * i] = rgb[3 * i + 1] = rgb[3 * i + 2] = gray[i];
}

/* The luminance weights of stb_image, so that all formats give the same gray. */
static void rgb_to_gray(const uint8_t *rgb, size_t n, uint8_t *gray)
{
    for (size_t i = 0; i < n; i++)
        gray[i] = (uint8_t)((rgb[3 * i] * 77 + rgb[3 * i + 1] * 150 + rgb[3 * i + 2] * 29) >> 8);
}

enum tf2_status tf2__pnm_decode(
    const char *name, const void *data, size_t size_bytes, const struct tf2_env *env, int32_t *channels,
    int32_t *width, int32_t *height, uint8_t **pixels, struct tf2_error *error)
{
    struct pnm p = {.data = data, .size_bytes = size_bytes};
    TF2__TRY(read_header(name, &p, error));
    size_t n = (size_t)(p.width * p.height);
    int32_t n_wanted = *channels ? *channels : p.channels;
    uint8_t *found = tf2__alloc(env, n * (size_t)p.channels);
    uint8_t *wanted = n_wanted == p.channels ? found : tf2__alloc(env, n * (size_t)n_wanted);
    if (!found || !wanted) {
        tf2__free(env, found);
        if (wanted != found)
            tf2__free(env, wanted);
        return tf2__fail(error, TF2_ERR_NO_MEMORY, "%s: out of memory: %zu pixels", name, n);
    }
    read_samples(&p, n * (size_t)p.channels, found);
    if (wanted != found) {
        if (n_wanted == 3)
            gray_to_rgb(found, n, wanted);
        else
            rgb_to_gray(found, n, wanted);
        tf2__free(env, found);
    }
    *channels = n_wanted;
    *width = (int32_t)p.width;
    *height = (int32_t)p.height;
    *pixels = wanted;
    return TF2_OK;
}
