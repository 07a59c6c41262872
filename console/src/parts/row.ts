/** What a row of a list can be taken along as, kept beside its element for the keys. */
export interface RowText {
  /** What others call it: its name, or an image's reference. */
  reference: string
  yaml: () => string
}

export const rowTexts = new WeakMap<Element, RowText>()
