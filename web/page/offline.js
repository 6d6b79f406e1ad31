// The service worker: what was fetched once is there without a network, too. The network comes first, so that a new
// version of the page is never mixed with an old one; servers answer "unchanged" where it is.
//
// It also asks the browser to isolate the page, which the engine's threads need and static hosts can't ask for.

const CACHE = 'handseg-1';
const FILES = [
  'index.html',
  'page.css',
  'page.js',
  'models.js',
  'save.js',
  'sources.js',
  'status.js',
  'views.js',
  'worker.js',
  'icon.svg',
  'icon-192.png',
  'icon-512.png',
  'manifest.webmanifest',
  'samples/table.jpg',
  'samples/table_mask.png',
  'samples/reaching.jpg',
  'samples/two.jpg',
  'handseg/card.js',
  'handseg/fetching.js',
  'handseg/image.js',
  'handseg/index.js',
  'handseg/model.js',
  'handseg/regions.js',
  'handseg/second-look.js',
  'handseg/serve.js',
  'engine/ort.wasm.bundle.min.mjs',
  'engine/ort-wasm-simd-threaded.wasm.gz',
  'models/nano.onnx',
];

addEventListener('install', (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(FILES)).then(() => skipWaiting()));
});

addEventListener('activate', (event) => {
  const old = async () => {
    for (const name of await caches.keys()) if (name !== CACHE) await caches.delete(name);
  };
  event.waitUntil(old());
});

addEventListener('fetch', (event) => {
  const { method, url } = event.request;
  if (method === 'GET' && url.startsWith(registration.scope)) event.respondWith(answered(event.request));
});

async function answered(request) {
  const cache = await caches.open(CACHE);
  try {
    const answer = await fetch(request, { cache: 'no-cache' });
    if (answer.status === 200 && request.mode !== 'navigate') await cache.put(request, answer.clone());
    return isolated(answer);
  } catch (error) {
    // The service answers `/` with the page only to those who ask for HTML, so it is kept by its file's name.
    const kept = await cache.match(request.mode === 'navigate' ? 'index.html' : request, { ignoreSearch: true });
    if (!kept) throw error;
    return isolated(kept);
  }
}

function isolated(answer) {
  const headers = new Headers(answer.headers);
  headers.set('Cross-Origin-Opener-Policy', 'same-origin');
  headers.set('Cross-Origin-Embedder-Policy', 'require-corp');
  const { status, statusText } = answer;
  return new Response(answer.body, { status, statusText, headers });
}
