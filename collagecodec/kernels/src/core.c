/* Version and choice of the instruction set. */
#include "core.h"

extern const collage_kernels collage_scalar, collage_avx2, collage_neon, collage_dot, collage_simd128, collage_relaxed;

/* What runs everywhere: a WebAssembly module has one instruction set. */
#if defined(__wasm_relaxed_simd__)
#define collage_plain collage_relaxed
#elif defined(__wasm_simd128__)
#define collage_plain collage_simd128
#else
#define collage_plain collage_scalar
#endif

#ifndef COLLAGE_VERSION
#define COLLAGE_VERSION "unknown"
#endif

#if defined(__x86_64__) || defined(_M_X64)
#include <cpuid.h>

static int best(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & 1u << 27) || !(c & 1u << 28))
        return COLLAGE_SCALAR;
    unsigned low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if ((low & 6) != 6 || !__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return COLLAGE_SCALAR;
    return b & 1u << 5 ? COLLAGE_AVX2 : COLLAGE_SCALAR;
}
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>

static int best(void) {
    return getauxval(AT_HWCAP) & 1ul << 20 ? COLLAGE_DOT : COLLAGE_NEON; /* HWCAP_ASIMDDP */
}
#elif defined(__aarch64__) && defined(__APPLE__)
static int best(void) { return COLLAGE_DOT; } /* every Apple processor that runs macOS has it */
#elif defined(__aarch64__)
static int best(void) { return COLLAGE_NEON; }
#elif defined(__wasm_relaxed_simd__)
static int best(void) { return COLLAGE_RELAXED; }
#elif defined(__wasm_simd128__)
static int best(void) { return COLLAGE_SIMD128; }
#else
static int best(void) { return COLLAGE_SCALAR; }
#endif

static const collage_kernels *kernels_of(int isa) {
    switch (isa) {
#if defined(__x86_64__)
    case COLLAGE_AVX2:
        return &collage_avx2;
#elif defined(__aarch64__)
    case COLLAGE_DOT:
        return &collage_dot;
    case COLLAGE_NEON:
        return &collage_neon;
#endif
    default:
        return &collage_plain;
    }
}

static const collage_kernels *in_use = &collage_plain;

/* What the sources of this core hash to; a caller that has other sources must not use it. */
COLLAGE_API const char *collage_version(void) { return COLLAGE_VERSION; }

/* Uses an instruction set, or with -1 the best one that the processor has, and returns the one in use. An
   instruction set that the processor lacks is refused. Not while other threads compute. */
COLLAGE_API int collage_use(int isa) {
    const int most = best();
    if (isa < 0 || isa > most || (isa != COLLAGE_SCALAR && isa != most && !(isa == COLLAGE_NEON && most == COLLAGE_DOT)))
        isa = most;
    in_use = kernels_of(isa);
    return isa;
}

COLLAGE_API void collage_layer_apply(const collage_layer *layer, const uint8_t *x, int64_t row, int64_t step,
                                     const int32_t *where, int64_t n, int rate_index, int top, void *out,
                                     int64_t stride) {
    in_use->layer_apply(layer, x, row, step, where, n, rate_index, top, out, stride);
}

COLLAGE_API int collage_convolve(const collage_layer *const *layers, int depth, const int16_t *samples, int count,
                                 int64_t plane, int64_t row, int64_t rows, int64_t columns, int rate_index,
                                 int32_t *out) {
    return in_use->convolve(layers, depth, samples, count, plane, row, rows, columns, rate_index, out);
}

COLLAGE_API int collage_correct(const collage_layer *const *layers, int depth, const int16_t *samples, int count,
                                int64_t plane, int64_t row, int64_t rows, int64_t columns, int rate_index,
                                int16_t *to, int kept) {
    return in_use->correct(layers, depth, samples, count, plane, row, rows, columns, rate_index, to, kept);
}

COLLAGE_API int collage_synthesise(const int32_t *codes, int rows, int columns, int channel_count,
                                   const int32_t *channels, int count, const int16_t *atoms, int n, int64_t padded,
                                   int peak, int16_t *to, int64_t row) {
    return in_use->synthesise(codes, rows, columns, channel_count, channels, count, atoms, n, padded, peak, to, row);
}

COLLAGE_API void collage_grey(const int16_t *luma, int64_t n, uint8_t *pixels) { in_use->grey(luma, n, pixels); }

COLLAGE_API void collage_rgb(const int16_t *luma, const int16_t *cb, const int16_t *cr, int64_t n, uint8_t *pixels,
                             int step) {
    in_use->rgb(luma, cb, cr, n, pixels, step);
}

COLLAGE_API void collage_resample(const int16_t *values, int planes, int64_t length, int64_t across,
                                  const int32_t *taps, const int32_t *weights, int64_t count, int width,
                                  int32_t *sums, int16_t *out) {
    in_use->resample(values, planes, length, across, taps, weights, count, width, sums, out);
}
