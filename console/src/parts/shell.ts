/** Commands to be copied into a POSIX shell: each word is itself and nothing else, whatever stands in it. */

/** One word. Source: POSIX.1-2024, Shell Command Language, 2.2.2 "Single-Quotes". */
export function word(text: string): string {
  if (/^[A-Za-z0-9_./:=@%+,-]+$/.test(text)) return text
  // A terminal acts on control characters even inside quotes; $'…' is understood by every shell of POSIX 2024.
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\u007f]/.test(text)) {
    const escaped = text.replace(/[\\'\u0000-\u001f\u007f]/g, (one) =>
      one === '\\' || one === "'" ? `\\${one}` : `\\${one.charCodeAt(0).toString(8).padStart(3, '0')}`,
    )
    return `$'${escaped}'`
  }
  return `'${text.replaceAll("'", "'\\''")}'`
}

/** A command line. */
export function command(...words: string[]): string {
  return words.map(word).join(' ')
}

/** A command that reads a text. The end mark is one that the text does not hold. */
export function reading(line: string, text: string): string {
  let mark = 'EOF'
  while (text.split('\n').includes(mark)) mark += '_'
  return `${line} <<'${mark}'\n${text}${text.endsWith('\n') ? '' : '\n'}${mark}`
}
