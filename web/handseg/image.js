// From an image to the network's input and back: what `handseg.inference.preprocess`, `handseg.inference.postprocess` and PIL's resizing do,
// so that a browser gives the masks that Python gives. Canvas scaling differs from browser to browser.

const MAX_ASPECT_RATIO = 64;
const BITS = 22; // of a weight's fraction, in PIL's arithmetic for 8-bit images

/**
 * @typedef {object} Placement each [height, width]
 * @property {[number, number]} original
 * @property {[number, number]} resized
 * @property {[number, number]} padded
 */

/**
 * Network input, uint8 RGB a row after another, and where the image lies in it: at the top left, `resized` large, in a
 * canvas of `padded`; each [height, width].
 *
 * @param {ImageData} image
 * @param {any} card
 * @returns {{pixels: Uint8Array, placement: Placement}}
 */
export function preprocess(image, card) {
  const { width, height } = image;
  if (!width || !height) throw new Error('the image is empty');
  if (Math.max(width, height) > MAX_ASPECT_RATIO * Math.min(width, height)) {
    throw new Error(`an image of ${width}×${height} pixels is longer than ${MAX_ASPECT_RATIO}:1; cut it into pieces first`);
  }
  let resized = card.size;
  if (card.resize === 'fit') {
    const scale = Math.sqrt((card.size[0] * card.size[1]) / (height * width));
    resized = [height, width].map((n) => Math.max(1, roundHalfEven(n * scale)));
  }
  const padded = resized.map((n) => Math.ceil(n / card.stride) * card.stride);
  const content = shrink(image.data, height, width, ...resized);
  const pixels = new Uint8Array(padded[0] * padded[1] * 3);
  const colour = card.mean.map(roundHalfEven);
  for (let i = 0; i < pixels.length; i++) pixels[i] = colour[i % 3];
  for (let y = 0; y < resized[0]; y++) {
    pixels.set(content.subarray(y * resized[1] * 3, (y + 1) * resized[1] * 3), y * padded[1] * 3);
  }
  return { pixels, placement: /** @type {Placement} */ ({ original: [height, width], resized, padded }) };
}

/**
 * Probability at the image's own size, from a plane of the network's output: bilinear, like `shrink` where it shrinks.
 *
 * @param {Float32Array} plane
 * @param {Placement} placement
 */
export function restore(plane, { original, resized, padded }) {
  const [height, width] = original;
  const [blockY, blockX] = [0, 1].map((i) => Math.max(1, Math.floor(resized[i] / original[i])));
  const [rows, columns] = [Math.ceil(resized[0] / blockY), Math.ceil(resized[1] / blockX)];
  const small = new Float32Array(rows * columns);
  for (let y = 0; y < resized[0]; y++) {
    for (let x = 0; x < resized[1]; x++) {
      const inBlock = (n, block, size) => Math.min(block, size - n + (n % block));
      const n = inBlock(y, blockY, resized[0]) * inBlock(x, blockX, resized[1]);
      small[Math.floor(y / blockY) * columns + Math.floor(x / blockX)] += plane[y * padded[1] + x] / n;
    }
  }
  const across = taps(columns, width, Math.fround(resized[1] / blockX));
  const down = taps(rows, height, Math.fround(resized[0] / blockY));
  const wide = new Float32Array(rows * width);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < width; x++) {
      const { first, weights } = across[x];
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k] * small[y * columns + first + k];
      wide[y * width + x] = sum;
    }
  }
  const result = new Float32Array(height * width);
  for (let y = 0; y < height; y++) {
    const { first, weights } = down[y];
    for (let k = 0; k < weights.length; k++) {
      const from = (first + k) * width;
      for (let x = 0; x < width; x++) result[y * width + x] += weights[k] * wide[from + x];
    }
  }
  for (let i = 0; i < result.length; i++) result[i] = Math.min(1, Math.max(0, result[i]));
  return result;
}

/**
 * RGBA uint8 → RGB uint8 of another size. As PIL does it: means over whole blocks first where it shrinks by two or more,
 * then a triangle filter as wide as the shrinking asks for, along rows and then along columns, rounded each time.
 */
export function shrink(rgba, height, width, newHeight, newWidth) {
  const blockY = Math.max(1, Math.floor(height / newHeight));
  const blockX = Math.max(1, Math.floor(width / newWidth));
  const [rows, columns] = [Math.ceil(height / blockY), Math.ceil(width / blockX)];
  const small = new Uint8Array(rows * columns * 3);
  for (let y = 0, i = 0; y < rows; y++) {
    const bottom = Math.min(height, (y + 1) * blockY);
    for (let x = 0; x < columns; x++, i += 3) {
      const right = Math.min(width, (x + 1) * blockX);
      let [r, g, b] = [0, 0, 0];
      for (let v = y * blockY; v < bottom; v++) {
        for (let at = 4 * (v * width + x * blockX), end = 4 * (v * width + right); at < end; at += 4) {
          r += rgba[at];
          g += rgba[at + 1];
          b += rgba[at + 2];
        }
      }
      // PIL's division, which falls short of the mean by one where the sum is an exact multiple of n.
      const n = (bottom - y * blockY) * (right - x * blockX);
      const half = Math.floor(n / 2);
      const share = Math.floor(2 ** 24 / n);
      small[i] = Math.floor(((r + half) * share) / 2 ** 24);
      small[i + 1] = Math.floor(((g + half) * share) / 2 ** 24);
      small[i + 2] = Math.floor(((b + half) * share) / 2 ** 24);
    }
  }
  const across = fixed(taps(columns, newWidth, Math.fround(width / blockX)));
  const wide = new Uint8Array(rows * newWidth * 3);
  for (let y = 0, i = 0; y < rows; y++) {
    for (let x = 0; x < newWidth; x++) {
      const { first, weights } = across[x];
      for (let c = 0; c < 3; c++) {
        let sum = 1 << (BITS - 1);
        for (let k = 0, at = 3 * (y * columns + first) + c; k < weights.length; k++, at += 3) sum += weights[k] * small[at];
        wide[i++] = sum >> BITS;
      }
    }
  }
  const down = fixed(taps(rows, newHeight, Math.fround(height / blockY)));
  const result = new Uint8Array(newHeight * newWidth * 3);
  const stride = 3 * newWidth;
  for (let y = 0; y < newHeight; y++) {
    const { first, weights } = down[y];
    for (let x = 0; x < stride; x++) {
      let sum = 1 << (BITS - 1);
      for (let k = 0; k < weights.length; k++) sum += weights[k] * wide[(first + k) * stride + x];
      result[y * stride + x] = sum >> BITS;
    }
  }
  return result;
}

/** For each of `to` pixels the first of `from` that it is made of, and the weight of it and those behind it; all `to`
 * together cover `extent` of `from`. A triangle, one pixel to each side, or wider where it shrinks. */
function taps(from, to, extent) {
  const scale = extent / to;
  const reach = Math.max(1, scale);
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - reach + 0.5));
    const last = Math.min(from, Math.trunc(centre + reach + 0.5));
    const weights = [];
    let sum = 0;
    for (let x = first; x < last; x++) {
      const weight = Math.max(0, 1 - Math.abs((x - centre + 0.5) / reach));
      weights.push(weight);
      sum += weight;
    }
    return { first, weights: weights.map((w) => w / sum) };
  });
}

const fixed = (filter) =>
  filter.map(({ first, weights }) => ({ first, weights: weights.map((w) => Math.floor(w * 2 ** BITS + 0.5)) }));

/** As Python rounds: 2.5 to 2. */
function roundHalfEven(x) {
  const floor = Math.floor(x);
  const above = x - floor;
  return above > 0.5 || (above === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
