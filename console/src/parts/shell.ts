/** Commands to be copied into a POSIX shell: each word is itself and nothing else, whatever stands in it. */

/**
 * One word. A line's end stands in quotes as it is. Other control characters would be acted on by the terminal, even in
 * quotes: printf makes them, as not every shell has $'…' yet (dash has not). Its result stands in double quotes, where
 * bash would look an exclamation mark up in what was typed before: printf makes that, too.
 * Sources: POSIX.1-2024, Shell Command Language, 2.2.2 "Single-Quotes"; printf.
 */
export function word(text: string): string {
  if (/^[A-Za-z0-9_./:=@%+,-]+$/.test(text)) return text
  // eslint-disable-next-line no-control-regex
  if (!/[\u0000-\u0009\u000b-\u001f\u007f]/.test(text)) return quoted(text)
  // A substitution loses the line ends at its end.
  const ends = /\n*$/.exec(text)?.[0] ?? ''
  const format = text
    .slice(0, text.length - ends.length)
    .replaceAll('\\', '\\\\')
    .replaceAll('%', '%%')
    // eslint-disable-next-line no-control-regex
    .replace(/[!\u0000-\u0009\u000b-\u001f\u007f]/g, (one) => `\\${one.charCodeAt(0).toString(8).padStart(3, '0')}`)
  return `"$(printf -- ${quoted(format)})"${ends && quoted(ends)}`
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

/** A command line. */
export function command(...words: string[]): string {
  return words.map(word).join(' ')
}

/**
 * Commands, each run only where the one before has done what it should. What one reads stands below its first line; no
 * word of that line has a line's end in it.
 */
export function inTurn(...commands: string[]): string {
  return commands.map((text, at) => (at === commands.length - 1 ? text : text.replace(/\n|$/, ' &&$&'))).join('\n')
}

/** A command that reads a text. The end mark is one that the text does not hold. */
export function reading(line: string, text: string): string {
  let mark = 'EOF'
  while (text.split('\n').includes(mark)) mark += '_'
  return `${line} <<'${mark}'\n${text}${text.endsWith('\n') ? '' : '\n'}${mark}`
}
