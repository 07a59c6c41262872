import { describe, expect, it } from 'vitest'

import { bindings, DEFAULTS, meaning, pressed, rebind, typing } from './keys'

function storage() {
  const kept = new Map<string, string>()
  return { getItem: (name: string) => kept.get(name) ?? null, setItem: (name: string, value: string) => void kept.set(name, value) }
}

describe('keys', () => {
  it('are each bound once', () => {
    const keys = DEFAULTS.map((one) => one.keys)
    expect(new Set(keys).size).toBe(keys.length)
  })

  it('may be sequences', () => {
    expect(meaning('', 'g', DEFAULTS)).toBe('wait')
    expect(meaning('g', 'r', DEFAULTS)).toEqual({ id: 'go:/registries' })
    expect(meaning('g', 'j', DEFAULTS)).toEqual({ id: 'next' })
    expect(meaning('', 'q', DEFAULTS)).toBeNull()
  })

  it('are the same with Ctrl and Command', () => {
    const event = { key: 'K', ctrlKey: true, metaKey: false, altKey: false }
    expect(pressed(event)).toBe('mod+k')
    expect(pressed({ ...event, ctrlKey: false, metaKey: true })).toBe('mod+k')
  })

  it('can be bound anew, and back', () => {
    const kept = storage()
    rebind('next', 'n', kept)
    expect(bindings(kept).find((one) => one.id === 'next')?.keys).toBe('n')
    rebind('next', '', kept)
    expect(bindings(kept)).toEqual(DEFAULTS)
    expect(bindings({ getItem: () => '[1' })).toEqual(DEFAULTS)
  })

  it('leave fields alone', () => {
    expect(typing(document.createElement('input'))).toBe(true)
    expect(typing(document.createElement('button'))).toBe(false)
  })
})
