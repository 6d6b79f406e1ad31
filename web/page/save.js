// Pictures and recordings out of the page.

const KINDS = ['video/mp4;codecs=avc1', 'video/webm;codecs=vp9', 'video/webm'];

/** A PNG file of what `draw` paints. */
export async function pngOf(draw) {
  const canvas = new OffscreenCanvas(1, 1);
  draw(canvas);
  return canvas.convertToBlob({ type: 'image/png' });
}

export function download(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** @param {Promise<Blob>} blob a promise, since Safari wants to be asked within the click */
export async function copy(blob) {
  await navigator.clipboard.write([new ClipboardItem({ 'image/png': blob })]);
}

/** Records a canvas; the function that it returns ends that, and gives the file. */
export function record(canvas) {
  const kind = KINDS.find((each) => globalThis.MediaRecorder?.isTypeSupported(each));
  if (!kind || !canvas.captureStream) throw new Error('This browser can’t record. Try a newer one.');
  const stream = canvas.captureStream(30);
  const recorder = new MediaRecorder(stream, { mimeType: kind, videoBitsPerSecond: 8e6 });
  const parts = [];
  recorder.addEventListener('dataavailable', ({ data }) => parts.push(data));
  recorder.start(1000);
  return () =>
    new Promise((resolve) => {
      recorder.addEventListener('stop', () => {
        stream.getTracks().forEach((track) => track.stop());
        const [type] = kind.split(';');
        resolve({ blob: new Blob(parts, { type }), name: `hands.${type.split('/')[1]}` });
      });
      recorder.stop();
    });
}
