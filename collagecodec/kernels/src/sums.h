/* Sums of products for COLLAGE_POSITIONS positions and `count` blocks of outputs, in the instruction set of this compilation.

   sums[p][b][o] = the sum over all listed groups for position p and output 8 b + o, b < count <= COLLAGE_BLOCKS.
   Segment s ends before list[ends[s]]; `weights` are those of the first block. */
#include "core.h"

#include <string.h>

#if COLLAGE_ISA == COLLAGE_AVX2
#include <immintrin.h>

static inline __m256i broadcast(const uint8_t *from) {
    int32_t value;
    memcpy(&value, from, 4);
    return _mm256_set1_epi32(value);
}

static inline __attribute__((always_inline)) void sums_of(const collage_group *list, const int32_t *ends,
                                                          int segments, const int8_t *weights,
                                                          const uint8_t *const x[COLLAGE_POSITIONS],
                                                          const int count, const int wide,
                                                          int32_t out[COLLAGE_POSITIONS][COLLAGE_BLOCKS][8]) {
    (void)wide;
    const uint8_t *x0 = x[0], *x1 = x[1], *x2 = x[2], *x3 = x[3];
    __m256i total[COLLAGE_POSITIONS][COLLAGE_BLOCKS];
    for (int p = 0; p < COLLAGE_POSITIONS; p++)
        for (int b = 0; b < count; b++)
            total[p][b] = _mm256_setzero_si256();
    const collage_group *at = list;
    for (int s = 0; s < segments; s++) {
        const collage_group *const end = list + ends[s];
        if (at == end)
            continue;
        __m256i acc[COLLAGE_POSITIONS][COLLAGE_BLOCKS];
        for (int p = 0; p < COLLAGE_POSITIONS; p++)
            for (int b = 0; b < count; b++)
                acc[p][b] = _mm256_setzero_si256();
        for (; at < end; at++) {
            const int64_t o = at->input;
            const __m256i *w = (const __m256i *)(weights + at->weight);
            const __m256i v[COLLAGE_POSITIONS] = {broadcast(x0 + o), broadcast(x1 + o), broadcast(x2 + o),
                                                  broadcast(x3 + o)};
            for (int b = 0; b < count; b++) {
                const __m256i weight = _mm256_loadu_si256(w + b);
                for (int p = 0; p < COLLAGE_POSITIONS; p++)
                    acc[p][b] = _mm256_add_epi16(acc[p][b], _mm256_maddubs_epi16(v[p], weight));
            }
        }
        for (int p = 0; p < COLLAGE_POSITIONS; p++)
            for (int b = 0; b < count; b++)
                total[p][b] = _mm256_add_epi32(total[p][b], _mm256_madd_epi16(acc[p][b], _mm256_set1_epi16(1)));
    }
    for (int p = 0; p < COLLAGE_POSITIONS; p++)
        for (int b = 0; b < count; b++)
            _mm256_storeu_si256((__m256i *)out[p][b], total[p][b]);
}

#elif COLLAGE_ISA == COLLAGE_NEON || COLLAGE_ISA == COLLAGE_DOT
#include <arm_neon.h>

static inline int8x16_t broadcast(const uint8_t *from) {
    int32_t value;
    memcpy(&value, from, 4);
    return vreinterpretq_s8_s32(vdupq_n_s32(value));
}

/* Adds 4 products to each of 4 sums. Inputs are 0 .. 127, so that they are the same as signed bytes. */
static inline int32x4_t add_products(int32x4_t sum, int8x16_t v, int8x16_t w) {
#if COLLAGE_ISA == COLLAGE_DOT
    return vdotq_s32(sum, v, w);
#else
    const int16x8_t low = vmull_s8(vget_low_s8(v), vget_low_s8(w)), high = vmull_high_s8(v, w);
    return vaddq_s32(sum, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)));
#endif
}

/* The same for inputs 0 .. 255. */
static inline int32x4_t add_wide(int32x4_t sum, int8x16_t v, int8x16_t w) {
    const uint8x16_t u = vreinterpretq_u8_s8(v);
    const int16x8_t vl = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(u)));
    const int16x8_t vh = vreinterpretq_s16_u16(vmovl_high_u8(u));
    const int16x8_t wl = vmovl_s8(vget_low_s8(w)), wh = vmovl_high_s8(w);
    const int32x4_t a = vmull_s16(vget_low_s16(vl), vget_low_s16(wl)), b = vmull_high_s16(vl, wl);
    const int32x4_t c = vmull_s16(vget_low_s16(vh), vget_low_s16(wh)), d = vmull_high_s16(vh, wh);
    return vaddq_s32(sum, vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d)));
}

static inline __attribute__((always_inline)) void sums_of(const collage_group *list, const int32_t *ends,
                                                          int segments, const int8_t *weights,
                                                          const uint8_t *const x[COLLAGE_POSITIONS],
                                                          const int count, const int wide,
                                                          int32_t out[COLLAGE_POSITIONS][COLLAGE_BLOCKS][8]) {
    int32x4_t acc[COLLAGE_POSITIONS][2 * COLLAGE_BLOCKS];
    for (int p = 0; p < COLLAGE_POSITIONS; p++)
        for (int b = 0; b < 2 * count; b++)
            acc[p][b] = vdupq_n_s32(0);
    for (int i = 0, total = ends[segments - 1]; i < total; i++) {
        int8x16_t v[COLLAGE_POSITIONS];
        for (int p = 0; p < COLLAGE_POSITIONS; p++)
            v[p] = broadcast(x[p] + list[i].input);
        for (int b = 0; b < 2 * count; b++) {
            const int8x16_t w = vld1q_s8(weights + list[i].weight + 16 * b);
            for (int p = 0; p < COLLAGE_POSITIONS; p++)
                acc[p][b] = wide ? add_wide(acc[p][b], v[p], w) : add_products(acc[p][b], v[p], w);
        }
    }
    for (int p = 0; p < COLLAGE_POSITIONS; p++)
        for (int b = 0; b < count; b++) {
            vst1q_s32(out[p][b], acc[p][2 * b]);
            vst1q_s32(out[p][b] + 4, acc[p][2 * b + 1]);
        }
}

#elif COLLAGE_ISA == COLLAGE_SIMD128 || COLLAGE_ISA == COLLAGE_RELAXED
#include <wasm_simd128.h>

/* Adds 4 products to each of 4 sums, for inputs 0 .. 255. */
static inline v128_t add_wide(v128_t sum, v128_t v, v128_t w) {
    const v128_t low = wasm_i32x4_dot_i16x8(wasm_u16x8_extend_low_u8x16(v), wasm_i16x8_extend_low_i8x16(w));
    const v128_t high = wasm_i32x4_dot_i16x8(wasm_u16x8_extend_high_u8x16(v), wasm_i16x8_extend_high_i8x16(w));
    const v128_t even = wasm_i32x4_shuffle(low, high, 0, 2, 4, 6), odd = wasm_i32x4_shuffle(low, high, 1, 3, 5, 7);
    return wasm_i32x4_add(sum, wasm_i32x4_add(even, odd));
}

/* The same for inputs 0 .. 127, where the relaxed product has one meaning on every machine. */
static inline v128_t add_products(v128_t sum, v128_t v, v128_t w) {
#if COLLAGE_ISA == COLLAGE_RELAXED
    return wasm_i32x4_relaxed_dot_i8x16_i7x16_add(w, v, sum);
#else
    return add_wide(sum, v, w);
#endif
}

static inline __attribute__((always_inline)) void sums_of(const collage_group *list, const int32_t *ends,
                                                          int segments, const int8_t *weights,
                                                          const uint8_t *const x[COLLAGE_POSITIONS],
                                                          const int count, const int wide,
                                                          int32_t out[COLLAGE_POSITIONS][COLLAGE_BLOCKS][8]) {
    v128_t acc[COLLAGE_POSITIONS][2 * COLLAGE_BLOCKS];
    for (int p = 0; p < COLLAGE_POSITIONS; p++)
        for (int b = 0; b < 2 * count; b++)
            acc[p][b] = wasm_i32x4_const_splat(0);
    for (int i = 0, total = ends[segments - 1]; i < total; i++) {
        v128_t v[COLLAGE_POSITIONS];
        for (int p = 0; p < COLLAGE_POSITIONS; p++)
            v[p] = wasm_v128_load32_splat(x[p] + list[i].input);
        for (int b = 0; b < 2 * count; b++) {
            const v128_t w = wasm_v128_load(weights + list[i].weight + 16 * b);
            for (int p = 0; p < COLLAGE_POSITIONS; p++)
                acc[p][b] = wide ? add_wide(acc[p][b], v[p], w) : add_products(acc[p][b], v[p], w);
        }
    }
    for (int p = 0; p < COLLAGE_POSITIONS; p++)
        for (int b = 0; b < count; b++) {
            wasm_v128_store(out[p][b], acc[p][2 * b]);
            wasm_v128_store(out[p][b] + 4, acc[p][2 * b + 1]);
        }
}

#else

/* The definition: every sum is that of the products of bytes and weights. */
static void sums_of(const collage_group *list, const int32_t *ends, int segments, const int8_t *weights,
                    const uint8_t *const x[COLLAGE_POSITIONS], int count, int wide,
                    int32_t sums[COLLAGE_POSITIONS][COLLAGE_BLOCKS][8]) {
    const int total = ends[segments - 1];
    (void)wide;
    for (int p = 0; p < COLLAGE_POSITIONS; p++)
        for (int b = 0; b < count; b++) {
            int32_t acc[8] = {0};
            for (int i = 0; i < total; i++) {
                const uint8_t *in = x[p] + list[i].input;
                const int8_t *w = weights + list[i].weight + 32 * b;
                for (int o = 0; o < 8; o++)
                    acc[o] += in[0] * w[4 * o] + in[1] * w[4 * o + 1] + in[2] * w[4 * o + 2] + in[3] * w[4 * o + 3];
            }
            memcpy(sums[p][b], acc, sizeof acc);
        }
}
#endif
