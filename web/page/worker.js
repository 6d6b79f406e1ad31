// The worker of the page: the engine lies beside it.

import * as ort from './engine/ort.wasm.bundle.min.mjs';
import { serve } from './handseg/serve.js';

serve(ort);
