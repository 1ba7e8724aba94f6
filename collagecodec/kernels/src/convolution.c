/* Stacks of 3x3 convolutions on planes whose blocks of 2x2 samples are input channels, row by row. */
#include "core.h"

#include <stdlib.h>
#include <string.h>

/* Planes of int16 samples in 1/16 level. */
typedef struct {
    const int16_t *samples;
    int count;
    int64_t plane, row; /* samples from a plane to the next, from a row to the next */
} planes;

static inline uint8_t input_of(int value) {
    value = (value + 8) >> 4;
    value = value < -128 ? -128 : value;
    return (uint8_t)((value > 127 ? 127 : value) + 128);
}

/* Writes a row of inputs, (columns, 4 * planes): levels plus 128, by plane, row parity, column parity. */
static void split(const planes *from, int64_t y, int64_t columns, uint8_t *to) {
    const int channels = 4 * from->count;
    for (int p = 0; p < from->count; p++)
        for (int parity = 0; parity < 2; parity++) {
            const int16_t *row = from->samples + p * from->plane + (2 * y + parity) * from->row;
            uint8_t *at = to + 4 * p + 2 * parity;
            for (int64_t x = 0; x < columns; x++, at += channels, row += 2) {
                at[0] = input_of(row[0]);
                at[1] = input_of(row[1]);
            }
        }
}

/* Rows of the maps between two layers: the latest three. */
typedef struct {
    uint8_t *rows[3];
    int64_t made;
} ring;

typedef struct {
    const collage_layer *const *layers;
    int depth, rate_index;
    int64_t columns;
    ring rings[16];
    uint8_t *memory;
} stack;

enum { MARGIN = 64 };

static int stack_open(stack *s, const collage_layer *const *layers, int depth, int64_t columns, int rate_index) {
    memset(s, 0, sizeof *s);
    s->layers = layers;
    s->depth = depth;
    s->columns = columns;
    s->rate_index = rate_index;
    if (depth < 1 || depth > 16 || columns <= 2 * depth || columns > 1 << 24)
        return 0;
    size_t total = MARGIN;
    for (int l = 0; l < depth; l++) {
        if (layers[l]->tap_rows != 3 || layers[l]->tap_columns != 3 || layers[l]->channels % 4 ||
            layers[l]->wide != (l == 0) || (l && layers[l]->channels != layers[l - 1]->outputs))
            return 0;
        total += 3 * (size_t)columns * (size_t)layers[l]->channels;
    }
    uint8_t *at = s->memory = malloc(total);
    if (!at)
        return 0;
    for (int l = 0; l < depth; l++)
        for (int r = 0; r < 3; r++, at += columns * layers[l]->channels)
            s->rings[l].rows[r] = at;
    return 1;
}

static uint8_t *next_row(ring *r) { return r->rows[r->made++ % 3]; }

/* Takes one more row of inputs of the first layer, which the caller has written; returns whether there is a row
   of outputs, (columns - 2 depth, outputs) int32 in `out`. */
static int stack_push(stack *s, int32_t *out) {
    for (int l = 0; l < s->depth; l++) {
        ring *in = s->rings + l;
        if (in->made < 3)
            return 0;
        const collage_layer *layer = s->layers[l];
        const uint8_t *rows[3];
        for (int r = 0; r < 3; r++)
            rows[r] = in->rows[(in->made + r) % 3];
        const int64_t columns = s->columns - 2 * (l + 1);
        if (l + 1 == s->depth) {
            layer_rows(layer, rows, layer->channels, NULL, columns, s->rate_index, -1, out, layer->outputs);
            return 1;
        }
        layer_rows(layer, rows, layer->channels, NULL, columns, s->rate_index, 127,
                           next_row(s->rings + l + 1), layer->outputs);
    }
    return 0;
}

/* Writes the outputs of the last of `depth` layers, (rows - 2 depth, columns - 2 depth, outputs) int32, of planes
   of 2 rows x 2 columns samples. Returns 0 if the layers do not fit or memory is short, otherwise 1. */
static int convolve(const collage_layer *const *layers, int depth, const int16_t *samples, int count,
                                 int64_t plane, int64_t row, int64_t rows, int64_t columns, int rate_index,
                                 int32_t *out) {
    const planes from = {samples, count, plane, row};
    stack s;
    if (depth < 1 || layers[0]->channels != 4 * count || !stack_open(&s, layers, depth, columns, rate_index))
        return 0;
    const int64_t length = (columns - 2 * depth) * layers[depth - 1]->outputs;
    for (int64_t y = 0; y < rows; y++) {
        split(&from, y, columns, next_row(s.rings));
        if (stack_push(&s, out))
            out += length;
    }
    free(s.memory);
    return 1;
}

/* Adds the outputs, as many as inputs, to the first `kept` planes: `to` gets (kept, 2 (rows - 2 depth),
   2 (columns - 2 depth)) int16. The caller knows that no sum leaves 16 bits. */
static int correct(const collage_layer *const *layers, int depth, const int16_t *samples, int count,
                                int64_t plane, int64_t row, int64_t rows, int64_t columns, int rate_index,
                                int16_t *to, int kept) {
    const planes from = {samples, count, plane, row};
    stack s;
    if (depth < 1 || layers[0]->channels != 4 * count || layers[depth - 1]->outputs != 4 * count ||
        !stack_open(&s, layers, depth, columns, rate_index))
        return 0;
    const int64_t wide = columns - 2 * depth, tall = rows - 2 * depth;
    int32_t *line = malloc(sizeof(int32_t) * (size_t)wide * 4 * (size_t)count);
    int64_t done = 0;
    for (int64_t y = 0; y < rows && line; y++) {
        split(&from, y, columns, next_row(s.rings));
        if (!stack_push(&s, line))
            continue;
        for (int p = 0; p < kept; p++)
            for (int parity = 0; parity < 2; parity++) {
                const int64_t top = 2 * done + parity;
                const int16_t *old = samples + p * plane + (top + 2 * depth) * row + 2 * depth;
                int16_t *new = to + (p * 2 * tall + top) * 2 * wide;
                const int32_t *change = line + 4 * p + 2 * parity;
                for (int64_t x = 0; x < wide; x++, change += 4 * count) {
                    new[2 * x] = (int16_t)(old[2 * x] + change[0]);
                    new[2 * x + 1] = (int16_t)(old[2 * x + 1] + change[1]);
                }
            }
        done++;
    }
    free(s.memory);
    const int complete = line != NULL;
    free(line);
    return complete;
}
