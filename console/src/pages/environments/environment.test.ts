import { expect, it } from 'vitest'

import { healthOf } from './environment'

const agent = { state: 'active', connected: true, lastSeen: '2026-01-01T00:00:00Z', cluster: null, enrolledAt: null, certificateExpiresAt: null }

it('calls nothing ready that nobody has told', () => {
  expect(healthOf(undefined)).toBe('Unknown')
  expect(healthOf({})).toBe('Unknown')
  expect(healthOf({ agent: { ...agent, state: 'none', connected: false, lastSeen: null } })).toBe('Unknown')
  expect(healthOf({ agent: { ...agent, lastSeen: null, connected: false } })).toBe('Unknown')
  expect(healthOf({ agent: { ...agent, connected: false } })).toBe('Unreachable')
  expect(healthOf({ agent })).toBe('Ready')
  expect(healthOf({ agent, health: 'Expiring' })).toBe('Expiring')
})
