/**
 * Plain values as YAML: what `portreeve apply -f -` reads. Text that could be read as anything but itself is quoted,
 * as JSON quotes it: every JSON string is a YAML string (YAML 1.2.2, 1.3), once NEL and the line separators are escaped.
 */
const plain = /^[A-Za-z/][A-Za-z0-9 ._/@:-]*$/
const other = /^(?:true|false|null|yes|no|on|off|y|n|nan|inf|~|-?\.?\d.*)$/i

function scalar(value: unknown): string {
  if (value === null || value === undefined) return 'null'
  if (typeof value !== 'string') return JSON.stringify(value)
  const safe = plain.test(value) && !other.test(value) && !value.includes(': ') && !/[: ]$/.test(value)
  return safe
    ? value
    : JSON.stringify(value).replace(/[\u007f-\u009f\u2028\u2029\ufeff]/g, (one) => {
        return `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`
      })
}

function lines(value: unknown, indent: string): string[] {
  if (Array.isArray(value)) {
    if (!value.length) return [`${indent}[]`]
    return value.flatMap((one) => {
      const inner = lines(one, `${indent}  `)
      return [`${indent}- ${(inner[0] ?? '').trimStart()}`, ...inner.slice(1)]
    })
  }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(([, one]) => one !== undefined)
    if (!entries.length) return [`${indent}{}`]
    return entries.flatMap(([name, one]) => {
      const nested = typeof one === 'object' && one !== null && Object.keys(one).length > 0
      if (!nested) return [`${indent}${scalar(name)}: ${typeof one === 'object' && one !== null ? (Array.isArray(one) ? '[]' : '{}') : scalar(one)}`]
      return [`${indent}${scalar(name)}:`, ...lines(one, `${indent}  `)]
    })
  }
  return [`${indent}${scalar(value)}`]
}

/** Documents as one YAML stream. */
export function yaml(...documents: unknown[]): string {
  return documents.map((one) => `${lines(one, '').join('\n')}\n`).join('---\n')
}
