// What the page says: always in view, and to screen readers not more than once a second.

const element = (id) => document.getElementById(id);
const PAUSE = 1000; // milliseconds between two announcements

let waiting = '';
let spoken = '';
let timer = 0;

/** Shows a sentence. quiet: it isn't announced, since it changes all the time. */
export function say(text, { error = false, quiet = false } = {}) {
  element('status').textContent = text;
  element('status').className = error ? 'error' : '';
  if (!quiet) announce(text);
}

export function announce(text) {
  waiting = text;
  timer ||= setTimeout(speak, 0);
}

function speak() {
  if (waiting !== spoken) element('live').textContent = spoken = waiting;
  timer = setTimeout(() => {
    timer = 0;
    if (waiting !== spoken) speak();
  }, PAUSE);
}

const files = new Map();

/** Shows how much of the files that are being fetched has come. */
export function progress({ file, loaded, total }) {
  files.set(file, { loaded, total });
  const known = [...files.values()].every((each) => each.total);
  const sum = (what) => [...files.values()].reduce((all, each) => all + each[what], 0);
  const bar = element('progress');
  bar.hidden = false;
  if (known) bar.value = (100 * sum('loaded')) / sum('total');
  else bar.removeAttribute('value');
  const megabytes = (n) => (n / 1e6).toFixed(1);
  say(`Loading… ${megabytes(sum('loaded'))}${known ? ` of ${megabytes(sum('total'))}` : ''} MB`, { quiet: true });
}

export function endProgress() {
  files.clear();
  element('progress').hidden = true;
}

/** What went wrong, for a person. */
export function explain(error) {
  const words = {
    NotAllowedError: 'The camera may not be used. Allow it in the browser, or choose a picture.',
    NotFoundError: 'No camera was found. Connect one, or choose a picture.',
    NotReadableError: 'The camera is used by another program. Close that, or choose a picture.',
    OverconstrainedError: 'This camera can’t be used. Try the other one, or choose a picture.',
    RangeError: 'This picture is too large for this browser. Try it on a computer, or make it smaller first.',
  };
  return words[error.name] ?? error.message;
}
