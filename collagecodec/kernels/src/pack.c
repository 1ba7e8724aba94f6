/* Integer layers: packing of the weights. */
#include "core.h"

#include <stdlib.h>
#include <string.h>

static int round_up(int value, int unit) { return (value + unit - 1) / unit * unit; }

/* Sums of products of 16 bits: largest sum of weights of one sign, for inputs up to 127 and up to 255. */
enum { SEGMENT_BOUND = 32767 / 127, SEGMENT_BOUND_WIDE = 32767 / 255 };

COLLAGE_API void collage_layer_free(collage_layer *layer) {
    if (!layer)
        return;
    free(layer->group);
    free(layer->ends);
    free(layer->weights);
    free(layer->bias);
    free(layer->slope);
    free(layer);
}

/* One weight of 4 x 8: the whole, or the first or second half of it. */
static int part(int weight, int half) {
    if (half == 0)
        return weight;
    return half == 1 ? weight / 2 : weight - weight / 2;
}

typedef struct {
    const int8_t *weight; /* (taps channels, outputs) */
    collage_layer *layer;
    int *positive, *negative; /* sums of the current segment: [outputs][2] */
} packing;

static int weight_at(const packing *p, int tap, int channel, int output) {
    const collage_layer *layer = p->layer;
    if (channel >= layer->channels || output >= layer->outputs)
        return 0;
    return p->weight[((int64_t)tap * layer->channels + channel) * layer->outputs + output];
}

/* Returns whether the group fits the segment; adds it to the sums if so. */
static int fits(packing *p, int tap, int channel, int half, int bound) {
    const int count = p->layer->outputs * 2;
    for (int commit = 0; commit < 2; commit++)
        for (int i = 0; i < count; i++) {
            int positive = 0, negative = 0;
            for (int k = 0; k < 2; k++) {
                const int w = part(weight_at(p, tap, channel + 2 * (i & 1) + k, i / 2), half);
                *(w > 0 ? &positive : &negative) += abs(w);
            }
            if (commit) {
                p->positive[i] += positive;
                p->negative[i] += negative;
            } else if (p->positive[i] + positive > bound || p->negative[i] + negative > bound)
                return 0;
        }
    return 1;
}

static void put_group(packing *p, int tap, int channel, int half) {
    collage_layer *layer = p->layer;
    int32_t *group = layer->group + 3 * (int64_t)layer->groups;
    group[0] = tap / layer->tap_columns;
    group[1] = tap % layer->tap_columns;
    group[2] = channel;
    int8_t *to = layer->weights + (int64_t)layer->groups * layer->blocks * 32;
    for (int output = 0; output < layer->blocks * 8; output++)
        for (int k = 0; k < 4; k++)
            *to++ = (int8_t)part(weight_at(p, tap, channel + k, output), half);
    layer->groups++;
}

static void new_segment(packing *p) {
    collage_layer *layer = p->layer;
    if (layer->groups)
        layer->ends[layer->segments++] = layer->groups;
    memset(p->positive, 0, sizeof(int) * 2 * (size_t)layer->outputs);
    memset(p->negative, 0, sizeof(int) * 2 * (size_t)layer->outputs);
}

static void pack(packing *p) {
    collage_layer *layer = p->layer;
    const int bound = layer->wide ? SEGMENT_BOUND_WIDE : SEGMENT_BOUND;
    new_segment(p);
    for (int tap = 0; tap < layer->tap_rows * layer->tap_columns; tap++)
        for (int channel = 0; channel < layer->channels; channel += 4) {
            if (!fits(p, tap, channel, 0, bound)) {
                new_segment(p);
                if (!fits(p, tap, channel, 0, bound)) {
                    /* Only wide inputs times large weights: each half has a segment of its own. */
                    put_group(p, tap, channel, 1);
                    new_segment(p);
                    put_group(p, tap, channel, 2);
                    new_segment(p);
                    continue;
                }
            }
            put_group(p, tap, channel, 0);
        }
    if (!layer->segments || layer->ends[layer->segments - 1] != layer->groups)
        new_segment(p);
}

/* Returns a layer of `weight` (tap_rows tap_columns channels, outputs), -127 .. 127, `bias` and `slope` (outputs),
   or NULL: out of memory or out of range. With `wide`, inputs are 0 .. 255. */
COLLAGE_API collage_layer *collage_layer_new(const int8_t *weight, int tap_rows, int tap_columns, int channels,
                                             int outputs, const int32_t *bias, const int32_t *slope, int shift,
                                             int wide) {
    const int64_t taps = (int64_t)tap_rows * tap_columns, groups = taps * (round_up(channels, 4) / 4);
    if (channels < 1 || outputs < 1 || channels > 4096 || outputs > 4096 || tap_rows < 1 || tap_rows > 3 ||
        tap_columns < 1 || tap_columns > 3 || 2 * groups > COLLAGE_MAX_GROUPS || shift < 1 || shift > 24)
        return NULL;
    collage_layer *layer = calloc(1, sizeof *layer);
    if (!layer)
        return NULL;
    layer->tap_rows = tap_rows;
    layer->tap_columns = tap_columns;
    layer->channels = channels;
    layer->outputs = outputs;
    layer->shift = shift;
    layer->wide = wide;
    layer->blocks = round_up(outputs, 8) / 8;
    const size_t padded = (size_t)layer->blocks * 8;
    layer->group = malloc(sizeof(int32_t) * 6 * (size_t)groups);
    layer->ends = malloc(sizeof(int32_t) * 4 * (size_t)groups);
    layer->weights = malloc(2 * (size_t)groups * padded * 4);
    layer->bias = calloc(padded, sizeof(int32_t));
    layer->slope = calloc(padded, sizeof(int32_t));
    int *sums = calloc(4 * (size_t)outputs, sizeof(int));
    if (!layer->group || !layer->ends || !layer->weights || !layer->bias || !layer->slope || !sums) {
        free(sums);
        collage_layer_free(layer);
        return NULL;
    }
    memcpy(layer->bias, bias, sizeof(int32_t) * (size_t)outputs);
    memcpy(layer->slope, slope, sizeof(int32_t) * (size_t)outputs);
    packing p = {weight, layer, sums, sums + 2 * (size_t)outputs};
    pack(&p);
    free(sums);
    return layer;
}
