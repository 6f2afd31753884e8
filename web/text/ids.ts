/** What the gateway takes as an id. Pure. */

export const MAX_ID_BYTES = 255;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what an id may not hold
const NO_TEXT = /[\u0000-\u001f\u007f-\u009f]/;

/** What is wrong with an id that is not empty; null if nothing is. */
export function findIdFault(id: string): string | null {
  if (NO_TEXT.test(id)) return "must not hold control characters";
  if (!id.isWellFormed()) return "holds half a character";
  const size = new TextEncoder().encode(id).length;
  return size > MAX_ID_BYTES ? `takes ${size} bytes, at most ${MAX_ID_BYTES} are allowed` : null;
}
