// Runs in a real browser: `action` does one thing with the page or its modules, and what it found goes back to the test.

const parameters = new URLSearchParams(location.search);
const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function until(check) {
  for (let i = 0; i < 1200; i++) {
    if (check()) return;
    await wait(50);
  }
  throw new Error(`waited in vain for ${check}`);
}

async function fileOf(name, type = 'image/png') {
  return new File([await (await fetch(name)).blob()], name, { type });
}

async function opened() {
  const frame = document.createElement('iframe');
  frame.src = 'index.html';
  frame.allow = 'camera';
  document.body.append(frame);
  await new Promise((resolve) => frame.addEventListener('load', resolve));
  const page = frame.contentDocument;
  await until(() => /^Choose/.test(page.getElementById('status').textContent));
  return page;
}

function choose(page, file) {
  const transfer = new DataTransfer();
  transfer.items.add(file);
  const input = page.getElementById('file');
  input.files = transfer.files;
  input.dispatchEvent(new Event('change'));
}

const status = (page) => page.getElementById('status');
const looked = (page) => /^(\d+ hands?,|No hand)/.test(status(page).textContent);

function choice(page, name, value) {
  const input = page.querySelector(`input[name=${name}][value="${value}"]`);
  input.checked = true;
  input.dispatchEvent(new Event('change', { bubbles: true }));
}

/** What a button saves. */
async function savedBy(page, id) {
  let saved = null;
  page.defaultView.HTMLAnchorElement.prototype.click = function () {
    saved = fetch(this.href).then((answer) => answer.blob()); // in place of the download
  };
  page.getElementById(id).click();
  await until(() => saved);
  return saved;
}

function packed(words, ...blobs) {
  const text = new TextEncoder().encode(JSON.stringify(words));
  return new Blob([new Uint32Array([text.length, ...blobs.map((blob) => blob.size)]), text, ...blobs]);
}

const segmenterOf = async (model, options = {}) => {
  const { createSegmenter } = await import('./handseg/index.js');
  return createSegmenter({
    model,
    engine: 'engine/ort-wasm-simd-threaded.wasm.gz',
    worker: () => new Worker('worker.js', { type: 'module' }),
    ...options,
  });
};

const actions = {
  /** Masks and probabilities of pictures, in the order given: for each width, height and the probability's bytes. */
  async segment() {
    const secondLook = parameters.has('second');
    const segmenter = await segmenterOf(parameters.get('model'), { policy: parameters.get('policy') ?? 'hand', secondLook });
    const parts = [];
    for (const name of parameters.getAll('image')) {
      const bitmap = await createImageBitmap(await fileOf(name), { colorSpaceConversion: 'none' });
      const found = await segmenter.segment(bitmap);
      const boxes = new Uint32Array(found.hands.flatMap(({ box }) => box));
      const sizes = new Uint32Array([found.width, found.height, found.hands.length]);
      parts.push(sizes, found.probability, boxes, found.mask);
      if (found.mask.length % 4) parts.push(new Uint8Array(4 - (found.mask.length % 4)));
    }
    segmenter.dispose();
    return new Blob(parts);
  },

  /** What createSegmenter does beside finding hands, as a list of words. */
  async calls() {
    const segmenter = await segmenterOf(parameters.get('model'));
    const bitmap = await createImageBitmap(await fileOf(parameters.get('image')));
    const given = new AbortController();
    const first = segmenter.segment(bitmap);
    const second = segmenter.segment(bitmap, { signal: given.signal });
    given.abort();
    const heard = [await second.catch((error) => error.name)];
    const found = await first;
    heard.push(found.hands.length, bitmap.width);
    const area = ({ mask }) => mask.reduce((sum, value) => sum + value / 255, 0);
    const less = area(await segmenter.segment(bitmap, { threshold: 0.9 }));
    const again = await segmenter.again(found, 0.9);
    heard.push(area(again) === less, less < area(found), found.probability.length);
    heard.push(await segmenter.segment(bitmap, { policy: 'feet' }).catch((error) => error.message));
    const last = segmenter.segment(bitmap).catch((error) => error.message);
    await wait(0);
    segmenter.dispose();
    heard.push(await last);
    return JSON.stringify(heard);
  },

  /** What the page says of a sample when the server is gone, after one visit. */
  async offline() {
    const page = await opened();
    const { contentWindow } = document.querySelector('iframe');
    await contentWindow.navigator.serviceWorker.ready;
    await fetch('/gone', { method: 'POST', body: ' ' });
    contentWindow.location.replace('./'); // whose file is kept by its name
    await until(() => contentWindow.document !== page && contentWindow.document.querySelector('#samples button'));
    const again = contentWindow.document;
    await until(() => /^Choose/.test(status(again).textContent));
    again.querySelector('#samples button').click();
    await until(() => looked(again) || status(again).className === 'error');
    return JSON.stringify(status(again).textContent);
  },

  async isolated() {
    return JSON.stringify(crossOriginIsolated);
  },

  async refused() {
    const messages = [];
    for (const name of parameters.getAll('model')) messages.push(await segmenterOf(name).catch((error) => error.message));
    return JSON.stringify(messages);
  },

  /** What the page shows and says of a picture, then of one that isn't, then of the first with forearms. */
  async page() {
    const page = await opened();
    const said = [status(page).textContent];
    choose(page, await fileOf(parameters.get('image')));
    await until(() => looked(page));
    said.push(status(page).textContent, page.getElementById('view').getAttribute('aria-label'));
    const shown = await new Promise((resolve) => page.getElementById('view').toBlob(resolve));
    const mask = await savedBy(page, 'save-mask');
    const cutout = await savedBy(page, 'save-cutout');
    choose(page, new File(['no picture'], 'notes.txt'));
    await until(() => status(page).className === 'error');
    said.push(status(page).textContent);
    choose(page, await fileOf(parameters.get('image')));
    await until(() => looked(page));
    choice(page, 'policy', 'hand+forearm');
    await until(() => !looked(page));
    await until(() => looked(page));
    said.push(status(page).textContent);
    return packed(said, shown, mask, cutout);
  },

  /** Size of what is shown of a picture, and of what is saved of it, view by view. */
  async large() {
    const page = await opened();
    choose(page, await fileOf(parameters.get('image')));
    await until(() => looked(page));
    const sizes = [[page.getElementById('view').width, page.getElementById('view').height]];
    for (const view of ['overlay', 'outline', 'cutout', 'blur', 'background', 'mask']) {
      choice(page, 'view', view);
      const { width, height } = await createImageBitmap(await savedBy(page, 'save-view'));
      sizes.push([width, height]);
    }
    return JSON.stringify(sizes);
  },

  /** What axe says of the page: at first, with a result, and with an error. */
  async accessible() {
    const page = await opened();
    const check = async () => {
      const script = page.createElement('script');
      script.src = 'axe.min.js';
      page.head.append(script);
      await new Promise((resolve) => script.addEventListener('load', resolve));
      const { violations } = await page.defaultView.axe.run(page);
      return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
    };
    const heard = await check();
    choose(page, await fileOf(parameters.get('image')));
    await until(() => looked(page));
    choice(page, 'view', 'background');
    heard.push(...(await check()));
    choose(page, new File(['no picture'], 'notes.txt'));
    await until(() => status(page).className === 'error');
    return JSON.stringify([...heard, ...(await check())]);
  },

  async camera() {
    const page = await opened();
    const said = [];
    page.getElementById('camera').click();
    await until(() => looked(page) || status(page).className === 'error');
    said.push(status(page).textContent, page.getElementById('camera').textContent);
    page.getElementById('camera').click();
    said.push(page.getElementById('camera').textContent);
    return JSON.stringify(said);
  },
};

actions[parameters.get('action')]()
  .catch((error) => new Blob([`failed: ${error.stack}`]))
  .then((body) => fetch('/result', { method: 'POST', body }));
