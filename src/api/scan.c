/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scan.c: checks of image files that stb_image leaves out.
 *
 * JPEG (ITU-T T.81, annex B): the markers are walked from the start-of-image to the end-of-image marker,
 * which must be there; a scan's data runs to the next marker that is neither a stuffed zero nor a restart.
 * The number of scans is bounded, and the size: every 8x8 block of at least one component takes a bit or more
 * in the file. Without these, a few kilobytes keep a progressive decoder busy for hours. The tables' sizes
 * are checked too.
 *
 * PNG (ISO/IEC 15948, 5.3): every chunk's CRC-32 up to IEND.
 *
 * BMP (BITMAPCOREHEADER, BITMAPINFOHEADER and longer ones): the file is not smaller than its pixels.
 *
 * The size is looked at in all three: stb_image has the same limit on a side, but calls the file broken.
 */
#include "api/scan.h"
#include "api/stb.h"

#define MAX_SCANS 100

enum tf2__image_kind tf2__image_sniff(const unsigned char *data, size_t size_bytes)
{
    static const unsigned char png[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    if (size_bytes >= 3 && data[0] == 0xff && data[1] == 0xd8 && data[2] == 0xff)
        return TF2__IMAGE_JPEG;
    if (size_bytes >= sizeof(png) && memcmp(data, png, sizeof(png)) == 0)
        return TF2__IMAGE_PNG;
    if (size_bytes >= 2 && data[0] == 'B' && data[1] == 'M')
        return TF2__IMAGE_BMP;
    if (size_bytes >= 3 && data[0] == 'P' && (data[1] == '5' || data[1] == '6'))
        return TF2__IMAGE_PNM;
    return TF2__IMAGE_NONE;
}

/* Start-of-frame markers; C4, C8 and CC are others. */
static bool is_frame(unsigned marker)
{
    return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

/* The offset of the 0xff of the next real marker at or behind `at`; size_bytes when there is none. */
static size_t next_marker(const unsigned char *data, size_t size_bytes, size_t at)
{
    while (at + 1 < size_bytes) {
        const unsigned char *hit = memchr(data + at, 0xff, size_bytes - 1 - at);
        if (!hit)
            break;
        at = (size_t)(hit - data);
        unsigned next = data[at + 1];
        if (next != 0x00 && next != 0xff && !(next >= 0xd0 && next <= 0xd7))
            return at;
        at += next == 0xff ? 1 : 2;
    }
    return size_bytes;
}

static enum tf2_status
check_frame(const char *name, const unsigned char *frame, size_t size_bytes, struct tf2_error *error)
{
    uint64_t height = (uint64_t)frame[3] << 8 | frame[4];
    uint64_t width = (uint64_t)frame[5] << 8 | frame[6];
    if (width * height > (uint64_t)size_bytes * 8 * 64)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "%s: broken JPEG: %zu bytes cannot hold %llu x %llu pixels", name,
            size_bytes, (unsigned long long)width, (unsigned long long)height);
    return tf2__image_check_size(name, (int64_t)width, (int64_t)height, error);
}

/* Tables of a DHT segment: class and number, 16 counts, as many symbols. stb_image up to 2.27 writes behind
 * its table when the counts add up to more than 256, and takes symbol 255 for none; no real file has more
 * than 176. */
static enum tf2_status
check_huffman(const char *name, const unsigned char *table, size_t size_bytes, struct tf2_error *error)
{
    while (size_bytes > 0) {
        size_t n_symbols = 0;
        for (size_t i = 1; i <= 16 && i < size_bytes; i++)
            n_symbols += table[i];
        if (n_symbols > 255 || 17 + n_symbols > size_bytes)
            return tf2__fail(
                error, TF2_ERR_FORMAT, "%s: broken JPEG: a Huffman table of %zu symbols", name, n_symbols);
        table += 17 + n_symbols;
        size_bytes -= 17 + n_symbols;
    }
    return TF2_OK;
}

enum tf2_status
tf2__jpeg_check(const char *name, const unsigned char *data, size_t size_bytes, struct tf2_error *error)
{
    size_t at = next_marker(data, size_bytes, 2);
    int n_scans = 0;
    while (at + 3 < size_bytes && data[at + 1] != 0xd9) {
        unsigned marker = data[at + 1];
        size_t length = (size_t)data[at + 2] << 8 | data[at + 3];
        if (length < 2 || length > size_bytes - at - 2)
            break;
        if (is_frame(marker) && length >= 7)
            TF2__TRY(check_frame(name, data + at + 2, size_bytes, error));
        if (marker == 0xc4)
            TF2__TRY(check_huffman(name, data + at + 4, length - 2, error));
        if (marker == 0xda && ++n_scans > MAX_SCANS)
            return tf2__fail(
                error, TF2_ERR_VALUE, "%s: JPEG of more than %d scans is not supported", name, MAX_SCANS);
        at = next_marker(data, size_bytes, at + 2 + length);
    }
    if (at + 1 >= size_bytes || data[at + 1] != 0xd9)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "%s: JPEG is cut short or broken: no end-of-image marker", name);
    return TF2_OK;
}

static uint32_t read_u32(const unsigned char *data)
{
    return (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
}

static void make_crc_table(uint32_t table[256])
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? 0xedb88320u ^ (crc >> 1) : crc >> 1;
        table[i] = crc;
    }
}

static uint32_t crc32_of(const uint32_t table[256], const unsigned char *data, size_t size_bytes)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size_bytes; i++)
        crc = table[(crc ^ data[i]) & 0xff] ^ (crc >> 8);
    return ~crc;
}

enum tf2_status
tf2__png_check(const char *name, const unsigned char *data, size_t size_bytes, struct tf2_error *error)
{
    uint32_t table[256];
    make_crc_table(table);
    /* A chunk: length of data, type, data, CRC of type and data. */
    for (size_t at = 8; size_bytes - at >= 12;) {
        size_t length = read_u32(data + at);
        if (length > size_bytes - at - 12)
            break;
        if (crc32_of(table, data + at + 4, length + 4) != read_u32(data + at + 8 + length))
            return tf2__fail(
                error, TF2_ERR_FORMAT, "%s: broken PNG: the checksum of the part at byte %zu is wrong", name,
                at);
        if (memcmp(data + at + 4, "IHDR", 4) == 0 && length >= 8)
            TF2__TRY(tf2__image_check_size(name, read_u32(data + at + 8), read_u32(data + at + 12), error));
        if (memcmp(data + at + 4, "IEND", 4) == 0)
            return TF2_OK;
        at += 12 + length;
    }
    return tf2__fail(error, TF2_ERR_FORMAT, "%s: PNG is cut short", name);
}

static uint32_t read_le32(const unsigned char *data)
{
    return data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
}

static uint32_t read_le16(const unsigned char *data)
{
    return data[0] | (uint32_t)data[1] << 8;
}

enum tf2_status
tf2__bmp_check(const char *name, const unsigned char *data, size_t size_bytes, struct tf2_error *error)
{
    if (size_bytes < 30)
        return tf2__fail(error, TF2_ERR_FORMAT, "%s: BMP is cut short", name);
    bool old = read_le32(data + 14) == 12;
    int64_t width = old ? (int32_t)read_le16(data + 18) : (int32_t)read_le32(data + 18);
    int64_t height = old ? (int32_t)read_le16(data + 20) : (int32_t)read_le32(data + 22);
    int64_t bits = read_le16(data + (old ? 24 : 28));
    if (height < 0) /* rows from the top down */
        height = -height;
    if (width > 0 && bits > 0 && height > (int64_t)size_bytes * 8 / bits / width)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "%s: BMP is cut short or broken: %zu bytes cannot hold %lld x %lld pixels",
            name, size_bytes, (long long)width, (long long)height);
    return tf2__image_check_size(name, width, height, error);
}
