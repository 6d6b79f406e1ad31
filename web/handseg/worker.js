// The worker that `createSegmenter` starts by itself.

import * as ort from 'onnxruntime-web/wasm';
import { serve } from './serve.js';

serve(ort);
