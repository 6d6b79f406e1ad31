// Where pictures come from.

/** A picture or a video out of a file. */
export async function openFile(file) {
  const name = file.name ? `“${file.name}”` : 'This';
  if (file.type.startsWith('video/')) {
    const video = Object.assign(document.createElement('video'), { muted: true, playsInline: true, loop: true });
    video.src = URL.createObjectURL(file);
    await ready(video).catch(() => {
      URL.revokeObjectURL(video.src);
      throw new Error(`${name} isn’t a video that this browser can play. Try an MP4.`);
    });
    return { video };
  }
  const picture = await createImageBitmap(file).catch(() => {
    throw new Error(`${name} isn’t a picture or video that this browser can open. Try a JPEG, PNG or MP4.`);
  });
  return { picture };
}

/** @param {'user' | 'environment'} facing to the front or to the rear */
export async function openCamera(facing) {
  if (!navigator.mediaDevices) throw new Error('Cameras work only on pages from https or localhost.');
  const stream = await navigator.mediaDevices.getUserMedia({
    video: { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: facing },
  });
  const video = Object.assign(document.createElement('video'), { muted: true, playsInline: true, srcObject: stream });
  await ready(video);
  return { video, stream };
}

export function close({ video, stream, picture } = {}) {
  stream?.getTracks().forEach((track) => track.stop());
  video?.pause();
  if (video?.src) URL.revokeObjectURL(video.src);
  picture?.close();
}

function ready(video) {
  return new Promise((resolve, reject) => {
    video.addEventListener('loadeddata', resolve, { once: true });
    video.addEventListener('error', reject, { once: true });
    video.play().catch(() => {}); // a browser that won't play by itself shows the first frame
  });
}
