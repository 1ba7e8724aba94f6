/* Application of integer layers: sums, rounding and clipping. */
#include "sums.h"

static uint32_t word(const uint8_t *from) {
    uint32_t value;
    memcpy(&value, from, 4);
    return value;
}

/* Lists the groups in which any of the positions has an input other than 0, and where each segment ends; returns
   how many there are. */
static int list_groups(const collage_layer *layer, const collage_group *all, const uint8_t *const x[],
                        collage_group *list, int32_t *ends) {
    int found = 0, g = 0;
    for (int s = 0; s < layer->segments; s++) {
        for (; g < layer->ends[s]; g++) {
            const int32_t o = all[g].input;
            list[found] = all[g];
            found += (word(x[0] + o) | word(x[1] + o) | word(x[2] + o) | word(x[3] + o)) != 0;
        }
        ends[s] = found;
    }
    return found;
}

/* Rounds, clips and writes the outputs of a position, 8 * block .. 8 * block + 7 as far as there are. */
static void put(const collage_layer *layer, const int32_t sums[8], const int32_t *offsets, int block, int top,
                void *out, int64_t at) {
    const int count = layer->outputs - 8 * block < 8 ? layer->outputs - 8 * block : 8;
    const int64_t to = at + 8 * block;
    if (top < 0) {
        int32_t values[8];
        for (int o = 0; o < 8; o++)
            values[o] = (sums[o] + offsets[8 * block + o]) >> layer->shift;
        memcpy((int32_t *)out + to, values, sizeof(int32_t) * (size_t)count);
        return;
    }
    uint8_t bytes[8];
    for (int o = 0; o < 8; o++) {
        int32_t value = (sums[o] + offsets[8 * block + o]) >> layer->shift;
        value = value < 0 ? 0 : value;
        bytes[o] = (uint8_t)(value > top ? top : value);
    }
    if (count == 8)
        memcpy((uint8_t *)out + to, bytes, 8);
    else
        memcpy((uint8_t *)out + to, bytes, (size_t)count);
}

static void layer_rows(const collage_layer *layer, const uint8_t *const rows[], int64_t step,
                        const int32_t *where, int64_t n, int rate_index, int top, void *out, int64_t stride) {
    collage_group all[COLLAGE_MAX_GROUPS], list[COLLAGE_MAX_GROUPS];
    int32_t ends[COLLAGE_MAX_GROUPS], offsets[4096];
    for (int g = 0; g < layer->groups; g++) {
        const int32_t *group = layer->group + 3 * g;
        all[g].input = (int32_t)(rows[group[0]] - rows[0] + group[1] * step + group[2]);
        all[g].weight = 32 * g * layer->blocks;
    }
    for (int o = 0; o < layer->blocks * 8; o++)
        offsets[o] = layer->bias[o] + rate_index * layer->slope[o] + (1 << (layer->shift - 1));
    int dense = 0;
    const int wide = layer->wide;
    for (int64_t first = 0; first < n; first += COLLAGE_POSITIONS) {
        const int size = n - first < COLLAGE_POSITIONS ? (int)(n - first) : COLLAGE_POSITIONS;
        const uint8_t *x[COLLAGE_POSITIONS];
        for (int p = 0; p < COLLAGE_POSITIONS; p++) {
            const int64_t i = first + (p < size ? p : 0);
            x[p] = rows[0] + (where ? where[i] : i) * step;
        }
        /* Looking for zeros costs as much as a tenth of the sums: only where it finds as many, now and then. */
        if (!dense || (first & 63) == 0)
            dense = list_groups(layer, all, x, list, ends) * 8 > layer->groups * 7;
        const collage_group *const listed = dense ? all : list;
        const int32_t *const until = dense ? layer->ends : ends;
        for (int block = 0; block < layer->blocks; block += COLLAGE_BLOCKS) {
            const int8_t *weights = layer->weights + 32 * block;
            int32_t sums[COLLAGE_POSITIONS][COLLAGE_BLOCKS][8];
            const int both = layer->blocks - block >= COLLAGE_BLOCKS;
            if (both && !wide)
                sums_of(listed, until, layer->segments, weights, x, COLLAGE_BLOCKS, 0, sums);
            else if (both)
                sums_of(listed, until, layer->segments, weights, x, COLLAGE_BLOCKS, 1, sums);
            else
                sums_of(listed, until, layer->segments, weights, x, 1, wide, sums);
            for (int p = 0; p < size; p++)
                for (int b = 0; b < COLLAGE_BLOCKS && block + b < layer->blocks; b++)
                    put(layer, sums[p][b], offsets, block + b, top, out, (first + p) * stride);
        }
    }
}

static void layer_apply(const collage_layer *layer, const uint8_t *x, int64_t row, int64_t step,
                                     const int32_t *where, int64_t n, int rate_index, int top, void *out,
                                     int64_t stride) {
    const uint8_t *rows[3] = {x, x, x};
    for (int r = 1; r < layer->tap_rows; r++)
        rows[r] = x + r * row;
    layer_rows(layer, rows, step, where, n, rate_index, top, out, stride);
}
