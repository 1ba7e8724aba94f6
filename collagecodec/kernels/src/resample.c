/* Resampling with integer weights: FORMAT.md, section 6.3. */
#include "core.h"

/* out[p][i][m] = floor((sum over t of weights[i][t] values[p][taps[i][t]][m] + 2^13) / 2^14), i < count.

   `values` (planes, length, across) and `out` (planes, count, across) are int16; `taps` and `weights` are (count, width)
   int32, the weights of an output sum to 2^14. */
static void resample(const int16_t *values, int planes, int64_t length, int64_t across,
                                  const int32_t *taps, const int32_t *weights, int64_t count, int width,
                                  int32_t *sums, int16_t *out) {
    for (int p = 0; p < planes; p++)
        for (int64_t i = 0; i < count; i++) {
            for (int64_t m = 0; m < across; m++)
                sums[m] = 1 << 13;
            for (int t = 0; t < width; t++) {
                const int32_t weight = weights[i * width + t];
                const int16_t *from = values + (p * length + taps[i * width + t]) * across;
                for (int64_t m = 0; m < across && weight; m++)
                    sums[m] += weight * from[m];
            }
            int16_t *to = out + (p * count + i) * across;
            for (int64_t m = 0; m < across; m++)
                to[m] = (int16_t)(sums[m] >> 14);
        }
}
