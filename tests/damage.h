/* damage.h - safetensors files, damaged in the ways that readers fall over: bits, lengths, numbers,
 * keys, positions, cut and grown files. The same ones in every run. For tests only. */
#pragma once

#include "model_fixture.h"

enum { GROWTH = 4096 };

static uint64_t state_of_numbers = 0x243f6a8885a308d3u;

static size_t below(size_t bound)
{
    state_of_numbers ^= state_of_numbers << 13;
    state_of_numbers ^= state_of_numbers >> 7;
    state_of_numbers ^= state_of_numbers << 17;
    return bound ? (size_t)(state_of_numbers >> 11) % bound : 0;
}

/* Of the header as far as there is one; b->size > 16. */
static size_t header_length(const bytes *b)
{
    size_t length = (size_t)b->data[0] | (size_t)b->data[1] << 8;
    return length < 1 ? 1 : length > b->size - 8 ? b->size - 8 : length;
}

static void set_header_length(bytes *b, size_t length)
{
    for (int i = 0; i < 8; i++)
        b->data[i] = (unsigned char)((uint64_t)length >> 8 * i);
}

/* Puts `text` in place of `old` bytes at `at` of the header. */
static void splice(bytes *b, size_t at, size_t old, const char *text)
{
    size_t length = strlen(text), header = header_length(b);
    old = old < b->size - at ? old : b->size - at;
    memmove(b->data + at + length, b->data + at + old, b->size - at - old);
    memcpy(b->data + at, text, length);
    b->size += length - old;
    set_header_length(b, header + length > old ? header + length - old : 0);
}

/* A random place in the header where `pattern` stands; 0 where it does not. */
static size_t find(const bytes *b, const char *pattern)
{
    size_t length = strlen(pattern), end = 8 + header_length(b), start = 8 + below(end - 8),
           at = start;
    do {
        if (at + length <= end && !memcmp(b->data + at, pattern, length))
            return at;
        at = at + 1 < end ? at + 1 : 8;
    } while (at != start);
    return 0;
}

static void flip_bits(bytes *b)
{
    for (size_t i = 0, count = 1 + below(8); i < count; i++)
        b->data[below(b->size)] ^= (unsigned char)(1u << below(8));
}

static void flip_bits_of_header(bytes *b)
{
    for (size_t i = 0, count = 1 + below(3); i < count; i++)
        b->data[8 + below(header_length(b))] ^= (unsigned char)(1u << below(8));
}

static void cut(bytes *b)
{
    b->size = below(b->size + 1);
}

static void grow_tail(bytes *b)
{
    b->size += 1 + below(64);
}

static void change_length(bytes *b)
{
    static const size_t lengths[] = {0, 1, 7, 8, 99999999, 100000001, SIZE_MAX, SIZE_MAX - 7};
    set_header_length(b, below(2) ? lengths[below(8)] : below(2 * b->size));
}

/* A number in the header becomes another. */
static void change_number(bytes *b)
{
    static const char *const numbers[] = {"0",
                                          "1",
                                          "-1",
                                          "2",
                                          "5",
                                          "1048576",
                                          "4294967296",
                                          "9223372036854775807",
                                          "18446744073709551615",
                                          "1e3",
                                          "0.5",
                                          "4611686018427387904",
                                          "null",
                                          "[]"};
    size_t end = 8 + header_length(b), at = 8 + below(end - 8);
    while (at < end && (b->data[at] < '0' || b->data[at] > '9'))
        at++;
    size_t length = 0;
    while (at + length < end && b->data[at + length] >= '0' && b->data[at + length] <= '9')
        length++;
    if (length)
        splice(b, at, length, numbers[below(sizeof numbers / sizeof *numbers)]);
}

/* Two tensors exchange their positions. */
static void swap_offsets(bytes *b)
{
    const char *key = "\"data_offsets\":[";
    size_t first = find(b, key), second = find(b, key), length = strlen(key) + 6;
    if (!first || !second || first == second || first + length > b->size ||
        second + length > b->size)
        return;
    for (size_t i = 0; i < length; i++) {
        unsigned char held = b->data[first + i];
        b->data[first + i] = b->data[second + i];
        b->data[second + i] = held;
    }
}

static void add_text(bytes *b)
{
    static const char *const texts[] = {
        "\"entry.step\":{\"dtype\":\"F64\",\"shape\":[0],\"data_offsets\":[0,0]},",
        "\"extra.x\":{\"dtype\":\"F64\",\"shape\":[0],\"data_offsets\":[0,0]},",
        "\"layers.9.scale\":{\"dtype\":\"F32\",\"shape\":[0,4],\"data_offsets\":[0,0]},",
        "\"__metadata__\":{},",
        "\"a\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]],",
        "\\u0000",
        "\\ud800",
        "\xff",
        "\"",
        "{",
        "}",
        "[",
        ","};
    size_t at = below(2) ? find(b, ",\"") + 1 : 8 + below(header_length(b));
    splice(b, at, 0, texts[below(sizeof texts / sizeof *texts)]);
}

static void change_spec(bytes *b)
{
    static const char *const lines[] = {"permute reverse\\n",
                                        "permute random:18446744073709551615\\n",
                                        "coupling move=first hidden=65536x64\\n",
                                        "scale\\n",
                                        "logit margin=1e-300\\n",
                                        "standardise\\n",
                                        "prior normal\\n",
                                        "columns 1048576\\n",
                                        "#\\n",
                                        "\\n",
                                        "x",
                                        "coupling hidden=\\n"};
    size_t at = find(b, "\\n");
    for (size_t i = 0, count = 1 + below(20); at && i < count; i++)
        splice(b, at + 2, 0, lines[below(sizeof lines / sizeof *lines)]);
}

static void remove_some(bytes *b)
{
    size_t at = 8 + below(header_length(b)), most = b->size - at;
    splice(b, at, below(most < 40 ? most : 40), "");
}

static void (*const DAMAGES[])(bytes *) = {
    flip_bits,     flip_bits_of_header, cut,      grow_tail,   change_length, change_number,
    change_number, swap_offsets,        add_text, change_spec, remove_some};

/* A copy of the file with one or two of these done to it; release its data with memory_free. */
static bytes damaged(const bytes *original)
{
    bytes b = {memory_new(original->size + GROWTH, 1), original->size};
    assert_non_null(b.data);
    memcpy(b.data, original->data, original->size);
    for (size_t i = 0, count = 1 + below(2); i < count && b.size > 16; i++)
        DAMAGES[below(sizeof DAMAGES / sizeof *DAMAGES)](&b);
    assert_true(b.size <= original->size + GROWTH);
    return b;
}
