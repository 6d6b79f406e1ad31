// The model card, read out of an ONNX file: a protocol buffer whose field 14 holds the metadata, key and value.

const METADATA = 14;
const CARD = 'handseg.card';

/** The card of an ONNX file's bytes, as `handseg.inference.card.ModelCard` writes it. Throws an Error where it has none. */
export function readCard(file, source) {
  try {
    for (const [field, entry] of fields(file)) {
      if (field !== METADATA) continue;
      const [key, value] = [...fields(entry)].map(([, bytes]) => new TextDecoder().decode(bytes));
      if (key === CARD) return JSON.parse(value);
    }
  } catch (error) {
    throw new Error(`${source}: not an ONNX model with a readable handseg card (${/** @type {Error} */ (error).message}); export it anew`);
  }
  throw new Error(`${source}: has no handseg card; use a packaged model, or what handseg export wrote`);
}

/** Number and bytes of each length-delimited field of a message; all others are passed over. */
function* fields(bytes) {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      if (at >= bytes.length || scale > 2 ** 56) throw new Error('it is damaged');
      const byte = bytes[at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const kind = tag % 8;
    if (kind === 0) varint();
    else if (kind === 1) at += 8;
    else if (kind === 5) at += 4;
    else if (kind === 2) {
      const length = varint();
      if (at + length > bytes.length) throw new Error('it is cut off');
      yield [Math.floor(tag / 8), bytes.subarray(at, at + length)];
      at += length;
    } else throw new Error('it is damaged');
  }
}
