import { execFileSync } from 'node:child_process'

import { describe, expect, it } from 'vitest'

import { command, inTurn, reading } from './shell'
import { yaml } from './yaml'

const hostile = ["it's", '$(id)', '`id`', 'a\nb', '\u001b[31m', '-n', '', 'ü ', '"', '\\', '; rm', 'a\tb', '-\t', "100 %d\t'\\n\r\n\n", '!!\t!1']

// Where sh is dash, it knows less than bash does.
describe.each(['bash', 'sh'])('commands in %s', (shell) => {
  it('are the words they were made of, to a real shell', () => {
    const found = execFileSync(shell, ['-c', `printf '%s\\0' ${command(...hostile)}`], { encoding: 'utf8' })
    expect(found.split('\0').slice(0, -1)).toEqual(hostile)
  })

  it('hold no exclamation mark where a shell that is typed into would take it for an earlier command', () => {
    expect(command('a\t!b')).not.toContain('!')
    expect(command('a!b')).toBe("'a!b'")
  })

  it('end with the first that fails, each with what it reads', () => {
    const lines = inTurn(reading('cat', 'one\n'), 'echo two', reading('grep three', 'four\n'), 'echo five')
    expect(execFileSync(shell, ['-c', `${lines} || echo failed`], { encoding: 'utf8' })).toBe('one\ntwo\nfailed\n')
  })

  it('read what they are given, though it holds their end mark', () => {
    const text = 'one\nEOF\n$(id) `id`\n'
    expect(execFileSync(shell, ['-c', reading('cat', text)], { encoding: 'utf8' })).toBe(text)
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
