import { expect, it } from 'vitest'

import { safeNext } from './Login'

it('goes on to pages of ours alone', () => {
  expect(safeNext('/policies?stage=deny')).toBe('/policies?stage=deny')
  for (const elsewhere of ['//evil.example', '/\\evil.example', 'https://evil.example', 'javascript:alert(1)', '', undefined, '/login?next=/login']) {
    expect(safeNext(elsewhere)).toBe('/fleet')
  }
})
