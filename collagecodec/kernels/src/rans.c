/* Decoding of entropy-coded passes: FORMAT.md, section 3. */
#include "core.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PRECISION = 24, BUCKET_BITS = 10, BUCKETS = 1 << BUCKET_BITS, CLASSES = 24, MAX_VALUE = (1 << 24) - 1 };

/* The tables of a model. Table t has the entries start[t] .. start[t + 1] - 2 of `left`; one more holds 2^24. */
typedef struct {
    int count;
    int32_t *start;
    uint32_t *left;
    uint16_t *bucket; /* [count][BUCKETS + 1]: entry at the left end of each bucket of probability */
    int32_t *radius;
    uint32_t classes[CLASSES + 1];
} collage_tables;

/* A coder's state and what is left of the words, which are read from the end. */
typedef struct {
    uint64_t x;
    const uint8_t *words;
    int64_t left;
} collage_rans;

COLLAGE_API void collage_tables_free(collage_tables *tables) {
    if (!tables)
        return;
    free(tables->start);
    free(tables->left);
    free(tables->bucket);
    free(tables->radius);
    free(tables);
}

/* Section 3.2: left ends of the intervals of n counts, and 2^24. */
static void quantise(const int64_t *counts, int n, uint32_t *left) {
    int64_t total = 0, before = 0;
    for (int k = 0; k < n; k++)
        total += counts[k];
    const double scale = (double)((1 << PRECISION) - n) / (double)total;
    for (int k = 0; k < n; before += counts[k++]) {
        const double product = (double)before * scale;
        left[k] = (uint32_t)floor(product) + (uint32_t)k;
    }
    left[n] = 1u << PRECISION;
}

/* Returns the tables of `counts`, those of all tables end to end, sizes[t] of table t; sizes[0] is 0. NULL: out of
   memory, or sizes that no table has. The counts are at least 1 and sum to at most 2^40. */
COLLAGE_API collage_tables *collage_tables_new(const int64_t *counts, const int32_t *sizes, int count) {
    if (count < 1 || count > 256 || sizes[0])
        return NULL;
    int64_t total = 0;
    for (int t = 1; t < count; t++) {
        if (sizes[t] < 2 || sizes[t] > 65536 || sizes[t] % 2)
            return NULL;
        total += sizes[t] + 1;
    }
    collage_tables *tables = calloc(1, sizeof *tables);
    if (!tables)
        return NULL;
    tables->count = count;
    tables->start = calloc((size_t)count + 1, sizeof(int32_t));
    tables->left = malloc(sizeof(uint32_t) * (size_t)(total + 1));
    tables->bucket = malloc(sizeof(uint16_t) * (size_t)count * (BUCKETS + 1));
    tables->radius = calloc((size_t)count, sizeof(int32_t));
    if (!tables->start || !tables->left || !tables->bucket || !tables->radius) {
        collage_tables_free(tables);
        return NULL;
    }
    for (int t = 1, start = 0; t < count; t++) {
        uint32_t *left = tables->left + start;
        uint16_t *bucket = tables->bucket + (int64_t)t * (BUCKETS + 1);
        quantise(counts, sizes[t], left);
        for (int b = 0, k = 0; b <= BUCKETS; b++) {
            const uint32_t at = b < BUCKETS ? (uint32_t)b << (PRECISION - BUCKET_BITS) : (1u << PRECISION) - 1;
            while (left[k + 1] <= at)
                k++;
            bucket[b] = (uint16_t)k;
        }
        tables->start[t] = start;
        tables->radius[t] = (sizes[t] - 2) / 2;
        start += sizes[t] + 1;
        counts += sizes[t];
    }
    int64_t class_counts[CLASSES];
    for (int m = 0; m < CLASSES; m++)
        class_counts[m] = (int64_t)1 << (CLASSES - 1 - m);
    quantise(class_counts, CLASSES, tables->classes);
    return tables;
}

static inline uint32_t next_word(collage_rans *rans) {
    const uint8_t *w = rans->words + 4 * --rans->left;
    return (uint32_t)w[0] | (uint32_t)w[1] << 8 | (uint32_t)w[2] << 16 | (uint32_t)w[3] << 24;
}

static inline void advance(collage_rans *rans, uint32_t q, uint32_t left, uint32_t right) {
    uint64_t x = (rans->x >> PRECISION) * (right - left) + q - left;
    if (x < (uint64_t)1 << 32 && rans->left > 0)
        x = x << 32 | next_word(rans);
    rans->x = x;
}

/* Begins with `count` words, 4 bytes each, which must stay in place. */
COLLAGE_API void collage_rans_start(collage_rans *rans, const uint8_t *words, int64_t count) {
    rans->x = 0;
    rans->words = words;
    rans->left = count;
    for (int i = 0; i < 2 && rans->left > 0; i++)
        rans->x = rans->x << 32 | next_word(rans);
}

/* Takes `n` entries of a table, as symbols: entry - radius. Escapes become radius + 1; returns how many. */
static int64_t take(collage_rans *given, const collage_tables *tables, int table, const int32_t *order, int64_t n,
                    int32_t *symbols) {
    const uint32_t *left = tables->left + tables->start[table];
    const uint16_t *bucket = tables->bucket + (int64_t)table * (BUCKETS + 1);
    const int32_t radius = tables->radius[table];
    collage_rans rans = *given;
    int64_t escapes = 0;
    for (int64_t i = 0; i < n; i++) {
        const uint32_t q = (uint32_t)rans.x & ((1u << PRECISION) - 1);
        const uint32_t b = q >> (PRECISION - BUCKET_BITS);
        int low = bucket[b], high = bucket[b + 1];
        while (high - low > 8) {
            const int middle = (low + high + 1) / 2;
            if (left[middle] <= q)
                low = middle;
            else
                high = middle - 1;
        }
        while (left[low + 1] <= q)
            low++;
        advance(&rans, q, left[low], left[low + 1]);
        symbols[order[i]] = low - radius;
        escapes += low > 2 * radius;
    }
    *given = rans;
    return escapes;
}

/* Section 3.5. `order` and `radii` belong to the escapes, in the order in which they were taken. */
static int take_escapes(collage_rans *rans, const collage_tables *tables, const int32_t *order,
                        const int32_t *radii, int64_t n, int32_t *symbols) {
    for (int64_t i = 0; i < n; i++) {
        const uint32_t q = (uint32_t)rans->x & ((1u << PRECISION) - 1);
        int m = 0;
        while (tables->classes[m + 1] <= q)
            m++;
        advance(rans, q, tables->classes[m], tables->classes[m + 1]);
        symbols[order[i]] = m;
    }
    int good = 1;
    for (int64_t i = 0; i < n; i++) {
        const int m = symbols[order[i]], shift = CLASSES - 1 - m;
        const uint32_t q = (uint32_t)rans->x & ((1u << PRECISION) - 1), d = q >> shift;
        advance(rans, q, d << shift, (d + 1) << shift);
        const int32_t magnitude = (int32_t)(((uint32_t)1 << m) + (d >> 1)) + radii[i];
        good &= magnitude <= MAX_VALUE;
        symbols[order[i]] = d & 1 ? -magnitude : magnitude;
    }
    return good;
}

/* Decodes a pass: `symbols` (n) int32 of the tables `indices` (n). Returns 0, or 1: a symbol is larger than the
   format allows, 2: there is no such table, 3: out of memory. */
COLLAGE_API int collage_rans_decode(collage_rans *rans, const collage_tables *tables, const uint8_t *indices,
                                    int64_t n, int32_t *symbols) {
    int64_t counts[257] = {0};
    if (n < 0 || n > INT32_MAX)
        return 3;
    memset(symbols, 0, sizeof(int32_t) * (size_t)n);
    for (int64_t i = 0; i < n; i++)
        counts[indices[i]]++;
    for (int t = tables->count; t < 256; t++)
        if (counts[t])
            return 2;
    const int64_t coded = n - counts[0];
    if (!coded)
        return 0;
    int32_t *order = malloc(sizeof(int32_t) * (size_t)coded);
    if (!order)
        return 3;
    int64_t at[256], sum = 0;
    for (int t = 1; t < 256; t++) {
        at[t] = sum;
        sum += counts[t];
    }
    for (int64_t i = 0; i < n; i++)
        if (indices[i])
            order[at[indices[i]]++] = (int32_t)i;
    int64_t escapes = 0, start = 0;
    for (int t = 1; t < tables->count; start += counts[t++])
        if (counts[t])
            escapes += take(rans, tables, t, order + start, counts[t], symbols);
    int status = 0;
    if (escapes) {
        int32_t *radii = malloc(sizeof(int32_t) * (size_t)escapes);
        int64_t found = 0;
        for (int64_t i = 0; i < coded && radii; i++) {
            const int32_t radius = tables->radius[indices[order[i]]];
            if (symbols[order[i]] > radius) {
                radii[found] = radius;
                order[found++] = order[i];
            }
        }
        status = !radii ? 3 : !take_escapes(rans, tables, order, radii, escapes, symbols);
        free(radii);
    }
    free(order);
    return status;
}

/* Whether exactly the encoded symbols have been decoded. */
COLLAGE_API int collage_rans_finished(const collage_rans *rans) { return rans->x == 0 && rans->left == 0; }
