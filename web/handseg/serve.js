// The worker's side: requests come as messages, one after another, and each is answered by its number.

import { fetchBytes } from './fetching.js';
import { Model } from './model.js';
import { findHands } from './regions.js';

/**
 * Answer the messages of `createSegmenter`.
 *
 * @param {any} ort the module onnxruntime-web
 */
export function serve(ort) {
  /** @type {Model} */
  let model;
  let line = Promise.resolve();
  const cancelled = new Set();

  /** @type {Record<string, (request: any) => any>} */
  const actions = {
    async load({ id, url, engine, threads }) {
      const onProgress = (/** @type {object} */ progress) => postMessage({ id, progress });
      ort.env.wasm.numThreads = threads;
      const [file, wasm] = await Promise.all([fetchBytes(url, onProgress), engine && fetchBytes(engine, onProgress)]);
      if (wasm) ort.env.wasm.wasmBinary = wasm.buffer;
      model = await Model.open(ort, file, url.split('/').pop());
      return { card: model.card };
    },
    segment: ({ image, options }) => model.segment(pixels(image), options),
    again({ probability, width, height, threshold }) {
      return { ...findHands(probability, width, height, threshold), probability, width, height };
    },
  };

  addEventListener('message', ({ data }) => {
    if (data.action === 'cancel') {
      cancelled.add(data.cancelled);
      return;
    }
    line = line.then(async () => {
      // Lets a message that cancels this one come in first.
      await new Promise((resolve) => setTimeout(resolve));
      if (cancelled.delete(data.id)) {
        data.image?.close?.();
        return;
      }
      try {
        const result = await actions[data.action](data);
        const planes = [result.mask, result.probability].filter(Boolean).map((plane) => plane.buffer);
        postMessage({ id: data.id, result }, { transfer: planes });
      } catch (error) {
        postMessage({ id: data.id, error: error instanceof Error ? error.message : String(error) });
      }
      cancelled.delete(data.id);
    });
  });
}

/** @param {ImageData | ImageBitmap} image */
function pixels(image) {
  if (image instanceof ImageData) return image;
  const { width, height } = image;
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  if (!context) throw new Error(`an image of ${width}×${height} pixels is too large for this browser`);
  context.drawImage(image, 0, 0);
  image.close();
  return context.getImageData(0, 0, width, height);
}
