// Hand masks in a browser: the same model files, preprocessing and masks as the Python package; nothing is uploaded.
//
//   import { createSegmenter } from 'handseg';
//   const segmenter = await createSegmenter({ model: 'nano.onnx' });
//   const { mask, hands } = await segmenter.segment(video);

/** @typedef {import('./model.js').Hand} Hand */
/** @typedef {import('./model.js').Found} Found */
/** @typedef {'hand' | 'hand+forearm'} Policy cut at the wrist, or with bare forearms */
/** @typedef {ImageBitmap | ImageData | VideoFrame | HTMLVideoElement | HTMLImageElement | HTMLCanvasElement | OffscreenCanvas | Blob} Source */

/**
 * @typedef {object} Options
 * @property {Policy} [policy]
 * @property {number} [threshold] from this probability on a pixel may be hand; by default the model's own
 * @property {boolean} [secondLook] look closer where hands seem small, as Python does; slower then. Leave it out for video
 */

/**
 * @typedef {object} Setup
 * @property {string | URL} model the address of an .onnx file with a handseg card: a packaged one, or what `handseg export` wrote
 * @property {string | URL} [engine] the address of onnxruntime-web's .wasm file, which may be a .gz; by default it finds its own
 * @property {number} [threads] of the engine; more than one only where the page is cross-origin isolated
 * @property {() => Worker} [worker] makes the worker, where the bundler can't
 * @property {import('./fetching.js').Progress} [onProgress] is told of the model's and the engine's bytes
 */

const MOST_THREADS = 4; // more gain nothing with networks as small as these

/**
 * Load a model into a worker of its own.
 *
 * @param {Setup & Options} options
 * @returns {Promise<Segmenter>}
 * @throws {Error} where a file can't be fetched, or the model has no card
 */
export async function createSegmenter({
  model,
  engine,
  threads = globalThis.crossOriginIsolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency) : 1,
  worker = () => new Worker(new URL('./worker.js', import.meta.url), { type: 'module' }),
  onProgress,
  ...options
}) {
  const line = new Line(worker());
  const absolute = (/** @type {string | URL} */ url) => new URL(url, document.baseURI).href;
  try {
    const request = { url: absolute(model), engine: engine && absolute(engine), threads };
    const { card } = await line.ask('load', request, { onProgress });
    return new Segmenter(line, card, options);
  } catch (error) {
    line.end();
    throw error;
  }
}

/** Finds hands in images, one after another. Made by `createSegmenter`. */
export class Segmenter {
  #line;

  /**
   * @param {Line} line
   * @param {any} card
   * @param {Options} options
   */
  constructor(line, card, { policy = 'hand', threshold = card.threshold, secondLook = true }) {
    this.#line = line;
    /** The model's card: name, size, threshold, policies and more. */
    this.card = card;
    /** @type {Policy} */
    this.policy = policy;
    this.threshold = threshold;
    this.secondLook = secondLook;
  }

  /**
   * The hands in one image, at its own size.
   *
   * @param {Source} source of which nothing is changed
   * @param {Options & {signal?: AbortSignal}} [options] signal: gives the call up; it then throws the signal's reason
   * @returns {Promise<Found>}
   */
  async segment(source, { signal, ...options } = {}) {
    signal?.throwIfAborted();
    const image = source instanceof ImageData ? source : await createImageBitmap(source);
    if (signal?.aborted && image instanceof ImageBitmap) image.close();
    signal?.throwIfAborted();
    const { policy, threshold, secondLook } = this;
    const request = { image, options: { policy, threshold, secondLook, ...options } };
    return this.#line.ask('segment', request, { signal, transfer: image instanceof ImageData ? [] : [image] });
  }

  /**
   * The same image with another threshold, without looking again.
   *
   * @param {Found} found is handed over: its `probability` is empty afterwards
   * @param {number} threshold
   * @returns {Promise<Found>}
   */
  again({ probability, width, height }, threshold) {
    return this.#line.ask('again', { probability, width, height, threshold }, { transfer: [probability.buffer] });
  }

  /** Ends the worker; what it hasn't answered yet throws. */
  dispose() {
    this.#line.end();
  }
}

/** Questions to a worker, and its answers. */
class Line {
  #worker;
  #count = 0;
  /** @type {Map<number, {resolve: (result: any) => void, reject: (error: unknown) => void, onProgress?: any}>} */
  #open = new Map();
  /** @type {Error | null} */
  #ended = null;

  /** @param {Worker} worker */
  constructor(worker) {
    this.#worker = worker;
    worker.addEventListener('message', ({ data }) => {
      const question = this.#open.get(data.id);
      if (!question) return;
      if (data.progress) {
        question.onProgress?.(data.progress);
        return;
      }
      this.#open.delete(data.id);
      if (data.error !== undefined) question.reject(new Error(data.error));
      else question.resolve(data.result);
    });
    worker.addEventListener('error', (event) => this.end(new Error(`the worker failed: ${event.message ?? 'unknown'}`)));
  }

  /**
   * @param {string} action
   * @param {object} request
   * @param {{signal?: AbortSignal, transfer?: Transferable[], onProgress?: any}} [how]
   * @returns {Promise<any>}
   */
  ask(action, request, { signal, transfer = [], onProgress } = {}) {
    if (this.#ended) return Promise.reject(this.#ended);
    const id = this.#count++;
    return new Promise((resolve, reject) => {
      const give = () => {
        this.#open.delete(id);
        this.#worker.postMessage({ action: 'cancel', cancelled: id });
        reject(signal?.reason);
      };
      const done = () => signal?.removeEventListener('abort', give);
      this.#open.set(id, {
        resolve: (result) => (done(), resolve(result)),
        reject: (error) => (done(), reject(error)),
        onProgress,
      });
      signal?.addEventListener('abort', give, { once: true });
      this.#worker.postMessage({ id, action, ...request }, transfer);
    });
  }

  end(error = new Error('this segmenter was disposed of')) {
    this.#ended = error;
    this.#worker.terminate();
    for (const { reject } of this.#open.values()) reject(error);
    this.#open.clear();
  }
}
