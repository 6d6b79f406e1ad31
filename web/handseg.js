// Hand masks in a browser: the same model files, preprocessing and masks as the Python package; nothing is uploaded.
//
//   import { load } from './handseg.js';
//   const segmenter = await load('nano.onnx');
//   const { mask, probability } = await segmenter.segment(imageData);

import * as ort from './ort.wasm.bundle.min.mjs';
import { readCard } from './card.js';
import { preprocess, restore } from './image.js';
import { handMask } from './regions.js';

/**
 * A model, ready to run.
 *
 * @param {string | URL} url of an .onnx file with a handseg card: a packaged one, or what `handseg export` wrote.
 * @param {object} [options] threads: of the WebAssembly engine, 1 where the page isn't cross-origin isolated.
 * @throws {Error} where the file can't be fetched, or has no card.
 */
export async function load(url, { threads = globalThis.crossOriginIsolated ? navigator.hardwareConcurrency : 1 } = {}) {
  ort.env.wasm.numThreads = threads;
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url}: can't be fetched (${answer.status}); put the model beside the page`);
  const file = new Uint8Array(await answer.arrayBuffer());
  const card = readCard(file, String(url));
  return new Segmenter(await ort.InferenceSession.create(file, { executionProviders: ['wasm'] }), card);
}

/** Finds hands in images, one at a time, with one look at each: like Python's `load(model, second_look=False)`. */
export class Segmenter {
  #session;
  #last = Promise.resolve();

  constructor(session, card) {
    this.#session = session;
    this.card = card;
    this.threshold = card.threshold;
  }

  /**
   * @param {ImageData} image RGBA, of any size; its alpha isn't looked at.
   * @param {object} [options] policy: 'hand' (cut at the wrist) or 'hand+forearm', one of card.policies.
   * @returns {Promise<{mask: Uint8Array, probability: Float32Array, width: number, height: number}>} both of the image's
   *   size, a row after another: mask 0 or 255, probability in [0, 1].
   */
  async segment(image, { policy = 'hand' } = {}) {
    const channel = this.card.policies.indexOf(policy);
    if (channel < 0) throw new Error(`label policy '${policy}': this model has ${this.card.policies.join(', ')}`);
    const { pixels, placement } = preprocess(image, this.card);
    const [height, width] = placement.padded;
    const feeds = { [this.#session.inputNames[0]]: new ort.Tensor('uint8', pixels, [1, height, width, 3]) };
    // A session runs one image at a time; calls that come meanwhile wait for their turn.
    const turn = this.#last.then(() => this.#session.run(feeds));
    this.#last = turn.catch(() => {});
    const output = (await turn)[this.#session.outputNames[0]];
    const plane = output.data.subarray(channel * height * width, (channel + 1) * height * width);
    const probability = restore(plane, placement);
    const mask = handMask(probability, image.width, image.height, this.threshold);
    return { mask, probability, width: image.width, height: image.height };
  }
}
