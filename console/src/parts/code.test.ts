import { execFileSync } from 'node:child_process'

import { describe, expect, it } from 'vitest'

import { command, reading } from './shell'
import { yaml } from './yaml'

const hostile = ["it's", '$(id)', '`id`', 'a\nb', '\u001b[31m', '-n', '', 'ü ', '"', '\\', '; rm', 'a\tb']

describe('commands', () => {
  it('are the words they were made of, to a real shell', () => {
    const found = execFileSync('bash', ['-c', `printf '%s\\0' ${command(...hostile)}`], { encoding: 'utf8' })
    expect(found.split('\0').slice(0, -1)).toEqual(hostile)
  })

  it('read what they are given, though it holds their end mark', () => {
    const text = 'one\nEOF\n$(id) `id`\n'
    expect(execFileSync('bash', ['-c', reading('cat', text)], { encoding: 'utf8' })).toBe(text)
  })
})

describe('yaml', () => {
  it('quotes whatever would be read as something else', () => {
    expect(yaml({ a: 'yes', b: '1.0', c: 'a: b', d: 'plain text', e: '#x', f: '*.azurecr.io/base', g: 'x ' })).toBe(
      'a: "yes"\nb: "1.0"\nc: "a: b"\nd: plain text\ne: "#x"\nf: "*.azurecr.io/base"\ng: "x "\n',
    )
  })

  it('nests lists and mappings, and keeps what is empty', () => {
    expect(yaml({ spec: { groups: ['a'], selector: {}, access: [{ registry: 'h', names: [] }], none: undefined } })).toBe(
      'spec:\n  groups:\n    - a\n  selector: {}\n  access:\n    - registry: h\n      names: []\n',
    )
  })

  it('joins documents', () => {
    expect(yaml({ a: 1 }, { b: true })).toBe('a: 1\n---\nb: true\n')
  })
})
