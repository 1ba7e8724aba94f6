/* Lapped synthesis: the blocks of a plane as sums of atoms times codes (FORMAT.md, section 5.6). */
#include "core.h"

#include <stdlib.h>



/* acc[i] = the sum over t of codes[t] * atoms[t][first + i], i < 64; `count` is even. */
#if COLLAGE_ISA == COLLAGE_AVX2
#include <immintrin.h>
#include <string.h>

static void combine(const int16_t *const *atoms, const int16_t *codes, int count, int64_t first,
                    int32_t acc[64]) {
    __m256i low[4], high[4];
    for (int v = 0; v < 4; v++)
        low[v] = high[v] = _mm256_setzero_si256();
    for (int t = 0; t < count; t += 2) {
        int32_t pair;
        memcpy(&pair, codes + t, 4);
        const __m256i both = _mm256_set1_epi32(pair);
        const int16_t *a = atoms[t] + first, *b = atoms[t + 1] + first;
        for (int v = 0; v < 4; v++) {
            const __m256i one = _mm256_loadu_si256((const __m256i *)(a + 16 * v));
            const __m256i two = _mm256_loadu_si256((const __m256i *)(b + 16 * v));
            low[v] = _mm256_add_epi32(low[v], _mm256_madd_epi16(_mm256_unpacklo_epi16(one, two), both));
            high[v] = _mm256_add_epi32(high[v], _mm256_madd_epi16(_mm256_unpackhi_epi16(one, two), both));
        }
    }
    for (int v = 0; v < 4; v++) {
        _mm256_storeu_si256((__m256i *)(acc + 16 * v), _mm256_permute2x128_si256(low[v], high[v], 0x20));
        _mm256_storeu_si256((__m256i *)(acc + 16 * v + 8), _mm256_permute2x128_si256(low[v], high[v], 0x31));
    }
}
#else
static void combine(const int16_t *const *atoms, const int16_t *codes, int count, int64_t first, int32_t acc[64]) {
    for (int i = 0; i < 64; i++)
        acc[i] = 0;
    for (int t = 0; t < count; t++)
        for (int i = 0; i < 64; i++)
            acc[i] += codes[t] * atoms[t][first + i];
}
#endif

static inline int16_t sample_of(int64_t total) {
    total = (total + 512) >> 10;
    return (int16_t)(total < -PLANE_LIMIT ? -PLANE_LIMIT : total > PLANE_LIMIT ? PLANE_LIMIT : total);
}

/* The terms of a block: atoms and codes that are not zero. */
typedef struct {
    const int16_t **atoms;
    int32_t *wide;
    int16_t *codes;
    int count, narrow; /* narrow: no sum of the products can leave 32 bits, and the codes fit 16 */
} terms;

/* Lists the nonzero codes of a plane in a cell. */
static void list_cell(const int32_t *codes, const int32_t *channels, int count, int32_t *found, int32_t *number) {
    int n = 0;
    for (int v = 0; v < count; v++)
        if (codes[channels[v]])
            found[++n] = v;
    *number = n;
    found[0] = n;
}

/* Samples 8 wide at a time of a block of n x n, from the sums of all of it. */
static void put_block(const terms *t, int n, int64_t padded, int16_t *to, int64_t row) {
    const int total = n * n;
    if (t->narrow) {
        for (int64_t first = 0; first < padded; first += 64) {
            int32_t acc[64];
            combine(t->atoms, t->codes, t->count, first, acc);
            if (n == 16) { /* four rows */
                for (int i = 0; i < 64; i++) {
                    const int32_t value = (acc[i] + 512) >> 10;
                    to[(i >> 4) * row + (i & 15)] =
                        (int16_t)(value < -PLANE_LIMIT ? -PLANE_LIMIT : value > PLANE_LIMIT ? PLANE_LIMIT : value);
                }
                to += 4 * row;
                continue;
            }
            for (int64_t i = first; i < first + 64 && i < total; i++)
                to[i / n * row + i % n] = sample_of(acc[i - first]);
        }
        return;
    }
    for (int i = 0; i < total; i++) {
        int64_t acc = 0;
        for (int k = 0; k < t->count; k++)
            acc += (int64_t)t->wide[k] * t->atoms[k][i];
        to[i / n * row + i % n] = sample_of(acc);
    }
}

/* Writes the samples of a plane, (rows n, columns n) int16 in 1/16 level, `row` samples from a row to the next.

   `codes` (rows + 1, columns + 1, channel_count) int32 are in 1/4 level; code channels[v] belongs to atom v. `atoms`
   [4][count][padded] int16: the quadrants for the cells (i, j), (i, j + 1), (i + 1, j), (i + 1, j + 1) of block
   (i, j), n x n samples each, padded to a multiple of 64. `peak` is the largest magnitude in them. Returns 0 if memory is
   short, otherwise 1. */
static int synthesise(const int32_t *codes, int rows, int columns, int channel_count,
                                   const int32_t *channels, int count, const int16_t *atoms, int n, int64_t padded,
                                   int peak, int16_t *to, int64_t row) {
    const size_t most = 4 * (size_t)count + 1, wide = (size_t)columns + 1;
    const int16_t **pointers = malloc(sizeof *pointers * most);
    int32_t *values = malloc(sizeof(int32_t) * most), *lists = malloc(sizeof(int32_t) * 2 * wide * ((size_t)count + 1));
    int16_t *small = malloc(sizeof(int16_t) * most);
    const int good = pointers && values && lists && small;
    for (int i = 0; i <= rows && good; i++) {
        int32_t *const below = lists + (i & 1) * (int64_t)wide * (count + 1);
        const int32_t *const above = lists + (~i & 1) * (int64_t)wide * (count + 1);
        for (int j = 0; j <= columns; j++) {
            int32_t number;
            list_cell(codes + ((int64_t)i * (columns + 1) + j) * channel_count, channels, count,
                      below + (int64_t)j * (count + 1), &number);
        }
        for (int j = 0; j < columns && i; j++) {
            terms t = {pointers, values, small, 0, 1};
            int64_t sum = 0;
            for (int q = 0; q < 4; q++) {
                const int32_t *list = (q < 2 ? above : below) + (int64_t)(j + (q & 1)) * (count + 1);
                const int32_t *cell =
                    codes + ((int64_t)(i - 1 + (q >> 1)) * (columns + 1) + j + (q & 1)) * channel_count;
                for (int k = 1; k <= list[0]; k++) {
                    const int32_t code = cell[channels[list[k]]];
                    pointers[t.count] = atoms + ((int64_t)q * count + list[k]) * padded;
                    small[t.count] = (int16_t)code;
                    values[t.count++] = code;
                    sum += code < 0 ? -(int64_t)code : code;
                    t.narrow &= code >= -32767 && code <= 32767;
                }
            }
            t.narrow &= sum * peak < INT32_MAX - 1024;
            if (t.count & 1) {
                pointers[t.count] = atoms;
                values[t.count] = small[t.count] = 0;
                t.count++;
            }
            put_block(&t, n, padded, to + ((int64_t)(i - 1) * row + j) * n, row);
        }
    }
    free(pointers);
    free(values);
    free(lists);
    free(small);
    return good;
}
