import { expect, test } from 'vitest'

import { healthOf, nameFor } from './model'

const ready = { status: 'True', reason: 'CredentialsValid', message: '' }
const check = { outcome: 'ok', reason: null, at: '2026-11-20T12:00:00Z', ms: 10 }

test('nothing is called ready before somebody has asked the registry', () => {
  expect(healthOf({ ready, check: null })).toBe('Unknown')
  expect(healthOf({ ready, check: { ...check, outcome: 'unknown' } })).toBe('Unknown')
  expect(healthOf({ ready, check })).toBe('Ready')
})

test('what the last check found is not covered by a credential that is delivered', () => {
  expect(healthOf({ ready, check: { ...check, outcome: 'failed', reason: 'registry_unauthorized' } })).toBe('Failing')
  expect(healthOf({ ready, check: { ...check, outcome: 'failed', reason: 'no_answer' } })).toBe('Unreachable')
})

test('a credential that has ended is told before anything else', () => {
  expect(healthOf({ ready: { ...ready, status: 'False', reason: 'CredentialsExpired' }, check })).toBe('Expired')
  expect(healthOf({ ready: { ...ready, reason: 'CredentialsExpiring' }, check })).toBe('Expiring')
})

test('a name is made of host and path', () => {
  expect(nameFor('harbor.example.com', 'shop')).toBe('harbor-example-com-shop')
  expect(nameFor('10.1.2.3:5000', '')).toBe('10-1-2-3-5000')
  expect(nameFor(`${'a'.repeat(62)}.example.com`, '')).toHaveLength(62)
})
