// Which regions of a picture are hands: the same as Python's `HandMask.mask`, see src/handseg/masks/result.py and pieces.py.

export const MIN_AREA = 2e-4; // of the picture
const ABOVE = 0.1; // the threshold
const ENOUGH = 0.7;
const ROUNDING = 1e-6;
const LINK = 0.75; // of the threshold
const SMALL = 0.1; // of the larger piece's area

/**
 * @param {Float32Array} probability in [0, 1], a row after another.
 * @returns {Uint8Array} 255 on hands, else 0.
 */
export function handMask(
  probability,
  width,
  height,
  threshold,
  minArea = MIN_AREA,
  minConfidence = Math.max(threshold, Math.min(threshold + ABOVE, ENOUGH)),
) {
  const { labels, regions } = label(probability, width, height, threshold);
  const hand = join(regions, label(probability, width, height, LINK * threshold).labels);
  const totals = regions.map(() => ({ area: 0, sum: 0 }));
  regions.forEach(({ area, sum }, i) => {
    totals[hand[i]].area += area;
    totals[hand[i]].sum += sum;
  });
  const kept = hand.map((i) => {
    const { area, sum } = totals[i];
    return area >= minArea * probability.length && sum >= (minConfidence - ROUNDING) * area;
  });
  const mask = new Uint8Array(probability.length);
  for (let i = 0; i < mask.length; i++) mask[i] = labels[i] && kept[labels[i] - 1] ? 255 : 0;
  return mask;
}

/** The 8-connected regions of pixels from `least` on, numbered from 1 by their first pixel. */
function label(probability, width, height, least) {
  const labels = new Int32Array(probability.length);
  const regions = [];
  const waiting = [];
  for (let first = 0; first < labels.length; first++) {
    if (labels[first] || probability[first] < least) continue;
    const region = { first, area: 0, sum: 0, top: height, left: width, bottom: 0, right: 0 };
    regions.push(region);
    labels[first] = regions.length;
    waiting.push(first);
    while (waiting.length) {
      const at = waiting.pop();
      const x = at % width;
      const y = (at - x) / width;
      region.area++;
      region.sum += probability[at];
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

/** Of each region the index of the one that it is a piece of: itself, or a larger one that it is linked to. */
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

function gap(a, b) {
  const across = Math.max(a.left - b.right, b.left - a.right, 0);
  return Math.hypot(across, Math.max(a.top - b.bottom, b.top - a.bottom, 0));
}
