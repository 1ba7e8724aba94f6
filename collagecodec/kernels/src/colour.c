/* Planes to pixels: FORMAT.md, section 5.6. */
#include "core.h"

enum { CHUNK = 256 };

static inline int clipped(int value) { return value < -PLANE_LIMIT ? -PLANE_LIMIT : value > PLANE_LIMIT ? PLANE_LIMIT : value; }

static inline uint8_t pixel(int value) { return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value); }

/* n grey pixels of luma in 1/16 level. */
static void grey(const int16_t *luma, int64_t n, uint8_t *pixels) {
    for (int64_t i = 0; i < n; i++)
        pixels[i] = pixel((luma[i] + (1 << 11) + 8) >> 4);
}

/* n pixels, 3 bytes each with `step` bytes from one to the next, of Y, Cb, Cr in 1/16 level. */
static void rgb(const int16_t *luma, const int16_t *cb, const int16_t *cr, int64_t n, uint8_t *pixels,
                             int step) {
    for (int64_t start = 0; start < n; start += CHUNK) {
        const int size = n - start < CHUNK ? (int)(n - start) : CHUNK;
        uint8_t red[CHUNK], green[CHUNK], blue[CHUNK];
        for (int i = 0; i < size; i++) {
            const int k = clipped(luma[start + i]) * 256 + (1 << 19) + (1 << 11);
            const int b = clipped(cb[start + i]), r = clipped(cr[start + i]);
            red[i] = pixel((k + 359 * r) >> 12);
            green[i] = pixel((k - 88 * b - 183 * r) >> 12);
            blue[i] = pixel((k + 454 * b) >> 12);
        }
        uint8_t *to = pixels + start * step;
        for (int i = 0; i < size; i++, to += step) {
            to[0] = red[i];
            to[1] = green[i];
            to[2] = blue[i];
        }
    }
}
