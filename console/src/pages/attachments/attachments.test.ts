import { expect, it } from 'vitest'

import { lookOf } from './Attachments'

it('shows what nobody says any more as unknown, and what a policy masks as no fault', () => {
  expect(lookOf({ status: 'Unknown', reason: 'Silent' })).toBe('unknown')
  expect(lookOf({ status: 'False', reason: 'Masked' })).toBe('off')
  expect(lookOf({ status: 'False', reason: 'SecretConflict' })).toBe('bad')
})
