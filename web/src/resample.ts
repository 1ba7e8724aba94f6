/** Resampling with integer weights: FORMAT.md, section 6.3. */
import { Arena, Kernels } from "./kernels.js";
import type { Planes } from "./engine.js";

const UNIT = 2 ** 14, PHASES = 1024;

/** 12 * 1024^3 K(|d| / 1024) for a distance d in 1/1024. */
function keys(distance: bigint): bigint {
  const d = distance < 0n ? -distance : distance, u = 1024n;
  if (d < u) return 16n * d ** 3n - 28n * d * d * u + 12n * u ** 3n;
  if (d < 2n * u) return -7n * d ** 3n + 36n * d * d * u - 59n * d * u * u + 30n * u ** 3n;
  if (d < 3n * u) return d ** 3n - 8n * d * d * u + 21n * d * u * u - 18n * u ** 3n;
  return 0n;
}

/** numerator / denominator, rounded to the nearest integer, halves to even. */
function rounded(numerator: bigint, denominator: bigint): number {
  let quotient = numerator / denominator, rest = numerator % denominator;
  if (rest < 0n) { quotient -= 1n; rest += denominator; }
  if (2n * rest > denominator || (2n * rest === denominator && quotient % 2n)) quotient += 1n;
  return Number(quotient);
}

const cubic = new Map<number, Int32Array>();

function cubicWeights(phase: number): Int32Array {
  let weights = cubic.get(phase);
  if (!weights) {
    weights = new Int32Array(6);
    for (let tap = -2; tap < 4; tap++)
      weights[tap + 2] = rounded(keys(BigInt(phase - PHASES * tap)) * BigInt(UNIT), 12n * 1024n ** 3n);
    weights[2 * phase < PHASES ? 2 : 3] += UNIT - weights.reduce((a, b) => a + b, 0);
    cubic.set(phase, weights);
  }
  return weights;
}

function floorDivide(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return a % b < 0n ? quotient - 1n : quotient;
}

/** The resampling of an axis: `taps` and `weights` are (count, width). */
export class Axis {
  readonly width: number;
  readonly taps: Int32Array;
  readonly weights: Int32Array;
  readonly plain: boolean;
  /** The input of output 0, where `plain`. */
  readonly first: number;

  /** `start` and `length` are in 1 / `unit` input; there are `limit` inputs, beyond which the last ones repeat. */
  constructor(start: number, length: number, unit: number, readonly count: number, limit: number) {
    this.plain = length === count * unit && start % unit === 0;
    this.first = Math.floor(start / unit);
    const rows: [number, Int32Array][] = [];
    const [s, l, u, c] = [BigInt(start), BigInt(length), BigInt(unit), BigInt(count)];
    for (let i = 0; i < count; i++) {
      const n = BigInt(i);
      if (this.plain) rows.push([this.first + i, Int32Array.of(UNIT)]);
      else if (length <= count * unit) {
        const whole = 2n * u * c, centre = 2n * s * c + (2n * n + 1n) * l - u * c;
        const phase = floorDivide(2n * centre * 1024n + whole, 2n * whole), tap = floorDivide(phase, 1024n);
        rows.push([Number(tap) - 2, cubicWeights(Number(phase - tap * 1024n))]);
      } else {
        const edge = s * c + n * l, next = edge + l, pixel = u * c, tap = floorDivide(edge, pixel);
        const size = Number(floorDivide(next - 1n, pixel) - tap) + 1, weights = new Int32Array(size);
        for (let t = 0; t < size; t++) {
          const left = (tap + BigInt(t)) * pixel, right = left + pixel;
          const cover = (next < right ? next : right) - (edge > left ? edge : left);
          weights[t] = Number((cover * BigInt(UNIT)) / l);
        }
        weights[weights.indexOf(Math.max(...weights))] += UNIT - weights.reduce((a, b) => a + b, 0);
        rows.push([Number(tap), weights]);
      }
    }
    this.width = Math.max(...rows.map(([, weights]) => weights.length));
    this.taps = new Int32Array(count * this.width);
    this.weights = new Int32Array(count * this.width);
    rows.forEach(([first, weights], i) => {
      for (let t = 0; t < this.width; t++) {
        this.taps[i * this.width + t] = Math.min(Math.max(first + t, 0), limit - 1);
        this.weights[i * this.width + t] = t < weights.length ? weights[t] : 0;
      }
    });
  }
}

/** The axis that doubles `length` samples from `start`. */
export function doubling(start: number, length: number, limit: number): Axis {
  return new Axis(start, length, 1, 2 * length, limit);
}

/** Resamples planes along one axis, rounded half up. */
export function resample(k: Kernels, planes: Planes, axis: Axis, down: boolean): Planes {
  const { count, height, width } = planes;
  if (axis.plain && axis.first === 0 && axis.count === (down ? height : width)) return planes;
  if (!down) return across(planes, axis);
  const arena = new Arena(k);
  try {
    const out = arena.allocate(2 * count * axis.count * width);
    k.call(
      "resample", arena.put(planes.samples), count, BigInt(height), BigInt(width), arena.put(axis.taps), arena.put(axis.weights),
      BigInt(axis.count), axis.width, arena.allocate(4 * width), out,
    );
    return { samples: k.i16(out, count * axis.count * width).slice(), count, height: axis.count, width };
  } finally {
    arena.free();
  }
}

function across(planes: Planes, axis: Axis): Planes {
  const { count, height, width } = planes, result = new Int16Array(count * height * axis.count);
  for (let row = 0, out = 0; row < count * height; row++)
    for (let i = 0, t = 0; i < axis.count; i++) {
      let sum = 2 ** 13;
      for (const end = t + axis.width; t < end; t++) sum += axis.weights[t] * planes.samples[row * width + axis.taps[t]];
      result[out++] = sum >> 14;
    }
  return { samples: result, count, height, width: axis.count };
}
