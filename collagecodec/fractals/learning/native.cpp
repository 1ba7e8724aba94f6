// Points of IFS and their rendering, with gradients: what `embedding.loop` and `rendering.separable` compute, for
// processors. A Gaussian is evaluated only in a window around its point: 8, 16 or 32 pixels wide, so that what is left
// out is below 1e-5 of its peak. Compiled and called by native.py, which states shapes and checks them.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

typedef float lanes __attribute__((vector_size(32)));
constexpr int L = 8;

inline lanes load(const float *from) {
    lanes value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

inline void store(float *to, lanes value) { std::memcpy(to, &value, sizeof value); }

// The sums of the lanes of both.
inline void sums(lanes v, lanes w, float *out) {
    typedef float quad __attribute__((vector_size(16)));
    quad a, b, c, d;
    std::memcpy(&a, &v, sizeof a);
    std::memcpy(&b, reinterpret_cast<const char *>(&v) + sizeof a, sizeof b);
    std::memcpy(&c, &w, sizeof c);
    std::memcpy(&d, reinterpret_cast<const char *>(&w) + sizeof c, sizeof d);
    a += b;
    c += d;
    out[0] = (a[0] + a[1]) + (a[2] + a[3]);
    out[1] = (c[0] + c[1]) + (c[2] + c[3]);
}

struct Frame {
    std::int64_t height, width;
    float scale_x, scale_y, shift, tau;  // column = scale_x * x + width * shift - 0.5, and so the row
};

// Values of the Gaussian at the pixels of a window, of second order around the middles of BINS places between two
// pixels: the third derivative is at most 4 tau^-1.5, and 4 / 6 / 128^3 is 3e-7.
template <int K> struct Profile {
    static constexpr int side = K * L, BINS = 64;
    std::vector<float> table;

    explicit Profile(double tau) : table(BINS * 3 * side) {
        for (int bin = 0; bin < BINS; ++bin)
            for (int k = 0; k < side; ++k) {
                const double u = k - (side / 2 - 1) - (bin + 0.5) / BINS, value = std::exp(-u * u / tau);
                float *to = table.data() + bin * 3 * side + k;
                to[0] = static_cast<float>(value);
                to[side] = static_cast<float>(value * 2 * u / tau);
                to[2 * side] = static_cast<float>(value * (2 * u * u / tau - 1) / tau);
            }
    }

    // `fraction`: from 0 to 1, where between two pixels the point lies.
    void values(float fraction, float *out) const {
        int bin = static_cast<int>(fraction * BINS);
        bin = bin < BINS ? bin : BINS - 1;
        const float rest = fraction - (bin + 0.5f) / BINS;
        const float *from = table.data() + bin * 3 * side;
        for (int k = 0; k < side; k += L)
            store(out + k, load(from + k) + rest * (load(from + side + k) + rest * load(from + 2 * side + k)));
    }
};

// A picture with a border as wide as a window, so that no window needs to be cut; and the points drawn into it.
template <int K> struct Canvas {
    static constexpr int side = K * L;
    static constexpr std::int64_t pad = side;
    struct Point {
        std::int64_t corner;  // of its window among the cells; below 0 where nothing of it is seen
        float x, y;           // its place in the window, in pixels
        float across[side], down[side];
    };
    const Frame frame;
    const std::int64_t stride;
    const Profile<K> profile;
    std::vector<float> cells;
    std::vector<Point> marks;
    bool sound = true;  // all points are finite numbers

    explicit Canvas(const Frame &given)
        : frame(given), stride(given.width + 2 * pad), profile(given.tau), cells((given.height + 2 * pad) * stride) {}

    float *row(std::int64_t h) { return cells.data() + (h + pad) * stride + pad; }
    void clear() { std::memset(cells.data(), 0, cells.size() * sizeof(float)); }

    // Takes the points (length, 2) that `draw` and `trace` are about.
    void take(const float *points, std::int64_t length) {
        constexpr float reach = side / 2;
        const float offset_x = frame.width * frame.shift - 0.5f, offset_y = frame.height * frame.shift - 0.5f;
        marks.resize(length);
        sound = true;
        for (Point &mark : marks) {
            const float at_x = frame.scale_x * points[0] + offset_x, at_y = frame.scale_y * points[1] + offset_y;
            points += 2;
            mark.corner = -1;
            sound = sound && std::isfinite(at_x) && std::isfinite(at_y);
            // Out of reach of the picture, or not a number.
            if (!(at_x > -reach && at_x < frame.width + reach && at_y > -reach && at_y < frame.height + reach)) continue;
            const float left = std::floor(at_x), top = std::floor(at_y);
            mark.corner = (static_cast<std::int64_t>(top) + side / 2 + 1) * stride + static_cast<std::int64_t>(left) +
                          side / 2 + 1;
            mark.x = at_x - left + (side / 2 - 1);
            mark.y = at_y - top + (side / 2 - 1);
            profile.values(at_x - left, mark.across);
            profile.values(at_y - top, mark.down);
        }
    }

    void draw() {
        for (const Point &mark : marks) {
            if (mark.corner < 0) continue;
            float *line = cells.data() + mark.corner;
            for (int i = 0; i < side; ++i, line += stride)
                for (int k = 0; k < side; k += L)
                    store(line + k, load(line + k) + mark.down[i] * load(mark.across + k));
        }
    }

    // Returns the mean square of what the picture, cut at 1 if `clamp`, differs from the target by, and turns the cells
    // into its gradient; not a number where a point was none. What windows spilled over the border is no part of the picture and has none.
    float compare(const float *target, bool clamp) {
        const float share = 1.0f / (frame.height * frame.width);
        double total = 0.0;
        std::memset(cells.data(), 0, pad * stride * sizeof(float));
        std::memset(row(frame.height) - pad, 0, pad * stride * sizeof(float));
        for (std::int64_t h = 0; h < frame.height; ++h, target += frame.width) {
            float *line = row(h), squares[L] = {};
            std::memset(line - pad, 0, pad * sizeof(float));
            std::memset(line + frame.width, 0, pad * sizeof(float));
            for (std::int64_t w = 0; w < frame.width; ++w) {
                const bool cut = clamp && line[w] > 1.0f;
                const float difference = (cut ? 1.0f : line[w]) - target[w];
                squares[w % L] += difference * difference;
                line[w] = cut ? 0.0f : 2.0f * share * difference;
            }
            for (float square : squares) total += square;
        }
        return sound ? static_cast<float>(total * share) : NAN;
    }

    // The gradient (length, 2) of the points, where the cells hold that of the picture.
    void trace(float *out) const {
        const lanes count = {0, 1, 2, 3, 4, 5, 6, 7};
        const float factor_x = 2.0f / frame.tau * frame.scale_x, factor_y = 2.0f / frame.tau * frame.scale_y;
        for (const Point &mark : marks) {
            out[0] = out[1] = 0.0f;
            if (mark.corner >= 0) {
                float tilted[side];
                for (int k = 0; k < side; k += L) store(tilted + k, load(mark.down + k) * (count + (k - mark.y)));
                lanes dx = {}, dy = {};
                for (int k = 0; k < side; k += L) {
                    const float *line = cells.data() + mark.corner + k;
                    lanes along[2] = {}, aside[2] = {};
                    for (int i = 0; i < side; ++i, line += stride) {
                        along[i % 2] += mark.down[i] * load(line);
                        aside[i % 2] += tilted[i] * load(line);
                    }
                    const lanes across = load(mark.across + k);
                    dx += across * (count + (k - mark.x)) * (along[0] + along[1]);
                    dy += across * (aside[0] + aside[1]);
                }
                sums(dx, dy, out);
                out[0] *= factor_x;
                out[1] *= factor_y;
            }
            out += 2;
        }
    }
};

template <int K>
void render(const float *points, std::int64_t pictures, std::int64_t length, const Frame &frame, float *out) {
    Canvas<K> canvas(frame);
    for (std::int64_t p = 0; p < pictures; ++p) {
        canvas.clear();
        canvas.take(points + 2 * p * length, length);
        canvas.draw();
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
        canvas.take(points + 2 * p * length, length);
        canvas.trace(out + 2 * p * length);
    }
}

// Sequences of one IFS that lie one after the other. Several are walked at a time: a step waits for the one before.
constexpr int ABREAST = 5;

struct Lines {
    const float *maps;            // (N, 6)
    const std::uint8_t *indices;  // (lines, T)
    const float *begin;           // (2,)
    std::int64_t length;

    // points: (lines, T, 2).
    void forward(std::int64_t lines, float *points) const {
        if (lines == ABREAST) return walk<ABREAST>(points);
        for (std::int64_t line = 0; line < lines; ++line) from(line).walk<1>(points + 2 * line * length);
    }

    // gradient: (lines, T, 2), that of the points. out: (lines, N, 6), `apart` numbers from line to line.
    void backward(std::int64_t lines, const float *points, const float *gradient, std::int64_t apart, float *out) const {
        if (lines == ABREAST) return retrace<ABREAST>(points, gradient, apart, out);
        for (std::int64_t line = 0, at = 0; line < lines; ++line, at += 2 * length)
            from(line).retrace<1>(points + at, gradient + at, apart, out + line * apart);
    }

  private:
    Lines from(std::int64_t line) const { return {maps, indices + line * length, begin, length}; }

    template <int N> void walk(float *points) const {
        float x[N], y[N];
        for (int n = 0; n < N; ++n) x[n] = begin[0], y[n] = begin[1];
        for (std::int64_t t = 0; t < length; ++t)
            for (int n = 0; n < N; ++n) {
                const std::int64_t at = n * length + t;
                const float *map = maps + 6 * indices[at];
                const float moved = map[0] * x[n] + map[1] * y[n] + map[4];
                y[n] = map[2] * x[n] + map[3] * y[n] + map[5];
                x[n] = moved;
                points[2 * at] = x[n];
                points[2 * at + 1] = y[n];
            }
    }

    template <int N> void retrace(const float *points, const float *gradient, std::int64_t apart, float *out) const {
        float gx[N] = {}, gy[N] = {};
        for (std::int64_t t = length - 1; t >= 0; --t)
            for (int n = 0; n < N; ++n) {
                const std::int64_t at = n * length + t;
                gx[n] += gradient[2 * at];
                gy[n] += gradient[2 * at + 1];
                const float *before = t ? points + 2 * (at - 1) : begin;
                const float *map = maps + 6 * indices[at];
                float *to = out + n * apart + 6 * indices[at];
                to[0] += gx[n] * before[0];
                to[1] += gx[n] * before[1];
                to[2] += gy[n] * before[0];
                to[3] += gy[n] * before[1];
                to[4] += gx[n];
                to[5] += gy[n];
                const float moved = map[0] * gx[n] + map[2] * gy[n];
                gy[n] = map[1] * gx[n] + map[3] * gy[n];
                gx[n] = moved;
            }
    }
};

// Errors of the pictures of all sequences, and their gradients by the maps, sequence by sequence.
template <int K>
void errors(const float *maps, const std::uint8_t *indices, const float *begin, const float *targets,
            const std::int64_t (&sizes)[4], const Frame &frame, bool clamp, float *found, float *out) {
    const auto [systems, count, batch, length] = sizes;
    Canvas<K> canvas(frame);
    std::vector<float> points(2 * ABREAST * length), gradient(2 * ABREAST * length);
    for (std::int64_t m = 0; m < systems; ++m)
        for (std::int64_t b = 0; b < batch; b += ABREAST) {
            const std::int64_t many = batch - b < ABREAST ? batch - b : ABREAST, first = m * batch + b;
            const Lines walk{maps + 6 * m * count, indices + first * length, begin + 2 * m, length};
            walk.forward(many, points.data());
            for (std::int64_t line = 0; line < many; ++line) {
                canvas.clear();
                canvas.take(points.data() + 2 * line * length, length);
                canvas.draw();
                found[first + line] = canvas.compare(targets + m * frame.height * frame.width, clamp);
                canvas.trace(gradient.data() + 2 * line * length);
            }
            walk.backward(many, points.data(), gradient.data(), 6 * count, out + 6 * first * count);
        }
}

}  // namespace

extern "C" {

// maps: (M, N, 6), the entries of A by rows, then b. indices: (M, B, T). begin: (M, 2). points: (M, B, T, 2).
void collage_embed(const float *maps, const std::uint8_t *indices, const float *begin, std::int64_t systems,
                   std::int64_t count, std::int64_t batch, std::int64_t length, float *points) {
    for (std::int64_t m = 0; m < systems; ++m)
        for (std::int64_t b = 0; b < batch; b += ABREAST) {
            const std::int64_t many = batch - b < ABREAST ? batch - b : ABREAST, first = (m * batch + b) * length;
            const Lines walk{maps + 6 * m * count, indices + first, begin + 2 * m, length};
            walk.forward(many, points + 2 * first);
        }
}

// gradient: (M, B, T, 2), that of the points. out: (M, N, 6), zeros when called.
void collage_embed_backward(const float *maps, const std::uint8_t *indices, const float *begin, const float *points,
                            const float *gradient, std::int64_t systems, std::int64_t count, std::int64_t batch,
                            std::int64_t length, float *out) {
    for (std::int64_t m = 0; m < systems; ++m)
        for (std::int64_t b = 0; b < batch; b += ABREAST) {
            const std::int64_t many = batch - b < ABREAST ? batch - b : ABREAST, first = (m * batch + b) * length;
            const Lines walk{maps + 6 * m * count, indices + first, begin + 2 * m, length};
            walk.backward(many, points + 2 * first, gradient + 2 * first, 0, out + 6 * m * count);
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

// maps, indices and begin as above, targets: (M, H, W). found: (M, B), mean squares. out: (M, B, N, 6), their gradients,
// zeros when called.
void collage_errors(const float *maps, const std::uint8_t *indices, const float *begin, const float *targets,
                    std::int64_t systems, std::int64_t count, std::int64_t batch, std::int64_t length,
                    std::int64_t height, std::int64_t width, float scale_x, float scale_y, float shift, float tau,
                    int width_class, int clamp, float *found, float *out) {
    const std::int64_t sizes[4] = {systems, count, batch, length};
    const Frame frame{height, width, scale_x, scale_y, shift, tau};
    const auto run = width_class == 1 ? errors<1> : width_class == 2 ? errors<2> : errors<4>;
    run(maps, indices, begin, targets, sizes, frame, clamp != 0, found, out);
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
