/* Integer kernels of the decoder. FORMAT.md, sections 3 and 5, defines their results to the bit. */
#ifndef COLLAGE_CORE_H
#define COLLAGE_CORE_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define COLLAGE_API __declspec(dllexport)
#else
#define COLLAGE_API __attribute__((visibility("default")))
#endif

/* Instruction sets. The scalar forms define the results. */
#define COLLAGE_SCALAR 0
#define COLLAGE_AVX2 1
#define COLLAGE_NEON 2
#define COLLAGE_DOT 3 /* NEON with the dot products of ARMv8.2 */
#define COLLAGE_SIMD128 4
#define COLLAGE_RELAXED 5 /* SIMD128 with relaxed dot products */

/* floor((x W + bias + rate_index slope) / 2^shift + 1/2) for inputs 0..127 or, with `wide`, 0..255.

   Inputs come in groups of 4 channels, outputs in blocks of 8. The weights of a group and a block are 32 bytes,
   output by output. Within a segment, all sums of products of even-numbered pairs of channels and all those of
   odd-numbered ones fit 16 bits, whatever the inputs are. A group whose products could not fit comes twice, with
   half the weights each. */
typedef struct {
    int tap_rows, tap_columns, channels, outputs, shift, wide;
    int groups, blocks, segments;
    int32_t *group;  /* tap row, tap column, first channel: 3 numbers for each group */
    int32_t *ends;   /* for each segment: the last group + 1 */
    int8_t *weights; /* [groups][blocks][8][4] */
    int32_t *bias, *slope;
} collage_layer;

/* Positions and blocks that are computed at a time: 8 sums of 16 bits, 4 inputs and a product fit 16 registers. */
enum { COLLAGE_POSITIONS = 4, COLLAGE_BLOCKS = 2, COLLAGE_MAX_GROUPS = 4096 };

/* A group that is to be added: its inputs begin at x[p] + input, its weights at weights + weight. */
typedef struct {
    int32_t input, weight;
} collage_group;

/* The kernels of an instruction set. The files where they are defined say what they compute. */
typedef struct {
    /* layer.c */
    void (*layer_apply)(const collage_layer *layer, const uint8_t *x, int64_t row, int64_t step,
                        const int32_t *where, int64_t n, int rate_index, int top, void *out, int64_t stride);
    /* convolution.c */
    int (*convolve)(const collage_layer *const *layers, int depth, const int16_t *samples, int count, int64_t plane,
                    int64_t row, int64_t rows, int64_t columns, int rate_index, int32_t *out);
    int (*correct)(const collage_layer *const *layers, int depth, const int16_t *samples, int count, int64_t plane,
                   int64_t row, int64_t rows, int64_t columns, int rate_index, int16_t *to, int kept);
    /* synthesis.c */
    int (*synthesise)(const int32_t *codes, int rows, int columns, int channel_count, const int32_t *channels,
                      int count, const int16_t *atoms, int n, int64_t padded, int peak, int16_t *to, int64_t row);
    /* colour.c */
    void (*grey)(const int16_t *luma, int64_t n, uint8_t *pixels);
    void (*rgb)(const int16_t *luma, const int16_t *cb, const int16_t *cr, int64_t n, uint8_t *pixels, int step);
    /* resample.c */
    void (*resample)(const int16_t *values, int planes, int64_t length, int64_t across, const int32_t *taps,
                     const int32_t *weights, int64_t count, int width, int32_t *sums, int16_t *out);
} collage_kernels;

/* Samples are in 1/16 level and are clipped to this magnitude after synthesis. */
enum { PLANE_LIMIT = 1 << 13 };

#endif
