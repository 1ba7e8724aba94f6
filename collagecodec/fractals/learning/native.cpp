// Points of IFS and their rendering, with gradients: what `embedding.loop` and `rendering.separable` compute, for
// processors. A Gaussian is evaluated only in a window around its point: 8, 16 or 32 pixels wide, so that what is left
// out is below 1e-5 of its peak. Compiled and called by native.py, which states shapes and checks them.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

typedef float lanes __attribute__((vector_size(32)));
typedef std::int32_t whole __attribute__((vector_size(32)));
constexpr int L = 8;

inline lanes load(const float *from) {
    lanes value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

inline void store(float *to, lanes value) { std::memcpy(to, &value, sizeof value); }

inline float sum(lanes v) {
    typedef float quad __attribute__((vector_size(16)));
    quad low, high;
    std::memcpy(&low, &v, sizeof low);
    std::memcpy(&high, reinterpret_cast<const char *>(&v) + sizeof low, sizeof high);
    low += high;
    return (low[0] + low[1]) + (low[2] + low[3]);
}

// e^x for x <= 0, relative error below 1e-6: 2^n of the exponent field times a polynomial in [-ln 2 / 2, ln 2 / 2].
inline lanes exponential(lanes x) {
    x = x > -80.0f ? x : lanes{} - 80.0f;
    const lanes scaled = x * 1.44269504f - 0.5f;
    const whole n = __builtin_convertvector(scaled, whole);  // towards 0, that is up, after half a unit down: nearest
    const lanes r = x - __builtin_convertvector(n, lanes) * 0.693147181f;
    lanes p = r * 0.00138888889f + 0.00833333333f;
    p = p * r + 0.0416666667f;
    p = p * r + 0.166666667f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    const whole bits = (n + 127) << 23;
    lanes power;
    std::memcpy(&power, &bits, sizeof power);
    return p * power;
}

struct Frame {
    std::int64_t height, width;
    float scale_x, scale_y, shift, tau;  // column = scale_x * x + width * shift - 0.5, and so the row
};

// The window of one point: where it begins in the padded picture, distances from the point, values of the Gaussian.
template <int K> struct Window {
    static constexpr int side = K * L;
    std::int64_t column, row;
    lanes x[K], across[K];
    float down[side], tilted[side];  // the latter times the distance; in memory, from where they are spread over lanes

    bool place(const float *point, const Frame &frame) {
        const float at_x = frame.scale_x * point[0] + (frame.width * frame.shift - 0.5f);
        const float at_y = frame.scale_y * point[1] + (frame.height * frame.shift - 0.5f);
        // Beyond reach of the picture, or not a number: nothing is seen of it.
        if (!(at_x > -side / 2 && at_x < frame.width + side / 2 && at_y > -side / 2 && at_y < frame.height + side / 2))
            return false;
        const float left = std::floor(at_x), top = std::floor(at_y);
        column = static_cast<std::int64_t>(left) + side / 2 + 1;
        row = static_cast<std::int64_t>(top) + side / 2 + 1;
        const lanes count = {0, 1, 2, 3, 4, 5, 6, 7};
        for (int k = 0; k < K; ++k) {
            x[k] = count + (k * L - (side / 2 - 1) - (at_x - left));
            const lanes y = count + (k * L - (side / 2 - 1) - (at_y - top));
            across[k] = exponential(x[k] * x[k] * (-1.0f / frame.tau));
            const lanes value = exponential(y * y * (-1.0f / frame.tau));
            store(down + k * L, value);
            store(tilted + k * L, value * y);
        }
        return true;
    }
};

// A picture with a border as wide as a window, so that no window needs to be cut.
template <int K> struct Canvas {
    static constexpr std::int64_t pad = Window<K>::side;
    const Frame frame;
    const std::int64_t stride;
    std::vector<float> cells;

    explicit Canvas(const Frame &given)
        : frame(given), stride(given.width + 2 * pad), cells((given.height + 2 * pad) * stride) {}

    float *row(std::int64_t h) { return cells.data() + (h + pad) * stride + pad; }
    float *corner(const Window<K> &window) { return cells.data() + window.row * stride + window.column; }
    void clear() { std::memset(cells.data(), 0, cells.size() * sizeof(float)); }

    void draw(const float *points, std::int64_t length) {
        Window<K> window;
        for (std::int64_t t = 0; t < length; ++t) {
            if (!window.place(points + 2 * t, frame)) continue;
            float *line = corner(window);
            for (int i = 0; i < Window<K>::side; ++i, line += stride)
                for (int k = 0; k < K; ++k)
                    store(line + k * L, load(line + k * L) + window.down[i] * window.across[k]);
        }
    }

    // The gradient of the points, where the cells hold that of the picture.
    void trace(const float *points, std::int64_t length, float *out) {
        Window<K> window;
        for (std::int64_t t = 0; t < length; ++t) {
            float *to = out + 2 * t;
            to[0] = to[1] = 0.0f;
            if (!window.place(points + 2 * t, frame)) continue;
            const float *line = corner(window);
            lanes dx = {}, dy = {};
            for (int k = 0; k < K; ++k) {
                lanes along[2] = {}, aside[2] = {};
                for (int i = 0; i < Window<K>::side; ++i) {
                    const lanes value = load(line + i * stride + k * L);
                    along[i % 2] += window.down[i] * value;
                    aside[i % 2] += window.tilted[i] * value;
                }
                dx += window.across[k] * window.x[k] * (along[0] + along[1]);
                dy += window.across[k] * (aside[0] + aside[1]);
            }
            to[0] = sum(dx) * (2.0f / frame.tau) * frame.scale_x;
            to[1] = sum(dy) * (2.0f / frame.tau) * frame.scale_y;
        }
    }
};

template <int K>
void render(const float *points, std::int64_t pictures, std::int64_t length, const Frame &frame, float *out) {
    Canvas<K> canvas(frame);
    for (std::int64_t p = 0; p < pictures; ++p) {
        canvas.clear();
        canvas.draw(points + 2 * p * length, length);
        for (std::int64_t h = 0; h < frame.height; ++h)
            std::memcpy(out + (p * frame.height + h) * frame.width, canvas.row(h), frame.width * sizeof(float));
    }
}

template <int K>
void render_backward(const float *points, const float *gradient, std::int64_t pictures, std::int64_t length,
                     const Frame &frame, float *out) {
    Canvas<K> canvas(frame);
    for (std::int64_t p = 0; p < pictures; ++p) {
        for (std::int64_t h = 0; h < frame.height; ++h)
            std::memcpy(canvas.row(h), gradient + (p * frame.height + h) * frame.width, frame.width * sizeof(float));
        canvas.trace(points + 2 * p * length, length, out + 2 * p * length);
    }
}

template <int K>
void compare(const float *points, const float *targets, std::int64_t systems, std::int64_t batch,
             std::int64_t length, const Frame &frame, bool clamp, float *errors, float *out) {
    Canvas<K> canvas(frame);
    const float share = 1.0f / (frame.height * frame.width);
    for (std::int64_t p = 0; p < systems * batch; ++p) {
        canvas.clear();
        canvas.draw(points + 2 * p * length, length);
        double total = 0.0;
        const float *target = targets + p / batch * frame.height * frame.width;
        std::vector<float> difference(frame.width);
        for (std::int64_t h = 0; h < frame.height; ++h, target += frame.width) {
            float *cells = canvas.row(h), squares[L] = {};
            for (std::int64_t w = 0; w < frame.width; ++w) {
                const bool cut = clamp && cells[w] > 1.0f;
                difference[w] = (cut ? 1.0f : cells[w]) - target[w];
                cells[w] = cut ? 0.0f : 2.0f * share * difference[w];
            }
            for (std::int64_t w = 0; w < frame.width; ++w) squares[w % L] += difference[w] * difference[w];
            for (float square : squares) total += square;
        }
        errors[p] = static_cast<float>(total * share);
        // What windows spilled over the border is no part of the picture and has no gradient.
        for (std::int64_t h = -Canvas<K>::pad; h < frame.height + Canvas<K>::pad; ++h) {
            const bool inside = h >= 0 && h < frame.height;
            float *left = canvas.row(h) - Canvas<K>::pad;
            std::memset(left, 0, (inside ? Canvas<K>::pad : canvas.stride) * sizeof(float));
            if (inside) std::memset(canvas.row(h) + frame.width, 0, Canvas<K>::pad * sizeof(float));
        }
        canvas.trace(points + 2 * p * length, length, out + 2 * p * length);
    }
}

}  // namespace

extern "C" {

// maps: (M, N, 6), the entries of A by rows, then b. indices: (M, B, T). begin: (M, 2). points: (M, B, T, 2).
void collage_embed(const float *maps, const std::uint8_t *indices, const float *begin, std::int64_t systems,
                   std::int64_t count, std::int64_t batch, std::int64_t length, float *points) {
    for (std::int64_t m = 0; m < systems; ++m)
        for (std::int64_t b = 0; b < batch; ++b) {
            float x = begin[2 * m], y = begin[2 * m + 1];
            for (std::int64_t t = 0, at = (m * batch + b) * length; t < length; ++t, ++at) {
                const float *map = maps + 6 * (m * count + indices[at]);
                const float moved = map[0] * x + map[1] * y + map[4];
                y = map[2] * x + map[3] * y + map[5];
                x = moved;
                points[2 * at] = x;
                points[2 * at + 1] = y;
            }
        }
}

// gradient: (M, B, T, 2), that of the points. out: (M, N, 6), zeros when called.
void collage_embed_backward(const float *maps, const std::uint8_t *indices, const float *begin, const float *points,
                            const float *gradient, std::int64_t systems, std::int64_t count, std::int64_t batch,
                            std::int64_t length, float *out) {
    for (std::int64_t m = 0; m < systems; ++m)
        for (std::int64_t b = 0; b < batch; ++b) {
            float gx = 0.0f, gy = 0.0f;
            for (std::int64_t t = length - 1, at = (m * batch + b + 1) * length - 1; t >= 0; --t, --at) {
                gx += gradient[2 * at];
                gy += gradient[2 * at + 1];
                const float *before = t ? points + 2 * (at - 1) : begin + 2 * m;
                const float *map = maps + 6 * (m * count + indices[at]);
                float *to = out + 6 * (m * count + indices[at]);
                to[0] += gx * before[0];
                to[1] += gx * before[1];
                to[2] += gy * before[0];
                to[3] += gy * before[1];
                to[4] += gx;
                to[5] += gy;
                const float moved = map[0] * gx + map[2] * gy;
                gy = map[1] * gx + map[3] * gy;
                gx = moved;
            }
        }
}

// points: (P, T, 2). out: (P, H, W). width_class: 1, 2 or 4 times 8 pixels of window.
void collage_render(const float *points, std::int64_t pictures, std::int64_t length, std::int64_t height,
                    std::int64_t width, float scale_x, float scale_y, float shift, float tau, int width_class,
                    float *out) {
    const Frame frame{height, width, scale_x, scale_y, shift, tau};
    if (width_class == 1) render<1>(points, pictures, length, frame, out);
    else if (width_class == 2) render<2>(points, pictures, length, frame, out);
    else render<4>(points, pictures, length, frame, out);
}

// gradient: (P, H, W), that of the pictures. out: (P, T, 2).
void collage_render_backward(const float *points, const float *gradient, std::int64_t pictures, std::int64_t length,
                             std::int64_t height, std::int64_t width, float scale_x, float scale_y, float shift,
                             float tau, int width_class, float *out) {
    const Frame frame{height, width, scale_x, scale_y, shift, tau};
    if (width_class == 1) render_backward<1>(points, gradient, pictures, length, frame, out);
    else if (width_class == 2) render_backward<2>(points, gradient, pictures, length, frame, out);
    else render_backward<4>(points, gradient, pictures, length, frame, out);
}

// points: (M, B, T, 2), targets: (M, H, W). errors: (M, B), mean squares. out: (M, B, T, 2), their gradients.
void collage_compare(const float *points, const float *targets, std::int64_t systems, std::int64_t batch,
                     std::int64_t length, std::int64_t height, std::int64_t width, float scale_x, float scale_y,
                     float shift, float tau, int width_class, int clamp, float *errors, float *out) {
    const Frame frame{height, width, scale_x, scale_y, shift, tau};
    const auto run = width_class == 1 ? compare<1> : width_class == 2 ? compare<2> : compare<4>;
    run(points, targets, systems, batch, length, frame, clamp != 0, errors, out);
}

// uniform: (R,), bounds: (M, N), rising. indices: (M, R), how many of the first N - 1 bounds each number reaches.
void collage_sample(const float *uniform, const float *bounds, std::int64_t systems, std::int64_t count,
                    std::int64_t numbers, std::uint8_t *indices) {
    constexpr std::int64_t block = 1024;
    for (std::int64_t m = 0; m < systems; ++m)
        for (std::int64_t first = 0; first < numbers; first += block) {
            const std::int64_t size = numbers - first < block ? numbers - first : block;
            const float *from = uniform + first;
            std::uint8_t *to = indices + m * numbers + first;
            std::memset(to, 0, size);
            for (std::int64_t n = 0; n + 1 < count; ++n) {
                const float bound = bounds[m * count + n];
                for (std::int64_t r = 0; r < size; ++r) to[r] += from[r] >= bound;
            }
        }
}
}
