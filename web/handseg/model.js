// A model in memory: the same network, preprocessing and masks as the Python package. Runs where it is called; `index.js`
// runs it in a worker.

import { readCard } from './card.js';
import { preprocess, restore } from './image.js';
import { findHands } from './regions.js';
import { CLOSER, SCALES, looksSmall } from './second-look.js';

/**
 * @typedef {object} Hand one hand: a connected region, with what belongs to it
 * @property {[number, number, number, number]} box x, y, width and height in pixels
 * @property {number} area in pixels
 * @property {[number, number]} centroid x and y
 * @property {number} confidence mean probability over its pixels, in [0, 1]
 */

/**
 * @typedef {object} Found of an image; planes are as large as it, a row after another
 * @property {Uint8Array} mask 255 on hands, else 0
 * @property {Float32Array} probability in [0, 1]
 * @property {Hand[]} hands largest first
 * @property {number} width
 * @property {number} height
 */

/** Finds hands in images, one at a time. */
export class Model {
  #ort;
  #session;
  #last = Promise.resolve();

  /**
   * @param {any} ort the module onnxruntime-web
   * @param {Uint8Array} file an .onnx file with a handseg card
   * @param {string} name of the file, for errors
   */
  static async open(ort, file, name) {
    const card = readCard(file, name);
    return new Model(ort, await ort.InferenceSession.create(file, { executionProviders: ['wasm'] }), card);
  }

  /**
   * @param {any} ort
   * @param {any} session
   * @param {any} card
   */
  constructor(ort, session, card) {
    this.#ort = ort;
    this.#session = session;
    this.card = card;
  }

  /**
   * As Python's `load(model, second_look=…)` does it.
   *
   * @param {ImageData} image of any size; its alpha isn't looked at
   * @param {{policy?: string, threshold?: number, secondLook?: boolean}} [options]
   * @returns {Promise<Found>}
   */
  async segment(image, { policy = 'hand', threshold = this.card.threshold, secondLook = true } = {}) {
    const channel = this.card.policies.indexOf(policy);
    if (channel < 0) throw new Error(`label policy '${policy}': this model has ${this.card.policies.join(', ')}`);
    if (!(threshold > 0 && threshold < 1)) throw new Error(`threshold ${threshold}: must lie between 0 and 1`);
    const { width, height } = image;
    let look = await this.#look(image, channel, 1);
    let probability = restore(look.plane, look.placement);
    if (secondLook && small(look)) {
      let before = probability;
      for (const scale of SCALES) {
        before = probability;
        look = await this.#look(image, channel, scale);
        probability = restore(look.plane, look.placement);
        if (!small(look)) break;
      }
      for (let i = 0; i < probability.length; i++) probability[i] = CLOSER * probability[i] + (1 - CLOSER) * before[i];
    }
    return { ...findHands(probability, width, height, threshold), probability, width, height };
  }

  async release() {
    await this.#last;
    await this.#session.release();
  }

  /**
   * What the network sees of an image that is shown to it `scale` times as large as usual.
   *
   * @param {ImageData} image
   * @param {number} channel
   * @param {number} scale
   */
  async #look(image, channel, scale) {
    const size = this.card.size.map((/** @type {number} */ n) => Math.round(n * scale));
    const { pixels, placement } = preprocess(image, { ...this.card, size });
    const [height, width] = placement.padded;
    const feeds = { [this.#session.inputNames[0]]: new this.#ort.Tensor('uint8', pixels, [1, height, width, 3]) };
    // A session runs one image at a time; calls that come meanwhile wait for their turn.
    const turn = this.#last.then(() => this.#session.run(feeds));
    this.#last = turn.catch(() => {});
    const output = (await turn)[this.#session.outputNames[0]];
    return { plane: output.data.subarray(channel * height * width, (channel + 1) * height * width), placement };
  }
}

/** @param {{plane: Float32Array, placement: import('./image.js').Placement}} look */
const small = ({ plane, placement }) => looksSmall(plane, placement.padded[1], placement.resized);
