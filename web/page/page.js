// The page: one source at a time (picture, video or camera), its hands, and what is shown and saved of them.

import { segmenter } from './models.js';
import { copy, download, pngOf, record } from './save.js';
import { close, openCamera, openFile } from './sources.js';
import { announce, explain, say } from './status.js';
import { Scene } from './views.js';

const PREVIEW = 1.6e6; // pixels; larger pictures are shown smaller, but saved at their own size
const SAMPLES = [
  ['table', 'A hand on a table'],
  ['reaching', 'A hand that reaches out'],
  ['two', 'Somebody with two raised hands'],
];
const element = (id) => document.getElementById(id);
const canvas = element('view');
const chosen = (name) => document.querySelector(`input[name=${name}]:checked`).value;

let begun = 0; // counts what was begun, so that an older result never overwrites a newer one
let source = null; // { picture }, { video } or { video, stream }
let scene = null; // what is shown
let name = 'hands'; // of the files that are saved
let backdrop = null;
let facing = 'user';
let recording = null;

const settings = () => ({
  policy: chosen('policy'),
  threshold: Number(element('threshold').value),
  secondLook: element('second-look').checked && !source?.video,
});

const look = () => ({
  view: chosen('view'),
  opacity: element('opacity').value / 100,
  colour: element('colour').value,
  picture: backdrop,
  boxes: element('boxes').checked,
});

// What is shown

function draw() {
  if (!scene) return;
  const now = look();
  canvas.classList.toggle('clear', now.view === 'cutout');
  scene.draw(canvas, now);
  const comparing = element('compare').checked;
  element('split').hidden = !comparing;
  if (comparing) {
    const position = element('position').value / 100;
    const context = canvas.getContext('2d');
    context.save();
    context.beginPath();
    context.rect(0, 0, Math.round(scene.width * position), scene.height);
    context.clip();
    scene.original(context);
    context.restore();
    place();
  }
}

/** Lays the border between before and after over the canvas, wherever the window puts that. */
function place() {
  const split = element('split');
  if (split.hidden) return;
  const [inner, outer] = [canvas.getBoundingClientRect(), element('frame').getBoundingClientRect()];
  split.style.left = `${inner.left - outer.left}px`;
  split.style.top = `${inner.top - outer.top}px`;
  split.style.width = `${inner.width}px`;
  split.style.height = `${inner.height}px`;
  split.style.setProperty('--at', `${element('position').value}%`);
}

function show(picture, found, threshold) {
  const scale = Math.min(1, Math.sqrt(PREVIEW / (found.width * found.height)));
  const before = scene;
  scene = new Scene(picture, found, threshold, scale);
  if (before && before.picture !== picture && before.picture !== source?.picture) before.picture.close?.();
  draw();
  for (const id of ['save-view', 'save-mask', 'save-cutout', 'copy']) element(id).disabled = false;
}

/** What was found, in words. */
function words({ hands, mask }) {
  const count = hands.length === 1 ? '1 hand' : `${hands.length || 'No'} hands`;
  if (!hands.length) return 'No hand was found';
  const area = hands.reduce((sum, hand) => sum + hand.area, 0);
  return `${count}, ${((100 * area) / mask.length).toFixed(1)} % of the picture`;
}

function described(text) {
  canvas.setAttribute('aria-label', `${text}. Shown as ${chosen('view')}.`);
}

// Finding

async function find(picture, now) {
  const model = await segmenter(chosen('model'));
  const start = performance.now();
  const found = await model.segment(picture, now);
  return { found, took: performance.now() - start };
}

async function findInPicture() {
  const number = ++begun;
  const { picture } = source;
  const now = settings();
  say('Looking for hands…');
  try {
    const { found, took } = await find(picture, now);
    if (number !== begun) return;
    show(picture, found, now.threshold);
    say(`${words(found)}.`);
    described(words(found));
    element('speed').textContent = `${found.width}×${found.height}, ${Math.round(took)} ms`;
    element('speed').hidden = false;
  } catch (error) {
    if (number === begun) say(explain(error), { error: true });
  }
}

/** Frames of a video or camera, one after another, until something else is begun. */
async function findInVideo() {
  const number = ++begun;
  try {
    await findInFrames(number);
  } catch (error) {
    if (number !== begun) return;
    await stop();
    say(explain(error), { error: true });
  }
}

async function findInFrames(number) {
  const { video } = source;
  const times = [];
  let text = '';
  say('Looking for hands…');
  while (number === begun) {
    const now = settings();
    const mirrored = source.stream && element('mirror').checked;
    const frame = await snapshot(video, mirrored);
    const { found, took } = await find(frame, now);
    if (number !== begun) {
      frame.close();
      return;
    }
    show(frame, found, now.threshold);
    times.push(performance.now());
    while (times[0] < times.at(-1) - 2000) times.shift();
    const rate = times.length > 1 ? (1000 * (times.length - 1)) / (times.at(-1) - times[0]) : 0;
    element('speed').textContent = `${rate.toFixed(1)} frames/s, ${Math.round(took)} ms each`;
    element('speed').hidden = false;
    say(`${words(found)}.`, { quiet: true });
    const count = found.hands.length;
    if (`${count}` !== text) {
      text = `${count}`;
      announce(`${words(found)}.`);
      described(words(found));
    }
    if (!video.paused && video.duration) element('seek').value = (1000 * video.currentTime) / video.duration;
    await nextFrame(video);
  }
}

async function snapshot(video, mirrored) {
  const frame = await createImageBitmap(video);
  if (!mirrored) return frame;
  const turned = new OffscreenCanvas(frame.width, frame.height);
  const context = turned.getContext('2d');
  context.scale(-1, 1);
  context.drawImage(frame, -frame.width, 0);
  frame.close();
  return turned.transferToImageBitmap();
}

/** Until the video shows something new. */
function nextFrame(video) {
  return new Promise((resolve) => {
    const done = () => (clearTimeout(timer), resolve());
    const timer = setTimeout(done, video.paused ? 200 : 100);
    if (!video.paused) requestAnimationFrame(done);
  });
}

const again = () => {
  if (source?.picture) findInPicture();
};

/** Another threshold needs no other look. */
async function rethreshold() {
  element('threshold-value').textContent = Number(element('threshold').value).toFixed(2);
  if (!source?.picture || !scene || scene.picture !== source.picture || scene.example) {
    again();
    return;
  }
  const number = ++begun;
  const { threshold } = settings();
  const { picture, found } = scene;
  try {
    const model = await segmenter(chosen('model'));
    const changed = await model.again({ ...found, probability: found.probability.slice() }, threshold);
    if (number !== begun) return;
    show(picture, changed, threshold);
    say(`${words(changed)}.`);
    described(words(changed));
  } catch (error) {
    if (number === begun) say(explain(error), { error: true });
  }
}

// Sources

/** Takes another source in place of the one before; `open` is a promise of it. */
async function take(open, called) {
  const number = ++begun;
  try {
    const opened = await open;
    if (number !== begun) {
      close(opened);
      return;
    }
    await stop();
    source = opened;
    name = called;
    element('camera').textContent = source.stream ? 'Stop camera' : 'Camera';
    element('camera-options').hidden = !source.stream;
    element('video-options').hidden = !source.video || Boolean(source.stream);
    element('play').textContent = 'Pause';
  } catch (error) {
    if (number !== begun) return;
    if (source?.video) await stop(); // its frames have stopped; a picture stays
    say(explain(error), { error: true });
    return;
  }
  if (source.picture) await findInPicture();
  else await findInVideo();
}

async function stop() {
  if (source) close(source.picture === scene?.picture ? { ...source, picture: undefined } : source); // what is shown stays
  source = null;
  element('camera').textContent = 'Camera';
  element('camera-options').hidden = element('video-options').hidden = true;
  await endRecording();
}

function takeFile(file) {
  if (!file) return;
  if (scene?.example) element('compare').checked = false;
  take(openFile(file), file.name.replace(/\.[^.]*$/, '') || 'hands');
}

async function takeCamera() {
  if (source?.stream) {
    begun++;
    await stop();
    say('The camera is off. What it saw last is still shown.');
    return;
  }
  element('compare').checked = false;
  say('Starting the camera…');
  await take(openCamera(facing), 'camera');
}

async function fetched(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error('The sample can’t be loaded. Check the connection and try again.');
  return createImageBitmap(await answer.blob());
}

/** What the page shows before anything is loaded: the sample, and the mask that was rendered with it. */
async function example() {
  const number = begun;
  const [picture, drawn] = await Promise.all([fetched('samples/table.jpg'), fetched('samples/table_mask.png')]);
  if (number !== begun) return;
  const { width, height } = picture;
  const context = new OffscreenCanvas(width, height).getContext('2d');
  context.drawImage(drawn, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  const mask = Uint8Array.from({ length: width * height }, (_, i) => data[4 * i]);
  const found = { mask, probability: Float32Array.from(mask, (value) => value / 255), hands: [], width, height };
  source = { picture };
  name = 'table';
  element('compare').checked = true;
  show(picture, found, 0.6);
  scene.example = true;
  canvas.setAttribute('aria-label', 'An example: a hand on a table, tinted green on the right half.');
}

for (const [file, title] of SAMPLES) {
  const button = document.createElement('button');
  button.type = 'button';
  button.title = title;
  const image = Object.assign(document.createElement('img'), { src: `samples/${file}.jpg`, alt: title });
  button.append(image);
  button.addEventListener('click', () => take(fetched(`samples/${file}.jpg`).then((picture) => ({ picture })), file));
  element('samples').append(button);
}

// Saving

/** A PNG of the picture's own size, whatever size is shown. */
function saved(view) {
  const { picture, found, threshold } = scene;
  return pngOf((paper) => new Scene(picture, found, threshold).draw(paper, { ...look(), ...view }));
}

async function save(what, view) {
  try {
    const blob = await saved(view);
    download(blob, `${name}_${what}.png`);
    say(`Saved as ${name}_${what}.png.`);
  } catch (error) {
    say(explain(error), { error: true });
  }
}

element('save-view').addEventListener('click', () => save(chosen('view'), {}));
element('save-mask').addEventListener('click', () => save('mask', { view: 'mask', boxes: false }));
element('save-cutout').addEventListener('click', () => save('cutout', { view: 'cutout', boxes: false }));
element('copy').addEventListener('click', async () => {
  try {
    await copy(saved({}));
    say('Copied. Paste it where you like.');
  } catch {
    say('This browser doesn’t let pages copy pictures. Save it instead.', { error: true });
  }
});

async function endRecording() {
  if (!recording) return;
  const end = recording;
  recording = null;
  for (const each of document.querySelectorAll('.record')) {
    each.setAttribute('aria-pressed', 'false');
    each.textContent = 'Record';
  }
  const { blob, name: file } = await end();
  download(blob, file);
  announce(`Saved as ${file}.`);
}

for (const button of document.querySelectorAll('.record')) {
  button.addEventListener('click', async () => {
    if (recording) {
      await endRecording();
      return;
    }
    try {
      recording = record(canvas);
      button.setAttribute('aria-pressed', 'true');
      button.textContent = 'Stop and save';
      announce('Recording.');
    } catch (error) {
      say(explain(error), { error: true });
    }
  });
}

// Controls

element('file').addEventListener('change', ({ target }) => {
  takeFile(target.files[0]);
  target.value = ''; // so that the same file may be chosen again
});
element('camera').addEventListener('click', takeCamera);
element('facing').addEventListener('click', async () => {
  facing = facing === 'user' ? 'environment' : 'user';
  element('mirror').checked = facing === 'user';
  begun++;
  await stop(); // phones open one camera at a time
  say('Starting the camera…');
  await take(openCamera(facing), 'camera');
});
element('play').addEventListener('click', () => {
  const { video } = source;
  if (video.paused) video.play();
  else video.pause();
  element('play').textContent = video.paused ? 'Play' : 'Pause';
});
element('seek').addEventListener('input', ({ target }) => {
  if (source?.video.duration) source.video.currentTime = (target.value / 1000) * source.video.duration;
});
element('views').addEventListener('change', () => {
  element('opacity-row').hidden = chosen('view') !== 'overlay';
  element('background-row').hidden = chosen('view') !== 'background';
  draw();
});
element('opacity').addEventListener('input', ({ target }) => {
  element('opacity-value').textContent = `${target.value} %`;
  draw();
});
for (const id of ['colour', 'boxes', 'compare', 'position']) {
  element(id).addEventListener('input', () => {
    if (id === 'colour') backdrop = null;
    draw();
  });
}
element('background').addEventListener('change', async ({ target }) => {
  const [file] = target.files;
  target.value = '';
  if (!file) return;
  try {
    const { picture } = await openFile(file);
    if (!picture) throw new Error('The background must be a picture.');
    backdrop = picture;
    draw();
  } catch (error) {
    say(explain(error), { error: true });
  }
});
for (const radio of document.querySelectorAll('input[name=model], input[name=policy]')) radio.addEventListener('change', again);
element('second-look').addEventListener('change', again);
let soon = 0;
element('threshold').addEventListener('input', () => {
  element('threshold-value').textContent = Number(element('threshold').value).toFixed(2);
  clearTimeout(soon);
  soon = setTimeout(rethreshold, 80);
});

document.addEventListener('dragover', (event) => {
  event.preventDefault();
  document.body.classList.add('dragged');
});
document.addEventListener('dragleave', ({ relatedTarget }) => relatedTarget || document.body.classList.remove('dragged'));
document.addEventListener('drop', (event) => {
  event.preventDefault();
  document.body.classList.remove('dragged');
  takeFile(event.dataTransfer.files[0]);
});
document.addEventListener('paste', ({ clipboardData }) => {
  const file = [...clipboardData.files].find(({ type }) => /^(image|video)\//.test(type));
  if (file) takeFile(file);
  else say('There is no picture to paste.', { error: true });
});
new ResizeObserver(place).observe(element('frame'));
element('settings').addEventListener('submit', (event) => event.preventDefault());

example().catch(() => {}); // the page works without it
segmenter('nano').then(
  () => begun || say('Choose a picture or video, or start the camera.'),
  (error) => begun || say(explain(error), { error: true }),
);
if (navigator.serviceWorker && location.protocol.startsWith('http')) navigator.serviceWorker.register('offline.js').catch(() => {});
