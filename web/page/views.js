// What is shown of a picture whose hands are known. All is drawn by the canvas but for the edges, which are made once.

const OUTLINE = 1 / 320; // of the picture's longer side, but two pixels at least
const SOFT = 300; // a soft edge reaches some 300th of the longer side, as in Python
const BLUR = 50; // and the blur a 50th
const SMALL = 160; // pixels, the longer side of the picture that is blurred; it is enlarged smoothly
const TINT = '#19a974';
const COLOURS = ['#e69f00', '#56b4e9', '#009e73', '#f0e442', '#0072b2', '#d55e00', '#cc79a7'];

/** @typedef {import('./handseg/index.js').Found} Found */

/**
 * @typedef {object} Look
 * @property {string} view overlay, outline, cutout, blur, background or mask
 * @property {number} opacity of the overlay, in [0, 1]
 * @property {string} colour behind the hands
 * @property {ImageBitmap | null} picture behind the hands, in place of the colour
 * @property {boolean} boxes
 */

/** A picture and its hands, to be drawn `scale` times as large as they are. */
export class Scene {
  #layers = new Map();

  /**
   * @param {CanvasImageSource} picture
   * @param {Found} found
   * @param {number} threshold
   * @param {number} [scale]
   */
  constructor(picture, found, threshold, scale = 1) {
    this.picture = picture;
    this.found = found;
    this.threshold = threshold;
    this.width = Math.max(1, Math.round(found.width * scale));
    this.height = Math.max(1, Math.round(found.height * scale));
  }

  /**
   * @param {HTMLCanvasElement | OffscreenCanvas} canvas takes the scene's size
   * @param {Look} look
   */
  draw(canvas, look) {
    if (canvas.width !== this.width) canvas.width = this.width;
    if (canvas.height !== this.height) canvas.height = this.height;
    const context = pen(canvas);
    context.clearRect(0, 0, this.width, this.height);
    this[look.view](context, look);
    if (look.boxes) this.#boxes(context);
  }

  original(context) {
    context.drawImage(this.picture, 0, 0, this.width, this.height);
  }

  overlay(context, { opacity }) {
    this.original(context);
    context.globalAlpha = opacity;
    context.drawImage(this.#tinted('hard'), 0, 0);
    context.globalAlpha = 1;
  }

  outline(context) {
    this.original(context);
    context.drawImage(this.#tinted('edge'), 0, 0);
  }

  cutout(context) {
    context.drawImage(this.#cut(), 0, 0);
  }

  blur(context) {
    context.imageSmoothingQuality = 'high';
    context.drawImage(this.#layer('blurred', blurred), 0, 0, this.width, this.height);
    context.drawImage(this.#cut(), 0, 0);
  }

  background(context, { colour, picture }) {
    context.fillStyle = colour;
    context.fillRect(0, 0, this.width, this.height);
    if (picture) cover(context, picture);
    context.drawImage(this.#cut(), 0, 0);
  }

  mask(context) {
    context.fillStyle = '#000';
    context.fillRect(0, 0, this.width, this.height);
    context.drawImage(this.#layer('hard', hard), 0, 0);
  }

  #layer(name, make) {
    if (!this.#layers.has(name)) this.#layers.set(name, make(this));
    return this.#layers.get(name);
  }

  #tinted(name) {
    return this.#layer(`tinted ${name}`, () => {
      const canvas = sheet(this);
      const context = pen(canvas);
      context.drawImage(this.#layer(name, name === 'hard' ? hard : edge), 0, 0);
      context.globalCompositeOperation = 'source-in';
      context.fillStyle = TINT;
      context.fillRect(0, 0, this.width, this.height);
      return canvas;
    });
  }

  #cut() {
    return this.#layer('cut', () => {
      const canvas = sheet(this);
      const context = pen(canvas);
      this.original(context);
      context.globalCompositeOperation = 'destination-in';
      context.drawImage(this.#layer('soft', soft), 0, 0);
      return canvas;
    });
  }

  #boxes(context) {
    const scale = this.width / this.found.width;
    const line = Math.max(2, Math.max(this.width, this.height) * OUTLINE);
    const size = Math.max(13, Math.max(this.width, this.height) / 45);
    context.lineWidth = line;
    context.font = `600 ${size}px system-ui, sans-serif`;
    context.textBaseline = 'top';
    this.found.hands.forEach(({ box, confidence }, i) => {
      const [x, y, width, height] = box.map((n) => n * scale);
      const colour = COLOURS[i % COLOURS.length];
      const words = `${i + 1}  ${Math.round(100 * confidence)} %`;
      context.strokeStyle = context.fillStyle = colour;
      context.strokeRect(x, y, width, height);
      const wide = context.measureText(words).width + 0.8 * size;
      const left = Math.max(0, Math.min(x - line / 2, this.width - wide));
      const top = y > 1.5 * size ? y - 1.5 * size : y;
      context.fillRect(left, top, wide, 1.5 * size);
      context.fillStyle = i % COLOURS.length === 4 ? '#fff' : '#000';
      context.fillText(words, left + 0.4 * size, top + 0.25 * size);
    });
  }
}

/** @param {{width: number, height: number}} size */
const sheet = ({ width, height }) => new OffscreenCanvas(width, height);

/** @returns {any} */
function pen(canvas, settings) {
  const context = canvas.getContext('2d', settings);
  if (!context) throw new Error(`A picture of ${canvas.width}×${canvas.height} pixels is too large for this browser.`);
  return context;
}

/** The hands in white, the rest clear: alpha of each pixel from `alpha(index in the mask)`. */
function painted(scene, alpha) {
  const { width, height, found } = scene;
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const columns = Uint32Array.from({ length: width }, (_, x) => Math.floor(((x + 0.5) * found.width) / width));
  for (let y = 0, i = 0; y < height; y++) {
    const row = Math.floor(((y + 0.5) * found.height) / height) * found.width;
    for (let x = 0; x < width; x++, i++) pixels[i] = (alpha(row + columns[x], i) << 24) | 0xffffff;
  }
  const canvas = sheet(scene);
  pen(canvas).putImageData(image, 0, 0);
  return canvas;
}

const hard = (scene) => painted(scene, (at) => scene.found.mask[at]);

/** The mask's inner edge. */
function edge(scene) {
  const { width, height } = scene;
  const canvas = hard(scene);
  const context = pen(canvas);
  const step = Math.max(2, Math.round(Math.max(width, height) * OUTLINE));
  const inner = hard(scene);
  const shrunk = pen(inner);
  shrunk.globalCompositeOperation = 'destination-in';
  const whole = hard(scene);
  for (const [x, y] of [[1, 0], [-1, 0], [0, 1], [0, -1], [0.7, 0.7], [0.7, -0.7], [-0.7, 0.7], [-0.7, -0.7]]) {
    shrunk.drawImage(whole, Math.round(x * step), Math.round(y * step));
  }
  context.globalCompositeOperation = 'destination-out';
  context.drawImage(inner, 0, 0);
  return canvas;
}

/** Alpha with soft edges, as `handseg.draw.soft_alpha` makes it. */
function soft(scene) {
  const { found, threshold, width, height } = scene;
  const { mask, probability } = found;
  const wide = Math.min(threshold, 1 - threshold);
  const near = smoothed(scene, Math.max(1, Math.round(Math.max(width, height) / SOFT)));
  return painted(scene, (at, i) => {
    const ramp = Math.min(1, Math.max(0, (probability[at] - threshold) / wide + 0.5));
    return Math.round(255 * (mask[at] ? Math.max(ramp, 0.5) : ramp * Math.min(1, near[i] / 127.5)));
  });
}

/** The mask at the scene's size, averaged over squares: 0 to 255. */
function smoothed(scene, radius) {
  const { width, height } = scene;
  const context = pen(hard(scene));
  const { data } = context.getImageData(0, 0, width, height);
  const levels = new Float32Array(width * height);
  for (let i = 0; i < levels.length; i++) levels[i] = data[4 * i + 3];
  return boxBlur(levels, width, height, radius);
}

/** Means over squares of 2·radius + 1; beyond the border it goes on as at it. */
function boxBlur(values, width, height, radius) {
  const wide = new Float32Array(values.length);
  const result = new Float32Array(values.length);
  const n = 2 * radius + 1;
  const along = (from, to, lines, length, across, step) => {
    for (let line = 0; line < lines; line++) {
      const at = (k) => line * across + Math.min(length - 1, Math.max(0, k)) * step;
      let sum = 0;
      for (let k = -radius; k <= radius; k++) sum += from[at(k)];
      for (let k = 0; k < length; k++) {
        to[at(k)] = sum / n;
        sum += from[at(k + radius + 1)] - from[at(k - radius)];
      }
    }
  };
  along(values, wide, height, width, width, 1);
  along(wide, result, width, height, 1, width);
  return result;
}

/** The picture small and blurred, its hands left out, so that no halo of theirs lies around them. */
function blurred(scene) {
  const scale = Math.min(1, SMALL / Math.max(scene.width, scene.height));
  const size = { width: Math.max(1, Math.round(scene.width * scale)), height: Math.max(1, Math.round(scene.height * scale)) };
  const { width, height } = size;
  const rest = sheet(scene);
  const restPen = pen(rest);
  scene.original(restPen);
  restPen.globalCompositeOperation = 'destination-out';
  restPen.drawImage(hard(scene), 0, 0);
  const canvas = sheet(size);
  const context = pen(canvas, { willReadFrequently: true });
  context.imageSmoothingQuality = 'high';
  context.drawImage(rest, 0, 0, width, height);
  const image = context.getImageData(0, 0, width, height);
  const radius = Math.max(1, Math.round((Math.max(width, height) / BLUR)));
  const plane = (c) => Float32Array.from({ length: width * height }, (_, i) => image.data[4 * i + 3] * (c === 3 ? 1 : image.data[4 * i + c]));
  const planes = [0, 1, 2, 3].map((c) => {
    let values = plane(c);
    for (let i = 0; i < 3; i++) values = boxBlur(values, width, height, radius);
    return values;
  });
  // Where the hands cover all that is near, what lies farther off.
  const far = boxBlur(boxBlur(planes[3], width, height, 8 * radius), width, height, 8 * radius);
  const farther = [0, 1, 2].map((c) => boxBlur(boxBlur(planes[c], width, height, 8 * radius), width, height, 8 * radius));
  for (let i = 0; i < width * height; i++) {
    const share = Math.min(1, planes[3][i] / 16);
    for (let c = 0; c < 3; c++) {
      const here = planes[3][i] > 0 ? planes[c][i] / planes[3][i] : 0;
      const there = far[i] > 0 ? farther[c][i] / far[i] : here;
      image.data[4 * i + c] = share * here + (1 - share) * there;
    }
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** Draws a picture so that it covers the canvas, cut at its middle. */
function cover(context, picture) {
  const { width, height } = context.canvas;
  const scale = Math.max(width / picture.width, height / picture.height);
  const [wide, high] = [picture.width * scale, picture.height * scale];
  context.drawImage(picture, (width - wide) / 2, (height - high) / 2, wide, high);
}
