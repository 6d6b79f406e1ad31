// Files with their progress, and unpacked where they come as .gz.

/**
 * @callback Progress
 * @param {{file: string, loaded: number, total: number}} step bytes; total is 0 where the server doesn't tell
 * @returns {void}
 */

/**
 * The bytes of a file.
 *
 * @param {string | URL} url
 * @param {Progress} [onProgress]
 * @returns {Promise<Uint8Array>}
 */
export async function fetchBytes(url, onProgress = () => {}) {
  const file = String(url).split('/').pop() ?? '';
  const answer = await fetch(url).catch(() => {
    throw new Error(`${file}: can't be fetched; check the connection and try again`);
  });
  if (!answer.ok || !answer.body) {
    throw new Error(`${file}: can't be fetched (${answer.status}); put the file where the page looks for it`);
  }
  // What a server compresses by itself arrives unpacked, and then the length isn't that of what arrives.
  const total = answer.headers.get('Content-Encoding') ? 0 : Number(answer.headers.get('Content-Length') ?? 0);
  const parts = [];
  let loaded = 0;
  const reader = answer.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    loaded += value.length;
    onProgress({ file, loaded, total });
  }
  const content = new Blob(parts);
  const packed = parts.length && (await isGzip(content));
  const stream = packed ? content.stream().pipeThrough(new DecompressionStream('gzip')) : content.stream();
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** @param {Blob} content */
async function isGzip(content) {
  const [first, second] = new Uint8Array(await content.slice(0, 2).arrayBuffer());
  return first === 0x1f && second === 0x8b;
}
