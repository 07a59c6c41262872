import { describe, expect, it } from 'vitest'

import { commandOf, impactOf, levelOf, placeOf, type Entry } from './entries'

const entry: Entry = {
  lane: 'credential',
  name: 'harbor/pull',
  expiresAt: '2026-12-01T00:00:00Z',
  daysLeft: 3,
  level: '7',
  registry: 'harbor',
  purpose: 'pull',
  project: null,
  canEnd: true,
  impact: { grants: 1, namespaces: 12, environments: 2 },
}

describe('an entry of the calendar', () => {
  it('says what stands still', () => {
    expect(impactOf(entry)).toBe('1 grant, 12 namespaces, 2 environments')
    expect(impactOf({ ...entry, lane: 'exemption', impact: { grants: 0, namespaces: 0, environments: 1 } })).toBe('every namespace, 1 environment')
  })

  it('is never good without an end', () => {
    expect(levelOf({ ...entry, level: 'never', expiresAt: null })).toEqual({ look: 'bad', words: 'never ends' })
    expect(levelOf({ ...entry, level: 'overdue', lane: 'token' }).words).toBe('not renewed')
    expect(levelOf({ ...entry, level: '30' }).look).toBe('warning')
    expect(levelOf({ ...entry, level: '1' }).words).toBe('ends within 1 day')
  })

  it('leads to where it is renewed', () => {
    expect(placeOf({ ...entry, registry: 'a/b' })).toBe('/registries/a%2Fb')
    expect(placeOf({ ...entry, lane: 'exemption', name: 'redis' })).toBe('/exemptions/redis')
    expect(commandOf(entry)).toEqual(['rotate', 'registry', 'harbor'])
  })
})
