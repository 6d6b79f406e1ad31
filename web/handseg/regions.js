// Which regions of a picture are hands: the same as Python's `HandMask.mask`, see src/handseg/masks/result.py and pieces.py.

export const MIN_AREA = 2e-4; // of the picture
const ABOVE = 0.1; // the threshold
const ENOUGH = 0.7;
const ROUNDING = 1e-6;
const LINK = 0.75; // of the threshold
const SMALL = 0.1; // of the larger piece's area

/**
 * @param {Float32Array} probability in [0, 1], a row after another
 * @param {number} width
 * @param {number} height
 * @param {number} threshold
 * @param {number} [minArea] of the picture; a smaller region is no hand
 * @param {number} [minConfidence] mean probability; a region below it is no hand
 * @returns {{mask: Uint8Array, hands: import('./model.js').Hand[]}} mask: 255 on hands, else 0; hands: largest first
 */
export function findHands(
  probability,
  width,
  height,
  threshold,
  minArea = MIN_AREA,
  minConfidence = Math.max(threshold, Math.min(threshold + ABOVE, ENOUGH)),
) {
  const { labels, regions } = label(probability, width, height, threshold);
  const hand = regions.length > 1 ? join(regions, label(probability, width, height, LINK * threshold).labels) : [0];
  const totals = regions.map((region) => ({ ...region, area: 0, sum: 0, x: 0, y: 0 }));
  regions.forEach((region, i) => {
    const total = totals[hand[i]];
    for (const what of /** @type {const} */ (['area', 'sum', 'x', 'y'])) total[what] += region[what];
    total.top = Math.min(total.top, region.top);
    total.left = Math.min(total.left, region.left);
    total.bottom = Math.max(total.bottom, region.bottom);
    total.right = Math.max(total.right, region.right);
  });
  const large = ({ area = 0, sum = 0 }) =>
    area > 0 && area >= minArea * probability.length && sum >= (minConfidence - ROUNDING) * area;
  const kept = hand.map((i) => totals.length > 0 && large(totals[i]));
  const mask = new Uint8Array(probability.length);
  for (let i = 0; i < mask.length; i++) mask[i] = labels[i] && kept[labels[i] - 1] ? 255 : 0;
  const hands = totals.filter(large).sort((a, b) => b.area - a.area);
  return {
    mask,
    hands: hands.map(({ top, left, bottom, right, area, sum, x, y }) => ({
      box: [left, top, right - left, bottom - top],
      area,
      centroid: [x / area, y / area],
      confidence: Math.min(1, sum / area),
    })),
  };
}

/**
 * @typedef {object} Region
 * @property {number} first the index of its first pixel
 * @property {number} area
 * @property {number} sum of probabilities
 * @property {number} x sum of the pixels' columns
 * @property {number} y sum of their rows
 * @property {number} top
 * @property {number} left
 * @property {number} bottom
 * @property {number} right
 */

/**
 * The 8-connected regions of pixels from `least` on, numbered from 1 by their first pixel.
 *
 * @param {Float32Array} probability
 * @param {number} width
 * @param {number} height
 * @param {number} least
 * @returns {{labels: Int32Array, regions: Region[]}}
 */
export function label(probability, width, height, least) {
  const labels = new Int32Array(probability.length);
  /** @type {Region[]} */
  const regions = [];
  /** @type {number[]} */
  const waiting = [];
  for (let first = 0; first < labels.length; first++) {
    if (labels[first] || probability[first] < least) continue;
    const region = { first, area: 0, sum: 0, x: 0, y: 0, top: height, left: width, bottom: 0, right: 0 };
    regions.push(region);
    labels[first] = regions.length;
    waiting.push(first);
    while (waiting.length) {
      const at = /** @type {number} */ (waiting.pop());
      const x = at % width;
      const y = (at - x) / width;
      region.area++;
      region.sum += probability[at];
      region.x += x;
      region.y += y;
      region.top = Math.min(region.top, y);
      region.left = Math.min(region.left, x);
      region.bottom = Math.max(region.bottom, y + 1);
      region.right = Math.max(region.right, x + 1);
      for (let v = Math.max(0, y - 1); v <= Math.min(height - 1, y + 1); v++) {
        for (let u = Math.max(0, x - 1); u <= Math.min(width - 1, x + 1); u++) {
          const next = v * width + u;
          if (labels[next] || probability[next] < least) continue;
          labels[next] = regions.length;
          waiting.push(next);
        }
      }
    }
  }
  return { labels, regions };
}

/**
 * Of each region the index of the one that it is a piece of: itself, or a larger one that it is linked to.
 *
 * @param {Region[]} regions
 * @param {Int32Array} links
 */
function join(regions, links) {
  const into = regions.map((_, i) => i);
  const hands = new Map(); // of each link the regions that are hands, largest first
  for (const i of [...into].sort((a, b) => regions[b].area - regions[a].area)) {
    const link = links[regions[i].first];
    const larger = (hands.get(link) ?? []).filter((k) => regions[i].area <= SMALL * regions[k].area);
    if (larger.length) {
      const gaps = larger.map((k) => gap(regions[k], regions[i]));
      into[i] = larger[gaps.indexOf(Math.min(...gaps))];
    } else {
      hands.set(link, [...(hands.get(link) ?? []), i]);
    }
  }
  return into;
}

/**
 * @param {Region} a
 * @param {Region} b
 */
function gap(a, b) {
  const across = Math.max(a.left - b.right, b.left - a.right, 0);
  return Math.hypot(across, Math.max(a.top - b.bottom, b.top - a.bottom, 0));
}
