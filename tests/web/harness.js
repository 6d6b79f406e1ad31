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
  await until(() => page.getElementById('status').textContent !== 'Loading…');
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
const looked = (page) => /; \d+ ms$/.test(status(page).textContent);

const actions = {
  /** Masks and probabilities of pictures, in the order given: for each width, height and the probability's bytes. */
  async segment() {
    const { load } = await import('./handseg.js');
    const segmenter = await load(parameters.get('model'));
    const parts = [];
    for (const name of parameters.getAll('image')) {
      const bitmap = await createImageBitmap(await fileOf(name), { colorSpaceConversion: 'none' });
      const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d');
      context.drawImage(bitmap, 0, 0);
      const image = context.getImageData(0, 0, bitmap.width, bitmap.height);
      const found = await segmenter.segment(image, { policy: parameters.get('policy') ?? 'hand' });
      parts.push(new Uint32Array([found.width, found.height]), found.probability, found.mask);
    }
    return new Blob(parts);
  },

  async refused() {
    const { load } = await import('./handseg.js');
    const messages = [];
    for (const name of parameters.getAll('model')) messages.push(await load(name).catch((error) => error.message));
    return JSON.stringify(messages);
  },

  /** What the page shows and says of a picture, then of one that isn't, then of the first with forearms. */
  async page() {
    const page = await opened();
    const said = [status(page).textContent];
    choose(page, await fileOf(parameters.get('image')));
    await until(() => looked(page));
    said.push(status(page).textContent);
    const view = page.getElementById('view');
    const shown = await new Promise((resolve) => view.toBlob(resolve));
    let saved = null;
    page.defaultView.HTMLAnchorElement.prototype.click = function () {
      saved = fetch(this.href).then((answer) => answer.blob()); // in place of the download
    };
    page.getElementById('save').click();
    await until(() => saved);
    const mask = await saved;
    choose(page, new File(['no picture'], 'notes.txt'));
    await until(() => status(page).className === 'error');
    said.push(status(page).textContent);
    page.getElementById('policy').value = 'hand+forearm';
    page.getElementById('policy').dispatchEvent(new Event('change'));
    await until(() => looked(page));
    said.push(status(page).textContent);
    const words = new TextEncoder().encode(JSON.stringify(said));
    return new Blob([new Uint32Array([words.length, shown.size, mask.size]), words, shown, mask]);
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
