/** What stands behind the ? of an address. */

/** The named texts that are there and not empty; all else in the address counts for nothing. */
export function pickTexts<N extends string>(search: Record<string, unknown>, names: readonly N[]) {
  const picked: Partial<Record<N, string>> = {};
  for (const name of names) {
    const value = search[name];
    if (typeof value === "string" && value !== "") picked[name] = value;
  }
  return picked;
}
