// The models, each fetched once, when it is first asked for.

import { createSegmenter } from './handseg/index.js';
import { endProgress, progress } from './status.js';

const segmenters = new Map(); // name → promise

export function segmenter(name) {
  if (!segmenters.has(name)) {
    const made = createSegmenter({
      model: `models/${name}.onnx`,
      engine: 'engine/ort-wasm-simd-threaded.wasm.gz',
      worker: () => new Worker('worker.js', { type: 'module' }),
      onProgress: progress,
    });
    made.catch(() => segmenters.delete(name)).finally(endProgress); // to be tried anew
    segmenters.set(name, made);
  }
  return segmenters.get(name);
}
