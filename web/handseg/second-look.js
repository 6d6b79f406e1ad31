// When to look closer: the same as Python's `handseg.inference.second_look`.

import { label } from './regions.js';

export const SCALES = [2, 3]; // times the network's usual input, tried in turn while hands still look small
export const CLOSER = 0.65; // weight of the closer of two looks
const SMALL = 40; // pixels of the network's input, the typical extent of a hand
const CANDIDATE = 0.3; // probability from which a pixel may belong to a hand that was only half seen
const SPECK = 3; // pixels of the network's input; less is no hand at all

/**
 * Whether what a network sees of hands is so small that it would see more in a larger input.
 *
 * @param {Float32Array} plane probability, `stride` wide; the image is its top left part
 * @param {number} stride
 * @param {[number, number]} size height and width of that part
 */
export function looksSmall(plane, stride, [height, width]) {
  const content = new Float32Array(height * width);
  for (let y = 0; y < height; y++) content.set(plane.subarray(y * stride, y * stride + width), y * width);
  let [sum, squares] = [0, 0];
  for (const { area } of label(content, width, height, CANDIDATE).regions) {
    const extent = Math.sqrt(area);
    if (extent <= SPECK) continue;
    sum += extent;
    squares += area;
  }
  return sum > 0 && squares / sum < SMALL;
}
