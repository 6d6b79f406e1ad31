// The page: a picture or a camera in, its hands tinted; the mask as a PNG of the picture's own size.

import { load } from './handseg.js';

const LARGEST = 4096; // pixels along a picture's longer side; larger ones are shrunk, since phones run out of memory
const TINT = [25, 169, 116];
const element = (id) => document.getElementById(id);
const view = element('view');
const context = view.getContext('2d', { willReadFrequently: true });
const models = new Map(); // name → promise of a Segmenter
let shown = 0; // counts what was begun, so that an older result never overwrites a newer one
let picture = null;
let result = null;
let stream = null;

function say(text, error = false) {
  element('status').textContent = text;
  element('status').className = error ? 'error' : '';
}

function segmenter() {
  const name = element('model').value;
  if (!models.has(name)) {
    const model = load(`${name}.onnx`);
    model.catch(() => models.delete(name)); // to be tried anew
    models.set(name, model);
  }
  return models.get(name);
}

/** Shows what is in a picture or a video frame, `width` by `height`, tinted where hands are. */
async function show(source, width, height, number) {
  const model = await segmenter();
  if (number !== shown) return;
  const frame = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  frame.drawImage(source, 0, 0, width, height);
  const image = frame.getImageData(0, 0, width, height);
  const start = performance.now();
  const found = await model.segment(image, { policy: element('policy').value });
  const took = performance.now() - start;
  if (number !== shown) return;
  let hands = 0;
  for (let i = 0, at = 0; i < found.mask.length; i++, at += 4) {
    if (!found.mask[i]) continue;
    hands++;
    for (let c = 0; c < 3; c++) image.data[at + c] = 0.45 * image.data[at + c] + 0.55 * TINT[c];
  }
  [view.width, view.height] = [width, height];
  context.putImageData(image, 0, 0);
  result = found;
  element('save').disabled = false;
  const share = hands ? `${((100 * hands) / found.mask.length).toFixed(1)} % of the picture` : 'no hand found';
  say(`${share}; ${Math.round(took)} ms`);
}

async function showPicture() {
  const number = ++shown;
  const scale = Math.min(1, LARGEST / Math.max(picture.width, picture.height));
  say('Looking…');
  try {
    await show(picture, Math.round(picture.width * scale), Math.round(picture.height * scale), number);
  } catch (error) {
    if (number === shown) say(error.message, true);
  }
}

async function open(file) {
  stopCamera();
  const number = ++shown;
  try {
    const opened = await createImageBitmap(file);
    if (number !== shown) return;
    picture = opened;
  } catch {
    say(`${file.name}: not a picture that this browser can read; choose a JPEG or PNG`, true);
    return;
  }
  await showPicture();
}

function stopCamera() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  element('camera').textContent = 'Camera';
}

async function camera() {
  if (stream) {
    shown++;
    stopCamera();
    return;
  }
  const number = ++shown;
  try {
    if (!navigator.mediaDevices) throw new Error('only pages from https or localhost may use it');
    const opened = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 }, facingMode: 'user' } });
    if (number !== shown) {
      opened.getTracks().forEach((track) => track.stop());
      return;
    }
    stream = opened;
    element('camera').textContent = 'Stop';
    picture = null;
    const video = document.createElement('video');
    Object.assign(video, { srcObject: stream, muted: true, playsInline: true });
    await video.play();
    while (number === shown) {
      await show(video, video.videoWidth, video.videoHeight, number);
      await new Promise(requestAnimationFrame);
    }
  } catch (error) {
    if (number !== shown) return;
    stopCamera();
    say(`The camera can't be used (${error.message}); allow it in the browser, or choose a picture`, true);
  }
}

async function save() {
  const { mask, width, height } = result;
  const canvas = new OffscreenCanvas(width, height);
  const pixels = new ImageData(width, height);
  for (let i = 0, at = 0; i < mask.length; i++) {
    for (let c = 0; c < 3; c++) pixels.data[at++] = mask[i];
    pixels.data[at++] = 255;
  }
  canvas.getContext('2d').putImageData(pixels, 0, 0);
  const link = document.createElement('a');
  link.href = URL.createObjectURL(await canvas.convertToBlob());
  link.download = 'hand_mask.png';
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

const again = () => picture && showPicture();
element('file').addEventListener('change', ({ target }) => {
  if (target.files.length) open(target.files[0]);
  target.value = ''; // so that the same picture may be chosen again
});
element('camera').addEventListener('click', camera);
element('save').addEventListener('click', save);
element('model').addEventListener('change', again);
element('policy').addEventListener('change', again);
document.addEventListener('dragover', (event) => {
  event.preventDefault();
  document.body.classList.add('dragged');
});
document.addEventListener('dragleave', () => document.body.classList.remove('dragged'));
document.addEventListener('drop', (event) => {
  event.preventDefault();
  document.body.classList.remove('dragged');
  if (event.dataTransfer.files.length) open(event.dataTransfer.files[0]);
});

segmenter().then(
  () => shown || say('Choose a picture, drop one here, or start the camera.'),
  (error) => say(error.message, true),
);
