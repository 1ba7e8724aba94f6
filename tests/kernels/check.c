/* Compares the kernels of this processor with their scalar forms on random inputs; prints "equal" or what differs.

   For processors other than that of the machine, in an emulator, and for sanitizers. Links with the core. */
#include "core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int collage_use(int isa);
void collage_layer_apply(const collage_layer *layer, const uint8_t *x, int64_t row, int64_t step, const int32_t *where,
                         int64_t n, int rate_index, int top, void *out, int64_t stride);
collage_layer *collage_layer_new(const int8_t *weight, int tap_rows, int tap_columns, int channels, int outputs,
                                 const int32_t *bias, const int32_t *slope, int shift, int wide);
void collage_layer_free(collage_layer *layer);
int collage_convolve(const collage_layer *const *layers, int depth, const int16_t *samples, int count, int64_t plane,
                     int64_t row, int64_t rows, int64_t columns, int rate_index, int32_t *out);
int collage_synthesise(const int32_t *codes, int rows, int columns, int channel_count, const int32_t *channels,
                       int count, const int16_t *atoms, int n, int64_t padded, int peak, int16_t *to, int64_t row);
void collage_rgb(const int16_t *luma, const int16_t *cb, const int16_t *cr, int64_t n, uint8_t *pixels, int step);

static uint64_t seed = 1;

static int number(int low, int high) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return low + (int)((seed >> 33) % (uint64_t)(high - low + 1));
}

static int failures;

static void compare(const char *name, const void *a, const void *b, size_t size) {
    if (memcmp(a, b, size)) {
        printf("%s differs\n", name);
        failures++;
    }
}

static collage_layer *layer(int taps, int channels, int outputs, int largest, int wide) {
    const int inputs = taps * taps * channels;
    int8_t *weight = malloc((size_t)(inputs * outputs));
    int32_t *offset = malloc(sizeof(int32_t) * 2 * (size_t)outputs);
    for (int i = 0; i < inputs * outputs; i++)
        weight[i] = (int8_t)(i % outputs == 0 ? 127 : i % outputs == 1 ? -127 : number(-largest, largest));
    for (int i = 0; i < 2 * outputs; i++)
        offset[i] = number(-3000, 3000);
    collage_layer *made =
        collage_layer_new(weight, taps, taps, channels, outputs, offset, offset + outputs, number(6, 9), wide);
    free(weight);
    free(offset);
    return made;
}

static void check_dense(int channels, int outputs, int largest, int wide) {
    const int n = number(1, 23);
    collage_layer *made = layer(1, channels, outputs, largest, wide);
    uint8_t *x = malloc((size_t)(n * channels));
    uint8_t *bytes[2] = {calloc((size_t)n, (size_t)outputs), calloc((size_t)n, (size_t)outputs)};
    for (int i = 0; i < n * channels; i++)
        x[i] = (uint8_t)(number(0, 2) ? number(0, wide ? 255 : 127) : number(0, 1) * (wide ? 255 : 127));
    for (int simd = 0; simd < 2; simd++) {
        collage_use(simd ? -1 : 0);
        collage_layer_apply(made, x, 0, channels, NULL, n, 50, 127, bytes[simd], outputs);
    }
    compare("layer", bytes[0], bytes[1], (size_t)(n * outputs));
    collage_layer_free(made);
    free(x);
    free(bytes[0]);
    free(bytes[1]);
}

static void check_convolution(int largest) {
    enum { ROWS = 9, COLUMNS = 21, COUNT = 3 };
    collage_layer *const layers[3] = {layer(3, 12, 20, largest, 1), layer(3, 20, 8, largest, 0),
                                      layer(3, 8, 12, largest, 0)};
    int16_t samples[COUNT][2 * ROWS][2 * COLUMNS];
    int32_t out[2][ROWS - 6][COLUMNS - 6][12];
    for (int16_t *s = &samples[0][0][0]; s < &samples[0][0][0] + sizeof samples / 2; s++)
        *s = (int16_t)(number(0, 1) ? number(-2100, 2100) : number(-32768, 32767));
    for (int simd = 0; simd < 2; simd++) {
        collage_use(simd ? -1 : 0);
        if (!collage_convolve((const collage_layer *const *)layers, 3, &samples[0][0][0], COUNT,
                              4 * ROWS * COLUMNS, 2 * COLUMNS, ROWS, COLUMNS, 77, &out[simd][0][0][0]))
            failures++;
    }
    compare("convolution", out[0], out[1], sizeof out[0]);
    for (int i = 0; i < 3; i++)
        collage_layer_free(layers[i]);
}

static void check_synthesis(int n, int largest) {
    enum { ROWS = 3, COLUMNS = 4, CHANNELS = 7 };
    static int16_t atoms[4 * CHANNELS * 256], samples[2][ROWS * 16 * COLUMNS * 16];
    int32_t codes[(ROWS + 1) * (COLUMNS + 1) * CHANNELS], channels[CHANNELS];
    for (int i = 0; i < 4 * CHANNELS * 256; i++)
        atoms[i] = (int16_t)number(-32768, 32767);
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        codes[i] = number(0, 2) ? 0 : number(-largest, largest);
    for (int i = 0; i < CHANNELS; i++)
        channels[i] = CHANNELS - 1 - i;
    for (int simd = 0; simd < 2; simd++) {
        collage_use(simd ? -1 : 0);
        if (!collage_synthesise(codes, ROWS, COLUMNS, CHANNELS, channels, CHANNELS, atoms, n, 256, 32768,
                                samples[simd], COLUMNS * n))
            failures++;
    }
    compare("synthesis", samples[0], samples[1], sizeof(int16_t) * (size_t)(ROWS * n * COLUMNS * n));
}

static void check_colour(int n) {
    static int16_t planes[3][1000];
    static uint8_t pixels[2][3000];
    for (int i = 0; i < 3000; i++)
        planes[i / 1000][i % 1000] = (int16_t)(i & 1 ? number(-32768, 32767) : number(-3000, 3000));
    for (int simd = 0; simd < 2; simd++) {
        collage_use(simd ? -1 : 0);
        collage_rgb(planes[0], planes[1], planes[2], n, pixels[simd], 3);
    }
    compare("colour", pixels[0], pixels[1], 3 * (size_t)n);
}

int main(void) {
    for (int round = 0; round < 12; round++) {
        check_dense(4 * number(1, 60), number(1, 70), round % 2 ? 127 : 9, round % 3 == 0);
        check_convolution(round % 2 ? 127 : 12);
        check_synthesis(round % 3 ? 16 : number(1, 15), round % 4 ? 60 : 1 << 24);
        check_colour(number(1, 1000));
    }
    if (!failures)
        printf("equal, instruction set %d\n", collage_use(-1));
    return failures != 0;
}
