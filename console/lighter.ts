/**
 * Takes out of the built styles what can never show: rules of themes that nothing here switches on, and custom
 * properties that nothing reads. PatternFly brings four themes and some thousand design tokens; the console has two
 * themes and reads a part of the tokens, and a browser would fetch and keep all of it.
 */
import type { Plugin } from 'vite'

const THEMES = /\.pf-v6-theme-(?:high-contrast|felt|glass|redhat)\b/

/** The parts of a list of selectors, at the commas that are in no brackets. */
export function selectors(list: string): string[] {
  const found: string[] = []
  let depth = 0
  let from = 0
  for (let at = 0; at < list.length; at += 1) {
    const one = list[at]
    if (one === '(' || one === '[') depth += 1
    else if (one === ')' || one === ']') depth -= 1
    else if (one === ',' && depth === 0) {
      found.push(list.slice(from, at))
      from = at + 1
    }
  }
  return [...found, list.slice(from)]
}

/** The end of a block that is open at `at`: behind its closing brace. Strings may hold braces. */
function end(css: string, at: number): number {
  let depth = 0
  for (let now = at; now < css.length; now += 1) {
    const one = css[now]
    if (one === '"' || one === "'") {
      now += 1
      while (now < css.length && css[now] !== one) now += css[now] === '\\' ? 2 : 1
    } else if (one === '{') depth += 1
    else if (one === '}') {
      depth -= 1
      if (depth === 0) return now + 1
    }
  }
  return css.length
}

/** Minified styles without the rules of other themes; rules that are left empty go, too. */
export function withoutThemes(css: string): string {
  let found = ''
  let at = 0
  while (at < css.length) {
    const open = css.indexOf('{', at)
    if (open < 0) return found + css.slice(at)
    // What ends with a semicolon before it is a statement of its own: @charset, @import, declarations.
    const head = css.slice(at, open)
    const before = head.lastIndexOf(';') + 1
    const own = head.slice(before)
    found += head.slice(0, before)
    const close = end(css, open)
    const inner = css.slice(open + 1, close - 1)
    const nested = own.startsWith('@media') || own.startsWith('@supports') || own.startsWith('@layer') || own.startsWith('@container')
    if (nested) {
      const kept = withoutThemes(inner)
      if (kept) found += `${own}{${kept}}`
    } else {
      const kept = own.startsWith('@') ? [own] : selectors(own).filter((one) => !THEMES.test(one.replace(/:not\([^)]*\)/g, '')))
      if (kept.length && (inner || own.startsWith('@'))) found += `${kept.join(',')}{${inner}}`
    }
    at = close
  }
  return found
}

const DECLARED = /(--pf-[\w-]+):[^;{}]*(?:;|(?=\}))/g
const NAMED = /--pf-[\w-]+/g

/** Styles without custom properties that neither they nor `others` read. What only such ones read goes after them. */
export function withoutUnread(sheets: string[], others: string): string[] {
  let now = sheets
  const elsewhere = new Set(others.match(NAMED) ?? [])
  for (;;) {
    const read = new Set(elsewhere)
    for (const sheet of now) for (const [, name] of sheet.matchAll(/var\((--pf-[\w-]+)/g)) read.add(name ?? '')
    const next = now.map((sheet) => sheet.replace(DECLARED, (whole, name: string) => (read.has(name) ? whole : '')))
    if (next.every((sheet, index) => sheet.length === now[index]?.length)) return next.map((sheet) => withoutThemes(sheet))
    now = next
  }
}

/** The plugin: it works on what the bundler has made, at its end. */
export function lighter(): Plugin {
  return {
    name: 'portreeve-lighter-styles',
    apply: 'build',
    enforce: 'post',
    generateBundle(_, bundle) {
      const every = Object.values(bundle)
      const sheets = every.flatMap((one) => (one.type === 'asset' && one.fileName.endsWith('.css') ? [one] : []))
      const scripts = every.flatMap((one) => (one.type === 'chunk' ? [one.code] : [])).join('\n')
      const texts = sheets.map((one) => withoutThemes(typeof one.source === 'string' ? one.source : new TextDecoder().decode(one.source)))
      withoutUnread(texts, scripts).forEach((text, index) => {
        const sheet = sheets[index]
        if (sheet) sheet.source = text
      })
    },
  }
}
